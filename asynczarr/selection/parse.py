"""What a user wrote between brackets, as a selection.

Plain indexing means what it means to NumPy or is refused with a word on what to write instead: see :func:`basic`.
Slices are clipped to the array, integers and index arrays are not; ``numpy.newaxis`` and single booleans are refused.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import SelectionError
from ..metadata.grid import Axis
from .pieces import IntArray, Item
from .selections import GridSelection, Selection, select_points

__all__ = ["axis_number", "basic", "block", "by_name", "orthogonal", "vectorized"]

_Array: TypeAlias = npt.NDArray[Any]
_Entry: TypeAlias = int | slice | _Array


def basic(index: Any, shape: tuple[int, ...]) -> Selection:
    """Plain indexing, ``array[index]``: integers, slices with any step, one ellipsis.

    Arrays and lists are taken where NumPy and orthogonal or vectorized indexing give the same result:

    - a boolean mask of the array's shape, alone;
    - one 1-d array or mask among slices, and integers beside it;
    - an integer array or integer on every axis: points.

    Raises:
        SelectionError: an index out of bounds, too many of them, or one that is ambiguous or not understood.
    """
    given = _entries(index)
    if _is_mask(given) and given[0].ndim > 1:
        return _select_mask(given[0], shape)
    entries = _expand(given, shape)
    arrays = [entry for entry in entries if isinstance(entry, np.ndarray)]
    if not arrays:
        return _grid(entries, shape)
    advanced = [number for number, entry in enumerate(entries) if not isinstance(entry, slice)]
    if len(arrays) == 1 and arrays[0].ndim == 1 and advanced[-1] - advanced[0] == len(advanced) - 1:
        return _grid(entries, shape)
    if len(advanced) == len(shape) and all(array.dtype.kind != "b" for array in arrays):
        return _points(entries, shape)
    raise SelectionError(
        "index arrays in plain indexing are ambiguous here: "
        "use .oindex[...] to select along each axis by itself, or .vindex[...] to select points"
    )


def orthogonal(index: Any, shape: tuple[int, ...]) -> Selection:
    """Orthogonal indexing, ``array.oindex[index]``: each axis for itself, as with ``numpy.ix_``.

    An axis takes an integer, a slice, a 1-d integer array (negative, unsorted, with duplicates) or a 1-d mask.

    Raises:
        SelectionError: an index out of bounds, too many of them, or one that is not understood.
    """
    return _grid(_expand(_entries(index), shape), shape)


def vectorized(index: Any, shape: tuple[int, ...]) -> Selection:
    """Vectorized indexing, ``array.vindex[index]``: points, or a boolean mask.

    Points are given by an integer or integer array for every axis; these are broadcast, and the result has their
    common shape. A mask has the array's shape; the result is 1-d, in C order.

    Raises:
        SelectionError: an index out of bounds, not one for each axis, shapes that do not fit, slices.
    """
    given = _entries(index)
    if _is_mask(given):
        return _select_mask(given[0], shape)
    if len(given) != len(shape) or any(entry is ... or isinstance(entry, slice) for entry in given):
        raise SelectionError(f"vectorized indexing takes an integer array for each of {len(shape)} axes, or a mask")
    return _points(_expand(given, shape), shape)


def block(index: Any, axes: Sequence[Axis]) -> Selection:
    """Block indexing, ``array.blocks[index]``: the region that chunks cover, by their coordinates in the chunk grid.

    An axis takes an integer or a slice with step 1, counted in chunks; the axis stays also for an integer.

    Raises:
        SelectionError: a chunk out of bounds, a step, or anything else than integers and slices.
    """
    counts = tuple([axis.nchunks for axis in axes])
    items: list[Item] = []
    for number, (entry, axis) in enumerate(zip(_expand(_entries(index), counts), axes, strict=True)):
        if isinstance(entry, np.ndarray):
            raise SelectionError("block indexing takes integers and slices of chunks, no arrays")
        item = _plain_item(entry, number, axis.nchunks)
        chunks = range(item, item + 1) if isinstance(item, int) else item
        if chunks.step != 1:
            raise SelectionError("block indexing takes slices with step 1")
        if not chunks:
            items.append(range(0))
            continue
        stop = axis.start(chunks[-1]) + axis.size(chunks[-1])
        items.append(range(axis.start(chunks[0]), min(stop, axis.extent)))
    return GridSelection(tuple(items))


def by_name(index: Mapping[str, Any], names: Sequence[str | None] | None) -> tuple[Any, ...]:
    """The positional index for ``{"time": slice(0, 30), "lat": 3}``; axes that are not named are taken whole.

    Raises:
        SelectionError: no axis, or more than one, has the name.
    """
    entries: list[Any] = [slice(None)] * len(names or ())
    for name, entry in index.items():
        entries[_named(name, names)] = entry
    return tuple(entries)


def axis_number(axis: Any, ndim: int, names: Sequence[str | None] | None) -> int:
    """The number of an axis, from 0, that is given by number (negative from the end) or by name.

    Raises:
        SelectionError: no such axis, more than one of the name, or neither a number nor a name.
    """
    if isinstance(axis, str):
        return _named(axis, names)
    try:
        number = operator.index(axis)
    except TypeError as error:
        raise SelectionError(f"an axis is given by number or name, not by {axis!r}") from error
    if not -ndim <= number < ndim:
        raise SelectionError(f"axis {number} of {ndim}")
    return number % ndim


def _named(name: Any, names: Sequence[str | None] | None) -> int:
    if names is None:
        raise SelectionError(f"no axis is named {name!r}: the array has no dimension names, or points were selected")
    places = [number for number, known in enumerate(names) if known == name and known is not None]
    if len(places) != 1:
        what = "more than one axis is" if places else "no axis is"
        raise SelectionError(f"{what} named {name!r}; the names are {tuple(names)}")
    return places[0]


def _entries(index: Any) -> list[Any]:
    """The index as a list of integers, slices, ellipses and arrays."""
    return [_entry(one) for one in (index if isinstance(index, tuple) else (index,))]


def _entry(entry: Any) -> Any:
    if entry is ... or isinstance(entry, slice):
        return entry
    if entry is None:
        raise SelectionError("numpy.newaxis (None) cannot index an array; reshape what was read")
    array = _as_array(entry)
    if array.ndim:
        if array.dtype.kind not in "biu":
            raise SelectionError(f"an index array holds integers or booleans, not {array.dtype}")
        return array
    try:
        if array.dtype.kind != "b":
            return operator.index(entry)
    except TypeError:
        pass
    raise SelectionError(f"an index is an integer, a slice, an ellipsis or an array, not {entry!r}")


def _as_array(entry: Any) -> _Array:
    try:
        array = np.asarray(entry)
    except (TypeError, ValueError) as error:
        raise SelectionError(f"not an index array: {error}") from error
    # An empty list has no type of its own.
    return array.astype(np.intp) if array.size == 0 and isinstance(entry, list | tuple) else array


def _is_mask(entries: list[Any]) -> bool:
    return len(entries) == 1 and isinstance(entries[0], np.ndarray) and entries[0].dtype.kind == "b"


def _expand(given: list[Any], shape: tuple[int, ...]) -> list[_Entry]:
    """One entry an axis: the ellipsis, or the end of the index, stands for all axes not given."""
    ellipses = [number for number, entry in enumerate(given) if entry is ...]
    missing = len(shape) - len(given) + len(ellipses)
    if len(ellipses) > 1:
        raise SelectionError("an index can have only one ellipsis")
    if missing < 0:
        raise SelectionError(f"{len(given) - len(ellipses)} indices for an array of {len(shape)} axes")
    place = ellipses[0] if ellipses else len(given)
    return [*given[:place], *[slice(None)] * missing, *given[place + 1 :]]


def _grid(entries: list[_Entry], shape: tuple[int, ...]) -> Selection:
    return GridSelection(
        tuple([_item(entry, number, size) for number, (entry, size) in enumerate(zip(entries, shape, strict=True))])
    )


def _item(entry: _Entry, number: int, size: int) -> Item:
    """What is selected along one axis, without negative indices."""
    if not isinstance(entry, np.ndarray):
        return _plain_item(entry, number, size)
    if entry.ndim != 1:
        raise SelectionError("an index array of more than one axis selects points: use .vindex[...]")
    if entry.dtype.kind == "b":
        if len(entry) != size:
            raise SelectionError(f"a mask of {len(entry)} elements does not fit axis {number} with size {size}")
        return np.flatnonzero(entry)
    return _wrap(entry, number, size)


def _plain_item(entry: int | slice, number: int, size: int) -> int | range:
    if isinstance(entry, slice):
        try:
            return range(*entry.indices(size))
        except (TypeError, ValueError) as error:
            raise SelectionError(f"not a slice for axis {number}: {error}") from error
    if not -size <= entry < size:
        raise SelectionError(f"index {entry} is out of bounds for axis {number} with size {size}")
    return entry % size


def _wrap(indices: _Array, number: int, size: int) -> IntArray:
    """A copy of the indices, without negative ones."""
    if indices.size == 0:
        return indices.astype(np.intp)
    low, high = int(indices.min()), int(indices.max())
    if low < -size or high >= size:
        bad = low if low < -size else high
        raise SelectionError(f"index {bad} is out of bounds for axis {number} with size {size}")
    wrapped = indices.astype(np.intp)
    if low < 0:
        wrapped[wrapped < 0] += size
    return wrapped


def _points(entries: list[_Entry], shape: tuple[int, ...]) -> Selection:
    arrays = [np.asarray(entry) for entry in entries]
    if any(array.dtype.kind == "b" for array in arrays):
        raise SelectionError("a mask for vectorized indexing has the shape of the array, and stands alone")
    wrapped = [_wrap(each, number, size) for number, (each, size) in enumerate(zip(arrays, shape, strict=True))]
    try:
        return select_points(np.broadcast_arrays(*wrapped))
    except ValueError as error:
        raise SelectionError(f"the index arrays do not fit each other: {error}") from error


def _select_mask(mask: _Array, shape: tuple[int, ...]) -> Selection:
    if mask.shape != shape:
        raise SelectionError(f"a mask of shape {mask.shape} does not fit an array of shape {shape}")
    return select_points(np.nonzero(mask))
