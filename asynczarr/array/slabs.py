"""Cut a selection into slabs, one a row of chunks along an axis, for ``stream_slices``."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import SelectionError
from ..selection import GridSelection, Selection, basic, chunk_rows
from ..stream.slices import Slab
from ..stream.stored import StoredArray

__all__ = ["slabs"]


def slabs(array: StoredArray, selection: Selection, axis: int, wanted: slice) -> Iterator[Slab]:
    """The slabs in order, lazily.

    Args:
        array: what is read.
        selection: the view that is cut.
        axis: number of the axis of the view, from 0.
        wanted: which slices along it.

    Raises:
        SelectionError: along the axis the view is not a slice, or the wanted are none.
    """
    if selection.kept is None or not isinstance(selection, GridSelection):
        raise SelectionError("stream_slices needs axes; point indexing has none")
    stored_axis = selection.kept[axis]
    along = selection.items[stored_axis]
    if not isinstance(along, range):
        raise SelectionError("stream_slices needs a slice along its axis, not an index array")
    try:
        positions = range(len(along))[wanted]
    except (TypeError, ValueError) as error:
        raise SelectionError(f"not a slice for axis {axis}: {error}") from error

    def make() -> Iterator[Slab]:
        # The view may run backwards or in steps: rows are found by stored index, slices are told by position in the
        # view.
        for _, stored in chunk_rows(array.chunk_axes[stored_axis], along[wanted]):
            first = along.index(stored[0])
            group = range(first, first + len(stored) * positions.step, positions.step)
            index = (slice(None),) * axis + (_as_slice(group),)
            yield Slab(group, selection.compose(basic(index, selection.shape)))

    return make()


def _as_slice(indices: range) -> slice:
    stop = indices.stop if indices.step > 0 or indices.stop >= 0 else None
    return slice(indices.start, stop, indices.step)
