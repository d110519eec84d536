"""The rectilinear chunk grid: chunks of different lengths along an axis (extension "rectilinear", kind "inline").

Lengths are kept as runs ``(length, count)``, as they are stored: a million equal chunks are one run.
"""

from __future__ import annotations

import reprlib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import MetadataError
from .regular import RegularAxis
from .shapes import MAX_LENGTH, MAX_NDIM, parse_length

__all__ = ["RectilinearGrid", "Runs", "RunsAxis", "parse_chunk_shapes"]

Runs: TypeAlias = tuple[tuple[int, int], ...]
"""Runs of equal chunks, each ``(length, count)``; neighbours differ in length."""


@dataclass(frozen=True, slots=True)
class RunsAxis:
    """Chunks in `runs` along an axis of `extent` elements.

    Raises:
        MetadataError: the chunks end before the axis does.
    """

    extent: int
    runs: Runs
    _elements: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _chunks: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        elements = tuple(accumulate((length * count for length, count in self.runs), initial=0))
        if elements[-1] < self.extent:
            raise MetadataError(f"the chunks end at {elements[-1]}, the axis at {self.extent}")
        object.__setattr__(self, "_elements", elements)
        object.__setattr__(self, "_chunks", tuple(accumulate((count for _, count in self.runs), initial=0)))

    @property
    def nchunks(self) -> int:
        """Number of chunks that hold at least one element."""
        return self.find(self.extent - 1) + 1 if self.extent else 0

    def start(self, chunk: int) -> int:
        """First element of a chunk."""
        run = self._run(chunk)
        return self._elements[run] + (chunk - self._chunks[run]) * self.runs[run][0]

    def size(self, chunk: int) -> int:
        """Elements of a chunk as it is declared and encoded."""
        return self.runs[self._run(chunk)][0]

    def find(self, index: int) -> int:
        """The chunk that holds element `index`."""
        run = bisect_right(self._elements, index) - 1
        return self._chunks[run] + (index - self._elements[run]) // self.runs[run][0]

    def find_many(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """``find`` for an array of indices."""
        elements = np.array(self._elements[:-1], dtype=np.intp)
        run = np.searchsorted(elements, indices, side="right") - 1
        lengths = np.array([length for length, _ in self.runs], dtype=np.intp)
        return np.array(self._chunks[:-1], dtype=np.intp)[run] + (indices - elements[run]) // lengths[run]

    def _run(self, chunk: int) -> int:
        return min(bisect_right(self._chunks, chunk), len(self.runs)) - 1


@dataclass(frozen=True, slots=True)
class RectilinearGrid:
    """``rectilinear``: along each axis either a step, or runs of chunks that reach the end of the array or beyond.

    Raises:
        MetadataError: lengths or counts below 1, an axis without chunks or longer than 2**63 - 1, too many axes.
    """

    chunk_shapes: tuple[int | Runs, ...]

    def __post_init__(self) -> None:
        if len(self.chunk_shapes) > MAX_NDIM:
            raise MetadataError(f"chunk_shapes: at most {MAX_NDIM} axes are possible")
        for chunks in self.chunk_shapes:
            if isinstance(chunks, tuple):
                _check_runs(chunks)
            else:
                parse_length(chunks, "chunk_shapes", least=1)

    @property
    def largest(self) -> tuple[int, ...]:
        """Elements of the largest chunk along each axis."""
        return tuple(max(n for n, _ in chunks) if isinstance(chunks, tuple) else chunks for chunks in self.chunk_shapes)

    def axes(self, shape: tuple[int, ...]) -> tuple[RegularAxis | RunsAxis, ...]:
        """The chunks along each axis of an array of `shape`."""
        if len(shape) != len(self.chunk_shapes):
            raise MetadataError(f"chunks have {len(self.chunk_shapes)} axes, the array has {len(shape)}")
        return tuple(
            RunsAxis(extent, chunks) if isinstance(chunks, tuple) else RegularAxis(extent, chunks)
            for extent, chunks in zip(shape, self.chunk_shapes, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """The ``chunk_grid`` member of a v3 document."""
        shapes = [
            [[n, count] if count > 1 else n for n, count in chunks] if isinstance(chunks, tuple) else chunks
            for chunks in self.chunk_shapes
        ]
        return {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": shapes}}


def merge_runs(runs: Iterable[tuple[int, int]]) -> Runs:
    """Join neighbouring runs of the same length."""
    merged: list[tuple[int, int]] = []
    for length, count in runs:
        if merged and merged[-1][0] == length:
            merged[-1] = (length, merged[-1][1] + count)
        else:
            merged.append((length, count))
    return tuple(merged)


def parse_chunk_shapes(value: Any, shape: tuple[int, ...]) -> RectilinearGrid:
    """Read ``chunk_shapes``: an integer or a list of integers and ``[length, count]`` an axis."""
    if not isinstance(value, list) or len(value) != len(shape):
        raise MetadataError(f"chunk_shapes: a list of {len(shape)} items expected, one an axis")
    grid = RectilinearGrid(tuple(merge_runs(map(_run, axis)) if isinstance(axis, list) else axis for axis in value))
    grid.axes(shape)
    return grid


def _run(item: Any) -> tuple[int, int]:
    length, count = item if isinstance(item, list) and len(item) == 2 else (item, 1)
    return parse_length(length, "chunk_shapes", least=1), parse_length(count, "chunk_shapes", least=1)


def _check_runs(runs: Runs) -> None:
    total = 0
    for length, count in runs:
        total += parse_length(length, "chunk_shapes", least=1) * parse_length(count, "chunk_shapes", least=1)
    if not 0 < total <= MAX_LENGTH:
        raise MetadataError(f"chunk_shapes: 1 to 2**63 - 1 elements along an axis expected, not {reprlib.repr(total)}")
