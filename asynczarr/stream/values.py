"""Values to write, as arrays: what NumPy's ``target[...] = value`` makes of a value, or a refusal.

Arrays are cast from one dtype to another, whatever becomes of the values. Python objects have no dtype: each is
converted by itself to the dtype of the target, and refused if that cannot be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import isawaitable
from typing import Any, TypeAlias

import numpy as np

from ..codec import pool
from ..errors import SelectionError
from ..metadata.dtypes import DataType

__all__ = ["as_array", "broadcast", "cast", "cast_in_pool", "checked"]

NDArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]

LARGE_CAST = 2**20
"""Bytes from which a cast takes long enough to be worth a thread."""

_REFUSALS = (TypeError, ValueError, ArithmeticError, RuntimeError)
"""What NumPy raises for a value that it cannot convert; the last for times as text that is too short for them."""


def as_array(value: Any, dtype: np.dtype[Any], ndim: int) -> NDArray:
    """The array whose elements a target of `ndim` axes would be given; only what was an array may have another dtype.

    Raises:
        SelectionError: an awaitable, an array that is not in memory, or objects that NumPy does not assign.
    """
    if isinstance(value, np.ndarray):
        return np.asarray(value)
    if isawaitable(value):
        raise SelectionError("an awaitable is no value: await it first")
    try:
        if _is_array(value):
            return np.asarray(value)
        if dtype.kind == "O" and _is_nested(value):
            return _nested_objects(value, ndim)
        # As one element of a list also NumPy's scalars are converted by themselves: NaN to an integer is an error.
        values: NDArray = np.asarray([value], dtype)[0, ...]
    except _REFUSALS as error:
        raise SelectionError(f"not a value for dtype {dtype}: {error}") from error
    if values.ndim > ndim:
        raise SelectionError(f"sequences nested {values.ndim} deep do not fit into {ndim} axes of dtype {dtype}")
    return values


def cast(values: NDArray, dtype: np.dtype[Any]) -> NDArray:
    """The array in another dtype, as C casts; itself if it has it already.

    Raises:
        SelectionError: there is no such cast, or it fails for an element.
    """
    try:
        return values.astype(dtype, copy=False)
    except _REFUSALS as error:
        raise SelectionError(f"dtype {values.dtype} to {dtype}: {error}") from error


async def cast_in_pool(values: NDArray, dtype: np.dtype[Any]) -> NDArray:
    """The same, with large arrays in a worker thread."""
    if values.dtype == dtype or values.nbytes < LARGE_CAST:
        return cast(values, dtype)
    return await pool.run(cast, values, dtype)


def broadcast(values: NDArray, shape: tuple[int, ...]) -> NDArray:
    """The array in another shape; axes of length 1 may be missing at the front, or too many.

    Raises:
        SelectionError: it does not fit.
    """
    if values.shape == shape:
        return values
    extra = max(0, values.ndim - len(shape))
    fitting = values.reshape(values.shape[extra:]) if values.shape[:extra] == (1,) * extra else values
    try:
        return np.broadcast_to(fitting, shape)
    except ValueError as error:
        raise SelectionError(f"a value of shape {values.shape} does not fit into {shape}") from error


def checked(value: Any, dtype: np.dtype[Any], ndim: int) -> NDArray:
    """The value in `dtype`, if nothing is changed but that numbers are rounded to floats.

    Dtypes must be of the same kind and the values must fit: integers into the range, text into the length.

    Raises:
        SelectionError: they do not.
    """
    if _is_array(value):
        value = as_array(value, dtype, ndim)
        if value.dtype == dtype:
            return cast(value, dtype)
        if not _same_kind(value.dtype, dtype):
            raise SelectionError(f"dtype {value.dtype}, the array has {dtype}")
    with np.errstate(all="ignore"):  # what overflows is refused here
        values = cast(as_array(value, dtype, ndim), dtype)
        if dtype.kind == "O":  # what objects may be is the business of their codec
            return values
        for before, after in _columns(value, values):
            if not _same_kind(before.dtype, after.dtype):
                raise SelectionError(f"dtype {before.dtype}, the array has {dtype}")
            if not _kept(before, after):
                raise SelectionError(f"values of dtype {before.dtype} that do not fit into {after.dtype}")
    return values


def _is_array(value: Any) -> bool:
    """Whether it has a dtype of its own that assignment casts from."""
    return isinstance(value, np.ndarray) or (hasattr(value, "__array__") and not isinstance(value, np.generic))


def _is_nested(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _nested_objects(value: Any, ndim: int) -> NDArray:
    """An array of objects with `ndim` axes at most: what is nested deeper are its elements."""
    shape: list[int] = []
    level = value
    while len(shape) < ndim and _is_nested(level):
        shape.append(len(level))
        if not len(level):
            break
        level = level[0]
    values = np.empty(shape, object)
    values[...] = value
    return values


def _same_kind(given: np.dtype[Any], dtype: np.dtype[Any]) -> bool:
    if given.names is not None and dtype.names is not None and len(given.names) == len(dtype.names):
        return all(_same_kind(given[one], dtype[other]) for one, other in zip(given.names, dtype.names, strict=True))
    if given.names is not None or dtype.names is not None:
        return False
    return (given.kind in "iu" and dtype.kind in "iu") or np.can_cast(given, dtype, "same_kind")


def _columns(given: Any, values: NDArray) -> Iterator[tuple[NDArray, NDArray]]:
    """What was given and what became of it, field by field."""
    names = values.dtype.names
    if names is None:
        yield given if isinstance(given, np.ndarray) else _natural(given, values.dtype), values
    elif isinstance(given, np.ndarray):
        for one, other in zip(given.dtype.names or (), names, strict=True):
            yield from _columns(given[one], values[other])
    else:
        parts = np.asarray([given], [(name, object) for name in names])[0, ...]
        for name in names:
            yield from _columns(parts[name].tolist(), values[name])


def _natural(value: Any, dtype: np.dtype[Any]) -> NDArray:
    """Python objects in the dtype that NumPy has for them."""
    natural = np.asarray(value)
    if natural.size == 0:
        return natural.astype(dtype)
    if dtype.kind in "iu" and natural.dtype.kind not in "iu":  # NumPy makes floats of 1 and 2**63 together
        objects = np.asarray(value, object)
        if all(isinstance(each, int) for each in objects.flat):
            return objects.astype(dtype)
    return natural


def _kept(before: NDArray, after: NDArray) -> bool:
    if np.can_cast(before.dtype, after.dtype) or after.dtype.kind == "T":
        return True
    kind = DataType.from_numpy(after.dtype).kind
    if kind == "complex" or (kind == "float" and before.dtype.kind != "c"):
        finite = np.isfinite(after)
        fits = finite == np.isfinite(before)
        if after.dtype.kind == "V":  # of these some have no infinity: what is too large becomes the largest
            import ml_dtypes

            finfo: Any = ml_dtypes.finfo
            fits &= ~finite | (np.abs(before) <= float(finfo(after.dtype).max))
        return bool(np.all(fits))
    same = after == before
    if before.dtype.kind in "mM":
        same |= np.isnat(before)
    return bool(np.all(same))
