"""Slower when the service says so, faster again when it no longer does."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from ..clock import Clock, SystemClock
from ..errors import Throttled
from ..store.base import Store
from ..telemetry import events, hooks
from ..telemetry.address import public
from .base import Request, Wrapper
from .bucket import TokenBucket
from .endpoint import PerEndpoint, endpoint
from .listing import steps

__all__ = ["CubicRate", "Throttle"]

T = TypeVar("T")

HEADROOM = 1.5
"""How much faster than callers come requests may start: enough for a queue to end, too little for a stampede."""


class Throttle(Wrapper):
    """Holds requests back once the service has asked to slow down, and finds the rate that it bears.

    Nothing is held back until the first ``Throttled``. From then on requests start at a rate: 0.7 of the one at which
    the service complained, then growing along a cubic curve, slowly near the rate of the last complaint and ever faster
    beyond it. Complaints about requests that started before a cut belong to that cut. A ``retry_after`` lets nothing
    start for that long.

    The rate grows to 1.5 times the rate at which callers come, so that a queue gets shorter and does not stampede a
    service that recovers. There, and once nobody waits, the hold ends.

    The rate is shared by all stores of one endpoint in one event loop. An error is passed on: to try again is the work
    of retries, outside of this.

    Args:
        inner: the store.
        most_asked: seconds of a ``retry_after`` that are honoured.
        clock: how time passes.
        share: name under which stores share one rate, instead of their endpoint.
    """

    def __init__(
        self, inner: Store, *, most_asked: float = 20.0, clock: Clock | None = None, share: str | None = None
    ) -> None:
        super().__init__(inner)
        self._most_asked = most_asked
        self._clock = clock or SystemClock()
        self._share = endpoint(inner) if share is None else share

    @property
    def rate(self) -> float | None:
        """Requests a second that may start now, in the running loop; ``None`` while nothing is held back."""
        return self._pace().cubic.rate

    async def around(self, request: Request, send: Callable[[], Awaitable[T]]) -> T:
        """Wait for the turn, then do the call and learn from its answer."""
        pace = self._pace()
        cut = await pace.start()
        try:
            answer = await send()
        except Throttled as error:
            delay = min(error.retry_after or 0.0, self._most_asked)
            pace.throttled(cut, delay)
            if hooks.active:
                hooks.emit(events.Throttle(store=public(self.url), rate=pace.cubic.rate or 0.0, delay=delay))
            raise
        pace.succeeded()
        return answer

    async def _listed(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:
        async for name in steps(names, lambda send: self.around(request, send)):
            yield name

    def _pace(self) -> _Pace:
        return _paces.get(self._share, lambda: _Pace(self._clock))


class CubicRate:
    """A rate that falls by a factor when told so and grows again as ``CUBIC`` (RFC 9438) grows a window.

    Args:
        beta: what is left of the rate after a cut.
        scale: how steep the curve is.
        least: requests a second at least.

    Attributes:
        rate: requests a second, ``None`` for as many as one likes.
    """

    def __init__(self, *, beta: float = 0.7, scale: float = 0.4, least: float = 0.5) -> None:
        self.rate: float | None = None
        self._beta = beta
        self._scale = scale
        self._least = least
        self._last = 0.0  # the rate at the latest cut
        self._cut_at = 0.0

    def cut(self, now: float, measured: float) -> None:
        """Fall, from the rate allowed or from the one that was measured if it is lower."""
        self._last = max(measured if self.rate is None else min(self.rate, measured), self._least)
        self._cut_at = now
        self.rate = max(self._last * self._beta, self._least)

    def grow(self, now: float, most: float) -> None:
        """Follow the curve, up to the rate `most`."""
        if self.rate is not None:
            back = (self._last * (1 - self._beta) / self._scale) ** (1 / 3)  # seconds until the rate is what it was
            rate = self._scale * (now - self._cut_at - back) ** 3 + self._last
            self.rate = max(self.rate, min(rate, most))


class _Meter:
    """How many in the last second."""

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        self._moments: deque[float] = deque()

    def add(self, now: float) -> None:
        self._moments.append(now)
        self.count(now)

    def count(self, now: float) -> int:
        moments = self._moments
        while moments and now - moments[0] > 1.0:
            moments.popleft()
        return len(moments)


class _Pace:
    """The rate of one endpoint in one event loop."""

    def __init__(self, clock: Clock) -> None:
        self.cubic = CubicRate()
        self._clock = clock
        self._bucket = TokenBucket(None, clock=clock)
        self._came, self._started = _Meter(), _Meter()
        self._demand = 0  # most callers that came in one second of the hold, or just before it
        self._cuts = 0

    async def start(self) -> int:
        """Wait for the turn of a request; return how many cuts there were before it."""
        now = self._clock.now()
        self._came.add(now)
        if self.cubic.rate is not None:
            self._demand = max(self._demand, self._came.count(now))
        await self._bucket.take()
        self._started.add(self._clock.now())
        return self._cuts

    def succeeded(self) -> None:
        rate, most = self.cubic.rate, HEADROOM * self._demand
        if rate is None:
            return
        if rate >= most and not self._bucket.waiting:
            self.cubic.rate = None
        else:
            self.cubic.grow(self._clock.now(), most)
        if self.cubic.rate != rate:
            self._follow()

    def throttled(self, cut: int, pause: float) -> None:
        if cut == self._cuts:  # it knew of all cuts, and the rate is still too high
            self._cuts += 1
            now = self._clock.now()
            if self.cubic.rate is None:
                self._demand = self._came.count(now)
            self.cubic.cut(now, self._started.count(now))
            self._follow()
        self._bucket.pause(pause)

    def _follow(self) -> None:
        rate = self.cubic.rate
        if rate is None:
            self._bucket.rate = None
            return
        burst = max(1.0, rate / 20)
        self._bucket.rate = (burst, burst / rate)


_paces: PerEndpoint[_Pace] = PerEndpoint()
