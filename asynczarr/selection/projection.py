"""The plan of a selection: what to take from which chunk, and where it goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import sub
from typing import Protocol, TypeVar

import numpy as np

from ..errors import SelectionError
from ..metadata.grid import Axis
from ..types import Coords
from .pieces import NOTHING, AxisCut, Index, IntArray, Piece, Place, cut_axis, mesh
from .points import Groups, distinct

__all__ = ["GridProjections", "PointProjections", "Projection", "Projections"]


class Projections(Protocol):
    """The projections of a selection, in C order of the chunks, each chunk once; made when asked for.

    ``len`` raises OverflowError from 2^63 on, as for a ``range``; ``count`` does not.
    """

    @property
    def count(self) -> int:
        """Number of projections, of any size."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Projection: ...

    def __iter__(self) -> Iterator[Projection]: ...

    def iter_from(self, first: int) -> Iterator[Projection]:
        """The projections from number `first` on, ``0 <= first <= count``, without making the ones before.

        Raises:
            SelectionError: `first` is out of these bounds.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """What a selection takes from one chunk.

    A read is ``result[p.out] = decoded[p.chunk]``, a write is ``decoded[p.chunk] = value[p.out]``, where ``decoded``
    is the chunk with its full shape.

    Attributes:
        coords: coordinates of the chunk in the chunk grid.
        shape: shape of the chunk as it is encoded, also past the end of the array.
        inside: elements of the chunk that lie inside the array, along each axis.
        chunk: NumPy index into the decoded chunk.
        out: NumPy index into the result; a tuple of slices with step 1 if integers and slices were selected.
        whole: whether every element inside the array is selected: a write then needs no read before.
        exact: whether ``decoded[p.chunk]`` is all of ``decoded``, in its order.
        points: whether the arrays in ``chunk`` go together point by point; otherwise each axis stands for itself.
    """

    coords: Coords
    shape: tuple[int, ...]
    inside: tuple[int, ...]
    chunk: tuple[Index, ...]
    out: tuple[Place, ...]
    whole: bool
    exact: bool
    points: bool = False

    def split(self, inner: Sequence[Axis]) -> Projections:
        """Cut the projection again, along the inner chunks of a shard (v3 "sharding_indexed" codec).

        In the projections that result ``coords``, ``chunk`` and ``shape`` are relative to the shard and its inner
        chunks, ``out`` is relative to the whole result. Inner chunks past the end of the array are not met.

        Args:
            inner: the inner chunks along each axis of the shard; their ``extent`` is the shard's shape.

        Raises:
            SelectionError: the axes do not cover the shard.
        """
        if tuple([axis.extent for axis in inner]) != self.shape:
            raise SelectionError(f"the inner chunks do not cover a chunk of shape {self.shape}")
        if self.points:
            return PointProjections(_arrays(self.chunk), inner, self.inside, out=_arrays(self.out))
        kept = iter(self.out)
        cuts = []
        for index, axis, limit in zip(self.chunk, inner, self.inside, strict=True):
            if isinstance(index, int):
                cuts.append(cut_axis(index, axis, limit=limit))
                continue
            item = range(*index.indices(axis.extent)) if isinstance(index, slice) else index.ravel()
            place = next(kept)
            out = place.start if isinstance(place, slice) else place.ravel()
            cuts.append(cut_axis(item, axis, limit=limit, out=out))
        return GridProjections(cuts)


def _arrays(index: Sequence[Index]) -> list[IntArray]:
    """The arrays that make up an index of points."""
    return [along for along in index if isinstance(along, np.ndarray)]


class GridProjections:
    """The product of what is selected along each axis.

    Args:
        cuts: the pieces of each axis; none for a 0-d array.
    """

    __slots__ = ("_cuts", "count")

    def __init__(self, cuts: Sequence[AxisCut]) -> None:
        self._cuts = mesh(cuts)
        self.count: int = math.prod([cut.count for cut in cuts])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Projection:
        return next(self.iter_from(_numbered(number, self.count)))

    def __iter__(self) -> Iterator[Projection]:
        return self.iter_from(0)

    def iter_from(self, first: int) -> Iterator[Projection]:
        """The projections from number `first` on."""
        _check_first(first, self.count)
        if first == self.count:
            return iter(())
        starts = []
        for cut in reversed(self._cuts):
            first, start = divmod(first, cut.count)
            starts.append(start)
        pieces: Iterator[Piece] = iter((NOTHING,))
        for cut, start in zip(self._cuts[:-1], reversed(starts), strict=False):
            pieces = _product(pieces, cut, start, Piece)
        if not self._cuts:
            return iter((Projection(*NOTHING),))
        return _product(pieces, self._cuts[-1], starts[0], Projection)


_Joined = TypeVar("_Joined", Piece, Projection)


def _product(before: Iterator[Piece], cut: AxisCut, first: int, join: Callable[..., _Joined]) -> Iterator[_Joined]:
    """Each of the pieces `before` with each piece of the next axis; on the first of them from number `first` on."""
    for coords, shape, inside, chunk, out, whole, exact in before:
        for piece in cut.iter_from(first):
            yield join(
                coords + piece[0],
                shape + piece[1],
                inside + piece[2],
                chunk + piece[3],
                out + piece[4],
                whole and piece[5],
                exact and piece[6],
            )
        first = 0


class PointProjections:
    """Points, grouped by chunk.

    Args:
        coords: coordinates of the points, one 1-d array an axis, at least one axis.
        out: where the points go in the result: one array an axis of the result, or its shape if they fill it in
            C order.
        axes: the chunks along each axis.
        limits: elements inside the array along each axis.
    """

    __slots__ = ("_axes", "_groups", "_limits", "_out", "_shape")

    def __init__(
        self,
        coords: Sequence[IntArray],
        axes: Sequence[Axis],
        limits: Sequence[int],
        *,
        out: Sequence[IntArray] = (),
        shape: tuple[int, ...] = (),
    ) -> None:
        self._groups = Groups(coords, axes)
        self._axes = tuple(axes)
        self._limits = tuple(limits)
        self._out = tuple(out)
        self._shape = shape

    @property
    def count(self) -> int:
        """Number of projections."""
        return len(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, number: int) -> Projection:
        return self._make(_numbered(number, len(self)))

    def __iter__(self) -> Iterator[Projection]:
        return self.iter_from(0)

    def iter_from(self, first: int) -> Iterator[Projection]:
        """The projections from number `first` on."""
        _check_first(first, len(self))
        return map(self._make, range(first, len(self)))

    def _make(self, number: int) -> Projection:
        coords, points, rows = self._groups[number]
        starts = [axis.start(chunk) for axis, chunk in zip(self._axes, coords, strict=True)]
        shape = tuple([axis.size(chunk) for axis, chunk in zip(self._axes, coords, strict=True)])
        inside = tuple(map(min, shape, map(sub, self._limits, starts)))
        chunk = tuple(map(sub, points, starts))
        size = math.prod(inside)
        whole = len(rows) >= size and distinct(chunk, inside) == size
        return Projection(coords, shape, inside, chunk, self._place(rows), whole, False, True)

    def _place(self, rows: IntArray) -> tuple[Place, ...]:
        if self._out:
            return tuple([along[rows] for along in self._out])
        return (rows,) if len(self._shape) == 1 else np.unravel_index(rows, self._shape)


def _numbered(number: int, count: int) -> int:
    if not -count <= number < count:
        raise SelectionError(f"projection {number} of {count}")
    return number % count


def _check_first(first: int, count: int) -> None:
    if not 0 <= first <= count:
        raise SelectionError(f"cannot start at projection {first} of {count}")
