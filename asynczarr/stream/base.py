"""What every stream is: an async iterator and context manager over a window of jobs, with nothing left behind.

A class and not an async generator: a generator that suspends inside a task group or cancel scope cancels its caller
when the consumer leaves the loop early.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from ..telemetry import hooks
from .budget import ByteBudget
from .stored import StoredArray
from .trace import StreamTrace
from .window import Window

__all__ = ["WindowStream"]

T = TypeVar("T")


class WindowStream(ABC, Generic[T]):
    """Items made by jobs of a window, handed out one at a time.

    Nothing runs before the first item is asked for, and new jobs start only when an item is taken: demand is the
    credit. Leaving the loop in any way ends all jobs; ``async with`` and :meth:`aclose` also wait for that.

    Args:
        array: what is streamed.
        max_bytes: budget of everything between request and delivery.
        ordered: results of jobs in order of launch, not of completion.
    """

    kind: ClassVar[str] = "chunks"
    """What events call it."""

    def __init__(self, array: StoredArray, *, max_bytes: int, ordered: bool) -> None:
        self._array = array
        self._trace: StreamTrace | None = None
        self._budget = ByteBudget(max_bytes)
        self._ordered = ordered
        self._ready: deque[tuple[T | None, int, Any]] = deque()
        self._window: Window[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pulling = False
        self._closed = False
        self._hurry = False
        """Until the first item is there: launch only the job that makes it, and nothing before it is delivered."""

    @abstractmethod
    async def _slots(self) -> int:
        """Get ready to fill the window; return how many slots it has. Called once, on the running loop."""

    @abstractmethod
    def _fill(self, window: Window[Any]) -> bool:
        """Launch jobs while the window admits them; whether it is still looking for something to do."""

    @abstractmethod
    def _take(self, result: Any, cost: int) -> None:
        """Queue what a job made: item (``None``: counted, but not handed out), share of the cost, mark."""

    def _passed(self, mark: Any) -> None:
        """The item with this mark was taken."""

    @property
    def bytes_alive(self) -> int:
        """Bytes between request and delivery, as counted against ``max_bytes``."""
        return self._budget.used

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._pulling:
            raise RuntimeError("two tasks iterate over one stream; give each its own, or put a queue between")
        if self._loop not in (None, asyncio.get_running_loop()):
            raise RuntimeError("a stream belongs to the event loop on which it has begun")
        if self._closed:
            raise StopAsyncIteration
        self._pulling = True
        try:
            return await self._pull()
        except BaseException as error:
            if self._trace is not None:
                self._trace.end(None if self._closed else error)
            await self.aclose()
            raise
        finally:
            self._pulling = False

    async def _pull(self) -> T:
        if self._window is None:
            self._loop = asyncio.get_running_loop()
            self._trace = StreamTrace(self._array, self.kind) if hooks.active else None
            self._window = Window(slots=await self._slots(), budget=self._budget, ordered=self._ordered)
        looking = False
        while not self._closed:
            hurry = self._hurry
            if not hurry or not (self._ready or self._window):
                fill = self._fill
                looking = fill(self._window) if self._trace is None else self._trace.run(fill, self._window)
            while self._ready:
                item, cost, mark = self._ready.popleft()
                self._budget.release(cost)
                self._passed(mark)
                self._hurry = False
                if item is not None:
                    if self._trace is not None:
                        self._trace.items += 1
                    return item
            if hurry and not self._hurry:
                continue
            if looking and not self._window.ready:
                await asyncio.sleep(0)  # a long search must not keep the event loop
            elif self._window:
                self._take(*await self._window.pop())
            else:
                break
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the stream: cancel its jobs, wait for them, free what is queued. Iterating further just stops."""
        self._closed = True
        self._budget.release(sum(cost for _, cost, _ in self._ready))
        self._ready.clear()
        if self._window is not None:
            await self._window.aclose()
        if self._trace is not None:
            self._trace.end(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # Jobs know the window but not the stream, so a stream left by ``break`` is collected and ends them here.
        window, loop = getattr(self, "_window", None), getattr(self, "_loop", None)
        trace = getattr(self, "_trace", None)
        if trace is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(trace.end, None)  # not here: the collector may have stopped a subscriber
        if not window or loop is None or loop.is_closed():
            return
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            window.cancel()
        else:
            loop.call_soon_threadsafe(window.cancel)
