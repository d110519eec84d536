"""A second request for the slowest reads; the first answer wins."""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from ..clock import Clock, SystemClock
from ..store.base import Store
from ..telemetry import events, hooks
from ..telemetry.address import public
from .base import Request, Verb, Wrapper
from .tasks import end, start

__all__ = ["Budget", "Hedge"]

T = TypeVar("T")

HEDGED: tuple[Verb, ...] = ("get", "get_ranges", "head")


class Budget(Protocol):
    """What pays for requests that nobody asked for, such as the budget that retries of an endpoint share."""

    def take(self, tokens: int) -> bool:
        """Take tokens; ``False`` if there are not enough."""
        ...


class Hedge(Wrapper):
    """Asks once more when an answer takes longer than almost all before it, and takes whichever answer comes first.

    "Longer" is the quantile of the latest latencies of the same verb. The other request is cancelled and waited for. If
    one of the two fails, the other still counts; if both do, the error of the first is raised. Only reads are hedged:
    Dean and Barroso, "The Tail at Scale" (2013).

    Args:
        inner: the store.
        quantile: share of reads that are fast enough.
        window: latencies that are remembered for each verb.
        least: latencies that must be known before anything is hedged.
        extra: second requests, as a share of all reads so far.
        budget: pays for second requests; without tokens there is none.
        cost: tokens that one takes.
        clock: how time passes.

    Attributes:
        reads: reads that were asked for.
        hedges: second requests that were made.

    Raises:
        ValueError: a share that is none, or fewer than one latency.
    """

    def __init__(
        self,
        inner: Store,
        *,
        quantile: float = 0.95,
        window: int = 1000,
        least: int = 100,
        extra: float = 0.05,
        budget: Budget | None = None,
        cost: int = 5,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(inner)
        if not (0 < quantile < 1 and 0 <= extra <= 1 and 1 <= least <= window):
            raise ValueError(f"impossible: {quantile=}, {extra=}, {least=}, {window=}")
        self.reads: int = 0
        self.hedges: int = 0
        self._latencies = {verb: _Latencies(quantile, window, least) for verb in HEDGED}
        self._extra = extra
        self._budget = budget
        self._cost = cost
        self._clock = clock or SystemClock()

    async def around(self, request: Request, send: Callable[[], Awaitable[T]]) -> T:
        """Do one call, and after a while perhaps a second time."""
        latencies = self._latencies.get(request.verb)
        if latencies is None:
            return await send()
        self.reads += 1
        begun = self._clock.now()
        slow = latencies.slow()
        answer = await (send() if slow is None else self._hedged(send, slow))
        latencies.add(self._clock.now() - begun)
        return answer

    async def _hedged(self, send: Callable[[], Awaitable[T]], slow: float) -> T:
        first = start(send)
        sleep = start(partial(self._clock.sleep, slow))
        second: asyncio.Task[T] | None = None
        try:
            await asyncio.wait([first, sleep], return_when=asyncio.FIRST_COMPLETED)
            if not first.done() and self._may_hedge():
                if hooks.active:
                    hooks.emit(events.Hedge(store=public(self.url), delay=slow))
                second = start(send)
                return await _better(first, second)
            return await first
        finally:
            await end([task for task in (first, sleep, second) if task is not None])

    def _may_hedge(self) -> bool:
        if self.hedges + 1 > self._extra * self.reads:
            return False
        if self._budget is not None and not self._budget.take(self._cost):
            return False
        self.hedges += 1
        return True


class _Latencies:
    """The quantile of the latest latencies, kept sorted. It may be used from several threads."""

    def __init__(self, quantile: float, window: int, least: int) -> None:
        self._quantile = quantile
        self._least = least
        self._latest: deque[float] = deque(maxlen=window)
        self._sorted: list[float] = []
        self._lock = threading.Lock()

    def add(self, seconds: float) -> None:
        with self._lock:
            if len(self._latest) == self._latest.maxlen:
                del self._sorted[bisect_left(self._sorted, self._latest[0])]
            self._latest.append(seconds)
            insort(self._sorted, seconds)

    def slow(self) -> float | None:
        """Seconds beyond which an answer is slow, once enough is known."""
        with self._lock:
            count = len(self._sorted)
            return self._sorted[min(int(self._quantile * count), count - 1)] if count >= self._least else None


async def _better(first: asyncio.Task[T], second: asyncio.Task[T]) -> T:
    """The answer of whichever succeeds first, or the error of the first one."""
    await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
    quick, other = (first, second) if first.done() else (second, first)
    if _failed(quick):
        await asyncio.wait([other])
        quick = first if _failed(other) else other
    return quick.result()


def _failed(task: asyncio.Task[T]) -> bool:
    return task.cancelled() or task.exception() is not None
