"""Chunks that hold nothing but the fill value (v3 specification, "Fill value")."""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np

from .base import Array

__all__ = ["filled", "is_fill"]


def filled(shape: tuple[int, ...], dtype: np.dtype[Any], fill: Any) -> Array:
    """A new array where every element is `fill`."""
    array = np.empty(shape, dtype)
    array[...] = fill
    return array


def is_fill(array: Array, fill: Any) -> bool:
    """Whether every element is `fill`, bit by bit: NaNs with another payload and ``-0.0`` are not ``0.0``."""
    if array.size == 0:
        return True
    if array.dtype.hasobject or array.dtype.kind == "T":
        return all(type(item) is type(fill) and item == fill for item in array.flat)
    pattern = np.empty((1,), array.dtype)
    pattern[0] = fill
    first = array[(0,) * array.ndim]
    if np.asarray(first, array.dtype).tobytes() != pattern.tobytes():
        return False
    size = array.dtype.itemsize
    if size == 0:
        return True
    unit = f"u{gcd(size, 8)}"
    items = np.ascontiguousarray(array).reshape(-1).view(unit).reshape(array.size, -1)
    return bool((items == pattern.view(unit)).all())
