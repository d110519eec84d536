"""Which chunks a range of elements meets, counted instead of visited."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TypeAlias

from ..metadata.grid import Axis
from ..metadata.rectilinear import RunsAxis
from ..metadata.regular import RegularAxis

__all__ = ["Numbered", "touched"]

Numbered: TypeAlias = tuple[int, Callable[[int], int]]
"""How many chunks, and the function from 0, 1, ... to each of them."""


def touched(indices: range, axis: Axis) -> Numbered:
    """The chunks that hold at least one of the elements `indices`, ascending.

    Memory grows with the runs of equal chunks, not with the chunks. Only on an axis of an unknown kind does a step
    other than 1 and -1 look at the size of every chunk between the ends.
    """
    if not indices:
        return 0, range(0).__getitem__
    if indices.step < 0:
        indices = indices[::-1]
    first, last = axis.find(indices[0]), axis.find(indices[-1])
    if indices.step == 1 or first == last:
        return last - first + 1, range(first, last + 1).__getitem__
    return _join(list(_parts(indices, axis, first, last)))


def _parts(indices: range, axis: Axis, first: int, last: int) -> Iterator[Numbered]:
    """The chunks met in each run of chunks of one size."""
    begin, step, low = indices.start, indices.step, first
    for size, count in _runs(axis, first, last):
        start, low = axis.start(low), low + count
        stop = start + size * count
        met = indices[max(0, -((begin - start) // step)) : max(0, -((begin - stop) // step))]
        if met and step <= size:  # such a step skips no chunk
            chunks = range(axis.find(met[0]), axis.find(met[-1]) + 1)
            yield len(chunks), chunks.__getitem__
        elif met:  # and a longer one meets no chunk twice
            yield len(met), _finder(met, axis)


def _runs(axis: Axis, first: int, last: int) -> Iterator[tuple[int, int]]:
    """``(size, count)`` of the runs of equal chunks between two chunks, both included."""
    if isinstance(axis, RegularAxis):
        yield axis.step, last - first + 1
    elif isinstance(axis, RunsAxis):
        begin = 0
        for size, count in axis.runs:
            low, high = max(begin, first), min(begin + count, last + 1)
            if low < high:
                yield size, high - low
            begin += count
    else:
        for size, run in groupby(map(axis.size, range(first, last + 1))):
            yield size, sum(1 for _ in run)


def _finder(indices: range, axis: Axis) -> Callable[[int], int]:
    return lambda number: axis.find(indices[number])


def _join(parts: list[Numbered]) -> Numbered:
    if len(parts) == 1:
        return parts[0]
    offsets = [0]
    for count, _ in parts:
        offsets.append(offsets[-1] + count)

    def chunk_of(number: int) -> int:
        part = bisect_right(offsets, number) - 1
        return parts[part][1](number - offsets[part])

    return offsets[-1], chunk_of
