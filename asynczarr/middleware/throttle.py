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


class Throttle(Wrapper):
    """Holds requests back once the service has asked to slow down, and finds the rate that it bears.

    Nothing is held back until the first ``Throttled``. From then on requests start at a rate: 0.7 of the one at which
    the service complained, then growing along a cubic curve, slowly near the rate of the last complaint and ever faster
    beyond it. Complaints about requests that started before a cut belong to that cut. At twice the rate of the first
    complaint the hold ends. A ``retry_after`` lets nothing start for that long.

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
        self._share = share

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
        name = self._share if self._share is not None else endpoint(self.url)
        return _paces.get(name, lambda: _Pace(self._clock))


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
        self._first = 0.0  # the rate at the cut that ended a time without limit
        self._last = 0.0  # the rate at the latest cut
        self._cut_at = 0.0

    def cut(self, now: float, measured: float) -> None:
        """Fall, from the rate allowed or from the one that was measured if it is lower."""
        if self.rate is None:
            self._first = self._last = max(measured, self._least)
        else:
            self._last = max(min(self.rate, measured), self._least)
        self._cut_at = now
        self.rate = max(self._last * self._beta, self._least)

    def grow(self, now: float) -> None:
        """Follow the curve; at twice the rate of the first cut there is no limit any more."""
        if self.rate is None:
            return
        back = (self._last * (1 - self._beta) / self._scale) ** (1 / 3)  # seconds until the rate is what it was
        rate = self._scale * (now - self._cut_at - back) ** 3 + self._last
        self.rate = None if rate >= 2 * self._first else max(self.rate, rate)


class _Pace:
    """The rate of one endpoint in one event loop."""

    def __init__(self, clock: Clock) -> None:
        self.cubic = CubicRate()
        self._clock = clock
        self._bucket = TokenBucket(None, clock=clock)
        self._started: deque[float] = deque(maxlen=1000)
        self._cuts = 0

    async def start(self) -> int:
        """Wait for the turn of a request; return how many cuts there were before it."""
        await self._bucket.take()
        self._started.append(self._clock.now())
        return self._cuts

    def succeeded(self) -> None:
        if self.cubic.rate is not None:
            self.cubic.grow(self._clock.now())
            self._follow()

    def throttled(self, cut: int, pause: float) -> None:
        if cut == self._cuts:  # it knew of all cuts, and the rate is still too high
            self._cuts += 1
            self.cubic.cut(self._clock.now(), self._measured())
            self._follow()
        self._bucket.pause(pause)

    def _follow(self) -> None:
        rate = self.cubic.rate
        if rate is None:
            self._bucket.rate = None
            return
        burst = max(1.0, rate / 10)
        self._bucket.rate = (burst, burst / rate)

    def _measured(self) -> float:
        """Requests a second that started lately: those of the last second, or the last 1000."""
        now = self._clock.now()
        recent = [at for at in self._started if now - at <= 1.0]
        span = now - recent[0] if len(recent) == self._started.maxlen else 1.0
        return len(recent) / max(span, 1e-3)


_paces: PerEndpoint[_Pace] = PerEndpoint()
