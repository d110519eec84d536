"""Cut a selection into slabs, one a row of chunks along an axis, for ``stream_slices``."""

from __future__ import annotations

import operator
from collections.abc import Iterator

from ..errors import SelectionError
from ..selection import GridSelection, Selection, basic, chunk_rows
from ..stream.slices import Slab
from ..stream.stored import StoredArray

__all__ = ["slabs"]


def slabs(array: StoredArray, selection: Selection, axis: int, wanted: slice) -> tuple[int, Iterator[Slab]]:
    """The number of the axis (from 0), and the slabs in order, lazily.

    Args:
        array: what is read.
        selection: the view that is cut.
        axis: axis of the view, negative from the end.
        wanted: which slices along it.

    Raises:
        SelectionError: no such axis; along it the view is not a slice; a step of 0.
    """
    number = operator.index(axis)
    if not -selection.ndim <= number < selection.ndim:
        raise SelectionError(f"axis {axis} of {selection.ndim}")
    number %= selection.ndim
    if selection.kept is None or not isinstance(selection, GridSelection):
        raise SelectionError("stream_slices needs axes; point indexing has none")
    stored_axis = selection.kept[number]
    along = selection.items[stored_axis]
    if not isinstance(along, range):
        raise SelectionError("stream_slices needs a slice along its axis, not an index array")
    if wanted.step == 0:
        raise SelectionError("slice step cannot be zero")
    positions = range(len(along))[wanted]

    def make() -> Iterator[Slab]:
        # The view may run backwards or in steps: rows are found by stored index, slices are told by position in the
        # view.
        for _, stored in chunk_rows(array.chunk_axes[stored_axis], along[wanted]):
            first = along.index(stored[0])
            group = range(first, first + len(stored) * positions.step, positions.step)
            index = (slice(None),) * number + (_as_slice(group),)
            yield Slab(group, selection.compose(basic(index, selection.shape)))

    return number, make()


def _as_slice(indices: range) -> slice:
    stop = indices.stop if indices.step > 0 or indices.stop >= 0 else None
    return slice(indices.start, stop, indices.step)
