"""A selection along one axis, cut at the borders of the chunks. Pure integer arithmetic.

Each axis is cut on its own; the pieces of an array are the product of the pieces of its axes. That is why a plan for
10^8 chunks costs no more than one for ten: only the piece that is asked for is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ..metadata.grid import Axis
from .strides import touched

__all__ = ["NOTHING", "AxisCut", "Index", "IntArray", "Item", "Piece", "Place", "as_slice", "cut_axis", "mesh"]

IntArray: TypeAlias = npt.NDArray[np.intp]

Item: TypeAlias = int | range | IntArray
"""What is selected along one axis: one element (the axis is dropped), a range of any step, or a 1-d array."""

Place: TypeAlias = slice | IntArray
"""One entry of a NumPy index that keeps its axis."""

Index: TypeAlias = int | Place
"""One entry of a NumPy index."""

_KEEP = 4096
"""Up to so many pieces of an axis are kept, because an inner axis is walked once for every step of the outer ones."""


class Piece(NamedTuple):
    """The part of a selection within one chunk, over the first axes of the array or over one of them.

    The fields mean the same as in ``Projection``; joining pieces concatenates the tuples.
    """

    coords: tuple[int, ...]
    shape: tuple[int, ...]
    inside: tuple[int, ...]
    chunk: tuple[Index, ...]
    out: tuple[Place, ...]
    whole: bool
    exact: bool


NOTHING = Piece((), (), (), (), (), True, True)
"""The piece of no axes, to which the others are joined."""

Kind: TypeAlias = Literal["int", "slice", "array"]


@dataclass(slots=True, eq=False)
class AxisCut:
    """The pieces along one axis, in the order of the chunks, made when asked for.

    Attributes:
        count: number of pieces, which is the number of chunks met.
        make: makes a piece from its number.
        chunk_kind: what ``chunk`` of the pieces holds.
        out_kind: what ``out`` of the pieces holds; ``"int"`` if the axis is dropped.
    """

    count: int
    make: Callable[[int], Piece]
    chunk_kind: Kind
    out_kind: Kind
    _kept: list[Piece] | None = None

    def iter_from(self, first: int) -> Iterator[Piece]:
        """The pieces from number `first` on."""
        if self._kept is not None:
            return iter(self._kept[first:] if first else self._kept)
        made = map(self.make, range(first, self.count))
        return self._keep(made) if first == 0 and self.count <= _KEEP else made

    def _keep(self, made: Iterator[Piece]) -> Iterator[Piece]:
        kept = []
        for piece in made:
            kept.append(piece)
            yield piece
        self._kept = kept


def as_slice(indices: range) -> slice:
    """The slice that selects `indices`, none of them negative, from anything longer than the largest."""
    if not indices:
        return slice(0, 0, 1)
    start, stop = indices[0], indices[-1]
    if len(indices) == 1:
        return slice(start, start + 1, 1)
    if indices.step > 0:
        return slice(start, stop + 1, indices.step)
    return slice(start, stop - 1 if stop else None, indices.step)


def cut_axis(item: Item, axis: Axis, *, limit: int, out: int | IntArray = 0) -> AxisCut:
    """Cut what is selected along one axis at the borders of its chunks.

    Args:
        item: elements of the axis, all of them within `limit`.
        axis: the chunks.
        limit: elements of the axis that lie inside the array.
        out: where the elements go in the result: all positions, or the first of consecutive ones.
    """
    if isinstance(item, int):
        return _cut_int(item, axis, limit)
    if isinstance(item, range):
        return _cut_range(item, axis, limit, out if isinstance(out, int) else int(out[0]))
    return _cut_array(item, axis, limit, out)


def _cut_int(index: int, axis: Axis, limit: int) -> AxisCut:
    chunk = axis.find(index)
    start, size = axis.start(chunk), axis.size(chunk)
    inside = min(size, limit - start)
    piece = Piece((chunk,), (size,), (inside,), (index - start,), (), inside == 1, False)
    return AxisCut(1, lambda _: piece, "int", "int")


def _cut_range(indices: range, axis: Axis, limit: int, out: int) -> AxisCut:
    number_of_chunks, chunk_of = touched(indices, axis)
    begin, step, length = indices.start, indices.step, len(indices)
    start_of, size_of = axis.start, axis.size

    def make(number: int) -> Piece:
        chunk = chunk_of(number)
        start, size = start_of(chunk), size_of(chunk)
        inside = min(size, limit - start)
        # The elements of the range within [start, start + inside) are the range's numbers first to last.
        if step > 0:
            first = max(0, -((begin - start) // step))
            last = min(length, -((begin - start - inside) // step)) - 1
        else:
            first = max(0, -((start + inside - 1 - begin) // -step))
            last = min(length, (start - begin) // step + 1) - 1
        low, high = begin + first * step - start, begin + last * step - start
        count = last - first + 1
        if step > 0 or count == 1:
            local = slice(low, high + 1, step if count > 1 else 1)
        else:
            local = slice(low, high - 1 if high else None, step)
        whole = count == inside
        exact = count == size and (step == 1 or count == 1)
        piece = (chunk,), (size,), (inside,), (local,), (slice(out + first, out + last + 1, 1),), whole, exact
        return Piece(*piece)

    return AxisCut(number_of_chunks, make, "slice", "slice")


def _cut_array(indices: IntArray, axis: Axis, limit: int, out: int | IntArray) -> AxisCut:
    ids = axis.find_many(indices)
    edges = np.flatnonzero(ids[1:] != ids[:-1]) + 1
    consecutive = bool((ids[1:] >= ids[:-1]).all())
    if not consecutive:
        # Stable, so that of several writes to one element the last one wins, as in NumPy.
        order = np.argsort(ids, kind="stable")
        ids, indices = ids[order], indices[order]
        edges = np.flatnonzero(ids[1:] != ids[:-1]) + 1
        out = order + out if isinstance(out, int) else out[order]
    bounds = [0, *edges.tolist(), len(ids)] if len(ids) else [0]

    def make(number: int) -> Piece:
        first, last = bounds[number], bounds[number + 1]
        chunk = int(ids[first])
        start, size = axis.start(chunk), axis.size(chunk)
        inside = min(size, limit - start)
        local = indices[first:last] - start
        whole = last - first >= inside and len(np.unique(local)) == inside
        place: Place = slice(out + first, out + last, 1) if isinstance(out, int) else out[first:last]
        return Piece((chunk,), (size,), (inside,), (local,), (place,), whole, False)

    return AxisCut(len(bounds) - 1, make, "array", "slice" if isinstance(out, int) else "array")


def mesh(cuts: Sequence[AxisCut]) -> list[AxisCut]:
    """Shape index arrays so that several of them select an outer product, as ``numpy.ix_`` does.

    Slices stay slices (and the result a view along them) where NumPy then leaves the axes in their order, which it
    does if integers and arrays stand side by side.
    """
    if all(cut.chunk_kind != "array" for cut in cuts):
        return list(cuts)
    chunk_places = _mesh_places([cut.chunk_kind for cut in cuts])
    kept = [cut for cut in cuts if cut.out_kind != "int"]
    out_places = iter(_mesh_places([cut.out_kind for cut in kept]))
    return [
        _meshed(cut, chunk_place, None if cut.out_kind == "int" else next(out_places))
        for cut, chunk_place in zip(cuts, chunk_places, strict=True)
    ]


def _mesh_places(kinds: list[Kind]) -> list[tuple[int, ...] | None]:
    """For each axis the shape of its index array, with -1 for its length, or ``None`` for no array."""
    advanced = [number for number, kind in enumerate(kinds) if kind != "slice"]
    side_by_side = bool(advanced) and advanced[-1] - advanced[0] == len(advanced) - 1
    arrays = "array" in kinds
    also = "array" if side_by_side else "slice"
    meshed = [number for number, kind in enumerate(kinds) if arrays and kind in ("array", also)]
    places: list[tuple[int, ...] | None] = [None] * len(kinds)
    for place, number in enumerate(meshed):
        places[number] = (1,) * place + (-1,) + (1,) * (len(meshed) - place - 1)
    return places


def _meshed(cut: AxisCut, chunk_place: tuple[int, ...] | None, out_place: tuple[int, ...] | None) -> AxisCut:
    make = cut.make

    def shaped(number: int) -> Piece:
        piece = make(number)
        chunk, out = piece.chunk, piece.out
        if chunk_place is not None:
            chunk = (_as_array(chunk[0], piece.shape[0]).reshape(chunk_place),)
        if out_place is not None:
            out = (_as_array(out[0], None).reshape(out_place),)
        return piece._replace(chunk=chunk, out=out)

    return AxisCut(cut.count, shaped, cut.chunk_kind, cut.out_kind)


def _as_array(index: Any, length: int | None) -> IntArray:
    if isinstance(index, slice):
        return np.arange(*index.indices(index.stop if length is None else length), dtype=np.intp)
    return np.asarray(index, dtype=np.intp)
