"""Time that passes when a test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools

__all__ = ["VirtualClock"]


class VirtualClock:
    """A :class:`~asynczarr.clock.Clock` for one event loop that stands still until :meth:`advance`.

    Attributes:
        slept: seconds of each sleep that was begun, in order.
    """

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._now = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Seconds that a test let pass."""
        return self._now

    @property
    def sleeping(self) -> int:
        """How many sleeps wait for time to pass."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return when the test has let that much time pass."""
        self.slept.append(seconds)
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), next(self._order), future))
        await future

    async def advance(self, seconds: float = 0.0) -> None:
        """Let time pass; sleepers wake in order, each at its own time, and run until they wait again."""
        end = self._now + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now = max(self._now, self._sleepers[0][0])
            while self._sleepers and self._sleepers[0][0] <= self._now:
                future = heapq.heappop(self._sleepers)[2]
                if not future.done():
                    future.set_result(None)
            await _settle()
        self._now = end


async def _settle() -> None:
    for _ in range(50):  # turns of the event loop: more than any chain of callbacks in between is long
        await asyncio.sleep(0)
