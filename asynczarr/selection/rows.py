"""Slices along one axis, grouped so that each row of chunks is met once."""

from __future__ import annotations

from collections.abc import Iterator

from ..metadata.grid import Axis
from .pieces import Piece, cut_axis
from .selections import check_fit

__all__ = ["chunk_rows"]


def chunk_rows(axis: Axis, indices: range) -> Iterator[tuple[int, range]]:
    """The chunks that hold the elements `indices` along an axis, each with the part of `indices` that it holds.

    Lazy, in the order of `indices`: for a negative step the last chunk comes first.

    Raises:
        SelectionError: an index outside of the axis.
    """
    check_fit((indices,), (axis.extent,))
    cut = cut_axis(indices, axis, limit=axis.extent)
    numbers = range(cut.count) if indices.step > 0 else range(cut.count - 1, -1, -1)
    return (_row(piece, indices) for piece in map(cut.make, numbers))


def _row(piece: Piece, indices: range) -> tuple[int, range]:
    place = piece.out[0]
    assert isinstance(place, slice), "a range is cut into slices"
    return piece.coords[0], indices[place]
