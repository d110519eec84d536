"""Reading several parts of one value with few requests. Pure: nothing here reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..types import ByteRange

__all__ = ["Run", "coalesce"]


class Run(NamedTuple):
    """A range to read at once, and which of the wanted ranges lie in it.

    Attributes:
        start: first byte.
        stop: first byte after it.
        members: positions, in the sequence given to :func:`coalesce`, of the ranges inside; by ascending start.
    """

    start: int
    stop: int
    members: list[int]


def coalesce(ranges: Sequence[ByteRange], *, gap: int, max_size: int) -> list[Run]:
    """Merge ranges that are near each other; every range ends up in exactly one run.

    Args:
        ranges: closed ranges (with a stop), in any order; they may overlap and repeat.
        gap: merge two ranges if at most this many unwanted bytes lie between them; with 0 only neighbours merge.
        max_size: do not merge into runs longer than this; a single longer range stays whole.

    Returns:
        Runs by ascending start. Runs overlap only where `max_size` keeps overlapping ranges apart.

    Raises:
        ValueError: an open range.
    """
    bounds = []
    for position, part in enumerate(ranges):
        if part.stop is None:
            raise ValueError(f"only ranges with a stop can be merged, not {part}")
        bounds.append((part.start, part.stop, position))
    runs: list[Run] = []
    for start, stop, position in sorted(bounds):
        last = runs[-1] if runs else None
        if last and start - last.stop <= gap and max(stop, last.stop) - last.start <= max_size:
            last.members.append(position)
            runs[-1] = Run(last.start, max(stop, last.stop), last.members)
        else:
            runs.append(Run(start, stop, [position]))
    return runs
