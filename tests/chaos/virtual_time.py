"""An event loop whose clock can stand still while there is work, and jump to the next timer when there is none.

So a stall of half a minute costs milliseconds, and a deadline cannot pass because the machine is slow: what a test says
about time is exact. Sockets work as ever if both of their ends are in this process. Threads do not, time would fly
while one computes: it flies only inside of :func:`flying`, when clients are connected and modules loaded.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

__all__ = ["LoopClock", "VirtualTimeLoop", "flying", "now"]

SILENCE = 0.003
"""Real seconds without an event after which nothing but a timer is waited for: a busy kernel may deliver late."""


class _Selector(selectors.BaseSelector):
    """Waits for events as `inner` does; for timers too, unless time flies."""

    def __init__(self) -> None:
        self.inner = selectors.DefaultSelector()
        self.flies = False
        self.silence = SILENCE
        self.ahead = 0.0
        self.stopped = 0.0

    def now(self) -> float:
        return self.ahead + (self.stopped if self.flies else time.monotonic())

    def switch(self, flies: bool) -> None:
        before, self.stopped, self.flies = self.now(), time.monotonic(), flies
        self.ahead += before - self.now()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if not self.flies or timeout is None or timeout <= 0:
            return self.inner.select(timeout)
        events = self.inner.select(self.silence)
        if not events:
            self.ahead += timeout
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self.inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.inner.modify(fileobj, events, data)

    def close(self) -> None:
        self.inner.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self.inner.get_map()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds that have passed, those that flew by included."""
        return self._virtual.now()

    @contextmanager
    def flying(self, silence: float) -> Iterator[None]:
        self._virtual.silence = silence
        self._virtual.switch(True)
        try:
            yield
        finally:
            self._virtual.switch(False)


def flying(silence: float = SILENCE) -> AbstractContextManager[None]:
    """Let time fly on the running loop while this context lasts; to the next timer after that much real silence."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop), "mark the test `virtual_time`"
    return loop.flying(silence)


def now() -> float:
    """Seconds by the clock of the running loop."""
    return asyncio.get_running_loop().time()


class LoopClock:
    """The :class:`~asynczarr.clock.Clock` of the running event loop."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
