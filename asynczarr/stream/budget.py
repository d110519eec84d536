"""The byte budget: how much a stream may keep alive between asking for a chunk and handing it over."""

from __future__ import annotations

__all__ = ["ByteBudget"]


class ByteBudget:
    """Counts bytes against a limit; nobody ever waits for it.

    A stream that may not take more simply waits for one of its own jobs, and a stream without any job in flight is
    always admitted. So two streams in one task, or one item larger than the whole budget, cannot deadlock.

    Args:
        limit: bytes.
    """

    __slots__ = ("limit", "peak", "used")

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"a byte budget must be positive, not {limit}")
        self.limit: int = limit
        self.used: int = 0
        self.peak: int = 0

    def admits(self, cost: int) -> bool:
        """Whether `cost` more bytes fit, or nothing is in use."""
        return self.used == 0 or self.used + cost <= self.limit

    def take(self, cost: int) -> None:
        """Count `cost` bytes as alive."""
        self.used += cost
        self.peak = max(self.peak, self.used)

    def release(self, cost: int) -> None:
        """Count `cost` bytes as gone."""
        self.used -= cost
