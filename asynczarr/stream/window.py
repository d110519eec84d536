"""A window of running jobs: bounded in number and bytes, ordered or as completed, nothing left behind.

Jobs are plain asyncio tasks. A task group would have to stay open while its owner's consumer runs, and an async
iterator that suspends inside a cancel scope cancels its caller when the consumer breaks out of the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

import anyio

from .budget import ByteBudget

__all__ = ["Window", "ended"]

T = TypeVar("T")


class Window(Generic[T]):
    """Jobs in flight of one stream, read or write.

    The owner asks :meth:`admits` before every :meth:`launch`, and takes results with :meth:`pop`. The first job that
    fails cancels all others at once; its error is what ``pop`` raises.

    Args:
        slots: how many slots may be taken at the same time; a job takes one or more.
        budget: bytes; a job's cost stays counted until the owner releases it after ``pop``.
        ordered: results in order of launch, not of completion.
    """

    __slots__ = ("_closed", "_costs", "_done", "_error", "_free", "_ordered", "_running", "_tasks", "_wake", "budget")

    def __init__(self, *, slots: int, budget: ByteBudget, ordered: bool) -> None:
        self.budget: ByteBudget = budget
        self._free = slots
        self._ordered = ordered
        self._tasks: deque[asyncio.Task[T]] = deque()
        self._done: deque[asyncio.Task[T]] = deque()
        self._costs: dict[asyncio.Task[T], int] = {}
        self._running: dict[asyncio.Task[T], int] = {}
        self._error: BaseException | None = None
        self._closed = False
        self._wake: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Jobs launched and not popped."""
        return len(self._costs)

    def admits(self, cost: int, slots: int = 1) -> bool:
        """Whether a job may be launched now; one that is too large for the window is admitted alone."""
        if self._error is not None or self._closed:
            return False
        return (slots <= self._free or not self._running) and self.budget.admits(cost)

    def launch(self, job: Coroutine[Any, Any, T], cost: int, slots: int = 1) -> None:
        """Start a job that takes `cost` bytes of the budget."""
        self.budget.take(cost)
        self._free -= slots
        task = asyncio.get_running_loop().create_task(job)
        self._costs[task] = cost
        self._running[task] = slots
        if self._ordered:
            self._tasks.append(task)
        task.add_done_callback(self._finished)

    @property
    def ready(self) -> bool:
        """Whether :meth:`pop` has something to say at once."""
        queue = self._tasks if self._ordered else self._done
        return self._error is not None or bool(queue and queue[0].done())

    def _finished(self, task: asyncio.Task[T]) -> None:
        error = None if task.cancelled() else task.exception()  # asked for even if nobody cares: else asyncio complains
        if task not in self._running:  # pop() was faster than the callback (eager tasks), or the window is closed
            return
        self._free += self._running.pop(task)
        if error is not None:
            if self._error is None:
                self._error = error
                self.cancel()
        elif not self._ordered:
            self._done.append(task)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def pop(self) -> tuple[T, int]:
        """The next result and the cost to release once it was handed on.

        Raises:
            BaseException: the error of the first job that failed, as soon as it failed; every other job has then ended.
            StopAsyncIteration: the window was closed meanwhile.
        """
        queue = self._tasks if self._ordered else self._done
        try:
            while True:
                if self._closed:
                    raise StopAsyncIteration
                if queue and queue[0].done():
                    self._finished(queue[0])
                if isinstance(self._error, StopAsyncIteration):  # from a function of the user: not the end of a stream
                    raise RuntimeError("a job raised StopAsyncIteration") from self._error
                if self._error is not None:
                    raise self._error
                if queue and queue[0].done():
                    break
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
        except BaseException:
            await self.aclose()
            raise
        task = queue.popleft()
        return task.result(), self._costs.pop(task)

    def cancel(self) -> None:
        """Cancel every job that still runs, without waiting."""
        for task in self._running:
            task.cancel()

    async def aclose(self) -> None:
        """Cancel every job, wait until all have ended, and release their cost."""
        self._closed = True
        self.cancel()
        try:
            await ended(list(self._running))
        finally:
            self.budget.release(sum(self._costs.values()))
            self._free += sum(self._running.values())
            self._costs.clear()
            self._running.clear()
            self._tasks.clear()
            self._done.clear()


async def ended(tasks: list[asyncio.Task[T]]) -> None:
    """Wait until all tasks have ended: an owner that is cancelled, even repeatedly, must not leave before its jobs."""
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while running := [task for task in tasks if not task.done()]:
            try:
                await asyncio.wait(running)
            except asyncio.CancelledError as error:  # by Task.cancel(), which no scope keeps off
                cancelled = error
    if cancelled is not None:
        raise cancelled
