"""Items of a ``write_stream`` source: what goes where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..errors import SelectionError
from ..selection import Selection, basic
from .chunks import Chunk
from .stored import StoredArray
from .values import NDArray, as_array, broadcast, cast, checked

__all__ = ["Item", "NDArray", "Where", "normalise", "place_of"]

Where: TypeAlias = Any
"""A chunk index (integers) or a region (slices), as the source gave it."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One item of a source.

    Attributes:
        number: its place in the source, from 0.
        where: index or region as the source gave it.
        selection: the region of the array that it covers.
        data: its values, of the array's dtype and the region's shape.
        borrowed: the source may change the values once it is asked for the next item.
    """

    number: int
    where: Where
    selection: Selection
    data: NDArray
    borrowed: bool = True


def normalise(array: StoredArray, number: int, given: Any, *, validate: bool) -> Item:
    """Understand an item: a :class:`Chunk`, ``(chunk index, data)`` or ``(region, data)``.

    Args:
        array: where it goes.
        number: its place in the source.
        given: the item.
        validate: the shape must be that of the region, and values must fit into the array's dtype, see
            :func:`checked`. Otherwise data is broadcast and cast as NumPy's assignment does.

    Raises:
        SelectionError: not an item, outside of the array, or not of its shape and dtype.
    """
    if isinstance(given, Chunk):
        data: Any = given.data
    elif isinstance(given, tuple) and len(given) == 2:
        data = given[1]
    else:
        raise SelectionError(f"an item is a Chunk or a pair (index or region, data), not {type(given).__name__}")
    where = place_of(given)
    selection = basic(_region(array, where), array.shape)
    try:
        values = _fitted(data, array.dtype, selection.shape, validate=validate)
    except SelectionError as error:
        raise SelectionError(f"item at {where}: {error}") from error
    return Item(number, where, selection, values, borrowed=not isinstance(given, Chunk))


def place_of(given: Any) -> Where:
    """Where an item goes, as far as it says so; ``None`` if it does not."""
    if isinstance(given, Chunk):
        return given.region
    return given[0] if isinstance(given, tuple) and len(given) == 2 else None


def _fitted(data: Any, dtype: np.dtype[Any], shape: tuple[int, ...], *, validate: bool) -> NDArray:
    if not validate:
        return broadcast(cast(as_array(data, dtype, len(shape)), dtype), shape)
    values = checked(data, dtype, len(shape))
    if values.shape != shape:
        raise SelectionError(f"shape {values.shape}, its region has {shape}")
    return values


def _region(array: StoredArray, where: Where) -> tuple[Any, ...]:
    index = where if isinstance(where, tuple) else (where,)
    if not index or not all(isinstance(part, int | np.integer) for part in index):
        return index
    axes = array.chunk_axes
    if len(index) != len(axes):
        raise SelectionError(f"chunk index {where} has {len(index)} axes, the array has {len(axes)}")
    region = []
    for part, axis in zip(index, axes, strict=True):
        if not 0 <= part < axis.nchunks:
            raise SelectionError(f"chunk index {where} is outside of the grid of {[a.nchunks for a in axes]} chunks")
        start = axis.start(int(part))
        region.append(slice(start, min(start + axis.size(int(part)), axis.extent)))
    return tuple(region)
