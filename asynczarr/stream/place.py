"""Put decoded chunks into the result. Small chunks that are neighbours go together, whole rows at a time.

A chunk of 16^3 elements is 256 separate lines of the result, each in another page of memory. Joined to a row of chunks
first, the lines are as long as the row: fewer of them, and written where the memory is next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..selection import Projection
from .plan import Piece

__all__ = ["place"]

NDArray = np.ndarray[Any, np.dtype[Any]]

LARGE = 64 * 1024
"""Bytes from which a chunk has lines long enough, or too many of them for the cache to hold a row of chunks."""


def place(out: NDArray, fill: Any, found: list[tuple[Piece, NDArray | None]]) -> None:
    """Write the chunks of a batch, in plan order, into `out`; `fill` where a chunk is not stored."""
    row: list[tuple[Projection, NDArray]] = []
    for piece, chunk in found:
        if chunk is None:
            out[piece.part.out] = fill
        elif out.ndim < 2 or not piece.part.exact or chunk.nbytes > LARGE:
            out[piece.part.out] = chunk[piece.part.chunk]
        else:
            if row and not _follows(row[-1][0], piece.part):
                _place_row(out, row)
                row = []
            row.append((piece.part, chunk))
    if row:
        _place_row(out, row)


def _follows(before: Projection, part: Projection) -> bool:
    """Whether `part` goes on in the result where `before` ends along the last axis."""
    end, start = before.out[-1], part.out[-1]
    return (
        isinstance(end, slice)
        and isinstance(start, slice)
        and end.stop == start.start
        and before.out[:-1] == part.out[:-1]
    )


def _place_row(out: NDArray, row: list[tuple[Projection, NDArray]]) -> None:
    first, last = row[0][0].out, row[-1][0].out[-1]
    if len(row) == 1:
        out[first] = row[0][1]
        return
    begin = first[-1]
    assert isinstance(begin, slice)
    assert isinstance(last, slice)
    out[(*first[:-1], slice(begin.start, last.stop))] = np.concatenate([chunk for _, chunk in row], axis=-1)
