"""Bounds on shapes and chunks, checked when a document is read, before anything is allocated."""

from __future__ import annotations

import operator
import reprlib
from typing import Any

from ..errors import MetadataError
from .dtypes import DataType

__all__ = ["MAX_LENGTH", "MAX_NDIM", "check_chunk_size", "given_index", "given_lengths", "parse_length", "parse_shape"]

MAX_NDIM = 64
"""Most axes that a NumPy array has."""

MAX_LENGTH = 2**63 - 1
"""Most elements along an axis, and most bytes of one chunk (or shard): what an index of 64 bits reaches.

The number of elements of an array has no bound: opening it costs the same whatever its shape.
"""


def parse_length(value: Any, what: str, *, least: int = 0) -> int:
    """Check one integer of a shape, `least` to ``MAX_LENGTH``; true, false and 1.0 are none."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_LENGTH:
        raise MetadataError(f"{what}: an integer from {least} to 2**63 - 1 expected, not {reprlib.repr(value)}")
    return value


def parse_shape(value: Any, what: str) -> tuple[int, ...]:
    """Check a list of lengths of at most ``MAX_NDIM`` axes."""
    if not isinstance(value, list) or len(value) > MAX_NDIM:
        raise MetadataError(f"{what}: a list of at most {MAX_NDIM} integers expected, not {reprlib.repr(value)}")
    return tuple(parse_length(length, what) for length in value)


def given_index(value: Any) -> int:
    """An integer that a caller gave, one of NumPy's too.

    Raises:
        TypeError: it is none; ``True`` is none.
    """
    if isinstance(value, bool):
        raise TypeError("an integer expected, not a truth value")
    return operator.index(value)


def given_lengths(value: Any, what: str, ndim: int = 1) -> tuple[int, ...]:
    """Lengths that a caller gave, one integer an axis or a single one for `ndim` axes.

    Raises:
        MetadataError: something else.
    """
    try:
        return (given_index(value),) * ndim
    except TypeError:
        pass
    try:
        return tuple(map(given_index, value))
    except TypeError as error:
        raise MetadataError(f"{what} is made of integers, not {reprlib.repr(value)}") from error


def check_chunk_size(largest: tuple[int, ...], dtype: DataType) -> None:
    """Refuse chunks of more than ``MAX_LENGTH`` bytes. Elements of varying length count as one byte."""
    size = dtype.itemsize or 1
    for length in largest:
        size *= length
    if size > MAX_LENGTH:
        raise MetadataError(f"chunks of {reprlib.repr(largest)} elements of {dtype.name!r} exceed 2**63 - 1 bytes")
