"""What was selected from an array: lazy, immutable, and open to further selection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import SelectionError
from ..metadata.grid import Axis
from .pieces import IntArray, Item, as_slice, cut_axis
from .projection import GridProjections, PointProjections, Projections

__all__ = ["GridSelection", "PointSelection", "Selection", "check_fit", "select_points"]


class Selection(Protocol):
    """What was selected from an array, as positions in that array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        ...

    @property
    def ndim(self) -> int:
        """Number of axes of the result."""
        ...

    @property
    def size(self) -> int:
        """Number of elements of the result."""
        ...

    @property
    def kept(self) -> tuple[int, ...] | None:
        """The axis of the array that each axis of the result runs along; ``None`` for points."""
        ...

    def project(self, axes: Sequence[Axis]) -> Projections:
        """Plan the selection over the chunks of the array.

        Raises:
            SelectionError: the selection was made for another number of axes, or reaches past the array.
        """
        ...

    def compose(self, inner: Selection) -> Selection:
        """What `inner` selects from the result of this selection, as a selection from the array itself.

        Raises:
            SelectionError: `inner` was made for another number of axes.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class GridSelection:
    """The outer product of what is selected along each axis (basic and orthogonal indexing).

    Takes O(1) memory an axis, except for index arrays.

    Attributes:
        items: for each axis of the array one index (the axis is dropped), a range of any step, or a 1-d array;
            none of the indices is negative.
    """

    items: tuple[Item, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result; axes selected by an integer are dropped."""
        return tuple([len(item) for item in self.items if not isinstance(item, int)])

    @property
    def ndim(self) -> int:
        """Number of axes of the result."""
        return len(self.kept)

    @property
    def size(self) -> int:
        """Number of elements of the result."""
        return math.prod(self.shape)

    @property
    def kept(self) -> tuple[int, ...]:
        """The axis of the array that each axis of the result runs along."""
        return tuple([number for number, item in enumerate(self.items) if not isinstance(item, int)])

    def project(self, axes: Sequence[Axis]) -> Projections:
        """Plan the selection over the chunks: O(1) for a range, O(n log n) for an array of n indices."""
        check_fit(self.items, [axis.extent for axis in axes])
        items = (range(0),) * len(axes) if 0 in self.shape else self.items
        return GridProjections(
            [cut_axis(item, axis, limit=axis.extent) for item, axis in zip(items, axes, strict=True)]
        )

    def compose(self, inner: Selection) -> Selection:
        """What `inner` selects from the result of this selection."""
        check_fit(_items(inner), self.shape)
        if isinstance(inner, PointSelection):
            coords = iter(inner.coords)
            points = [np.intp(i) if isinstance(i, int) else _pick_array(i, next(coords)) for i in self.items]
            return PointSelection(tuple([np.broadcast_to(each, inner.shape) for each in points]))
        items = iter(_items(inner))
        return GridSelection(tuple([i if isinstance(i, int) else _pick(i, next(items)) for i in self.items]))


@dataclass(frozen=True, slots=True, eq=False)
class PointSelection:
    """Points, one by one (vectorized indexing and masks).

    Attributes:
        coords: coordinates of the points, one array an axis of the array, all of the shape of the result, which has
            at least one axis, as has the array; none is negative.
    """

    coords: tuple[IntArray, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result: that of each array of coordinates."""
        return self.coords[0].shape

    @property
    def ndim(self) -> int:
        """Number of axes of the result."""
        return self.coords[0].ndim

    @property
    def size(self) -> int:
        """Number of points."""
        return self.coords[0].size

    @property
    def kept(self) -> None:
        """``None``: an axis of the result runs along no axis of the array."""
        return None

    def project(self, axes: Sequence[Axis]) -> Projections:
        """Plan the selection over the chunks: O(n log n) for n points."""
        limits = [axis.extent for axis in axes]
        check_fit(self.coords, limits)
        return PointProjections([along.ravel() for along in self.coords], axes, limits, shape=self.shape)

    def compose(self, inner: Selection) -> Selection:
        """What `inner` selects from the result of this selection."""
        check_fit(_items(inner), self.shape)
        if isinstance(inner, PointSelection):
            return PointSelection(tuple([along[inner.coords] for along in self.coords]))
        return select_points([_pick_each(along, _items(inner)) for along in self.coords])


def select_points(coords: Sequence[IntArray]) -> Selection:
    """The selection of points; a single point with a 0-d result is the same as one integer an axis."""
    if coords and coords[0].ndim:
        return PointSelection(tuple(coords))
    return GridSelection(tuple([int(along) for along in coords]))


def _items(selection: Selection) -> Sequence[Item]:
    if isinstance(selection, GridSelection):
        return selection.items
    if isinstance(selection, PointSelection):
        return selection.coords
    raise TypeError(f"not a selection of asynczarr: {selection!r}")


def check_fit(items: Sequence[Item], extents: Sequence[int]) -> None:
    """Check that the largest index of each axis exists: an array may be made smaller after something was selected.

    Raises:
        SelectionError: it does not, or there are more or fewer axes.
    """
    if len(items) != len(extents):
        raise SelectionError(f"a selection from {len(items)} axes does not fit an array of {len(extents)} axes")
    for number, (item, extent) in enumerate(zip(items, extents, strict=True)):
        if isinstance(item, int):
            last = item
        elif len(item) == 0 or (isinstance(item, np.ndarray) and item.size == 0):
            continue
        else:
            last = max(item[0], item[-1]) if isinstance(item, range) else int(item.max())
        if last >= extent:
            raise SelectionError(f"index {last} is out of bounds for axis {number} with size {extent}")


def _pick(outer: range | IntArray, inner: Item) -> Item:
    """``outer[inner]`` along one axis."""
    if isinstance(inner, np.ndarray):
        return _pick_array(outer, inner)
    if isinstance(inner, int):
        return int(outer[inner])
    return outer[as_slice(inner)]


def _pick_array(outer: range | IntArray, inner: IntArray) -> IntArray:
    """``outer[inner]`` along one axis for an array of indices of any shape."""
    if isinstance(outer, range):
        return np.asarray(inner * outer.step + outer.start, dtype=np.intp)
    return outer[inner]


def _pick_each(coords: IntArray, items: Sequence[Item]) -> IntArray:
    """``coords`` with each axis selected for itself."""
    for number, item in reversed(list(enumerate(items))):
        index = as_slice(item) if isinstance(item, range) else item
        coords = coords[(slice(None),) * number + (index,)]
    return coords
