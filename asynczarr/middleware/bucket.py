"""So many in so many seconds."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TypeAlias

from ..clock import Clock, SystemClock
from .tasks import end, start

__all__ = ["Rate", "TokenBucket"]

Rate: TypeAlias = tuple[float, float]
"""How many, in how many seconds: ``(100, 60)``."""


class TokenBucket:
    """Lets `n` pass in `seconds`: up to `n` at once after a quiet time, and n / seconds in the long run.

    First come, first served; who is cancelled takes nothing. A bucket belongs to the event loop where it is used.

    Args:
        rate: ``(n, seconds)``, or ``None`` for as many as one likes.
        clock: how time passes.

    Attributes:
        waiting: callers that wait in :meth:`take`.

    Raises:
        ValueError: a rate that is not positive.
    """

    def __init__(self, rate: Rate | None, *, clock: Clock | None = None) -> None:
        self.waiting: int = 0
        self._clock = clock or SystemClock()
        self._rate = _checked(rate)
        self._tokens = rate[0] if rate else 0.0
        self._filled_at = self._opens_at = self._clock.now()
        self._turn = asyncio.Lock()
        self._sleeping: asyncio.Task[None] | None = None

    @property
    def rate(self) -> Rate | None:
        """``(n, seconds)``. Set it at any time: who waits already goes by the new rate."""
        return self._rate

    @rate.setter
    def rate(self, rate: Rate | None) -> None:
        _checked(rate)
        self._fill()
        if rate is not None:
            self._tokens = min(self._tokens, rate[0]) if self._rate else rate[0]
        self._rate = rate
        if self._sleeping is not None:
            self._sleeping.cancel()  # whoever it is looks again

    def pause(self, seconds: float) -> None:
        """Let nothing pass for that long."""
        self._opens_at = max(self._opens_at, self._clock.now() + seconds)

    async def take(self, tokens: float = 1.0) -> None:
        """Wait until so many may pass. More than `n` pass when the bucket is full, and those behind wait longer."""
        if self._rate is None and self._missing(tokens) <= 0 and not self._turn.locked():
            return  # nothing is held back, so that nobody waits who could be overtaken
        self.waiting += 1
        try:
            async with self._turn:
                while (wait := self._missing(tokens)) > 1e-9:
                    self._sleeping = start(partial(self._clock.sleep, wait))
                    try:
                        await asyncio.wait([self._sleeping])
                    finally:
                        await end([self._sleeping])
                        self._sleeping = None
                self._tokens -= tokens
        finally:
            self.waiting -= 1

    def _missing(self, tokens: float) -> float:
        """Seconds until so many may pass."""
        self._fill()
        closed = self._opens_at - self._filled_at
        if self._rate is None:
            return closed
        n, seconds = self._rate
        return max(closed, (min(tokens, n) - self._tokens) * seconds / n)

    def _fill(self) -> None:
        now = self._clock.now()
        if self._rate is not None:
            n, seconds = self._rate
            self._tokens = min(n, self._tokens + (now - self._filled_at) * n / seconds)
        self._filled_at = now


def _checked(rate: Rate | None) -> Rate | None:
    if rate is not None and not (rate[0] > 0 and rate[1] > 0):
        raise ValueError(f"a rate is a positive number in a positive time, not {rate}")
    return rate
