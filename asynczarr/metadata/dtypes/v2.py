"""The ``dtype`` of a ``.zarray`` (v2 specification, "Data type encoding")."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import MetadataError
from .base import DataType, check_itemsize, is_int
from .binary import NullTerminatedBytes, RawBytes, VariableBytes
from .floating import complex_of, floating
from .integer import Boolean, integer
from .objects import OBJECT_CODECS, Objects
from .struct import MAX_NESTING, Field, struct_of
from .text import FixedText, VariableText
from .time import UNITS, time_of

__all__ = ["from_v2"]

_DTYPE = re.compile(rf"([<>|])([biufcmMSUVO])([0-9]{{0,10}})(?:\[([0-9]{{0,10}})({'|'.join(UNITS)})\])?")
_NUMBERS = {
    "b": {1: "bool"},
    "i": {size: f"int{8 * size}" for size in (1, 2, 4, 8)},
    "u": {size: f"uint{8 * size}" for size in (1, 2, 4, 8)},
    "f": {size: f"float{8 * size}" for size in (2, 4, 8)},
    "c": {size: f"complex{8 * size}" for size in (8, 16)},
}


def from_v2(document: Any, *, object_codec: str | None = None, strict: bool = False) -> DataType:
    """See :meth:`DataType.from_v2`."""
    return _parse(document, object_codec, strict, MAX_NESTING)


def _parse(document: Any, object_codec: str | None, strict: bool, levels: int) -> DataType:
    if isinstance(document, list):
        if not levels:
            raise MetadataError(f"dtype: structs nested deeper than {MAX_NESTING}")
        return struct_of([_field(field, strict, levels - 1) for field in document])
    match = _DTYPE.fullmatch(document) if isinstance(document, str) else None
    if match is None:
        raise _refuse(document)
    order, kind, digits, scale, unit = match.groups()
    if kind == "O":
        if digits or unit:
            raise _refuse(document)
        return _objects(object_codec)
    if (unit is not None) != (kind in "mM") or not digits:
        raise _refuse(document)
    size = int(digits)
    one_byte = kind in "SV" or (size == 1 and kind != "U")
    if (order == "|") != one_byte and (strict or not one_byte):
        raise _refuse(document)
    if kind in "mM":
        if size != 8:
            raise _refuse(document)
        return time_of(kind, unit, _scale(document, scale), order)
    if kind in "SVU":
        return _flexible(kind, size, order)
    name = _NUMBERS[kind].get(size)
    if name is None:
        raise _refuse(document)
    dtype = np.dtype(f"{order}{kind}{size}")
    if kind == "b":
        return Boolean()
    make: Callable[[str, np.dtype[Any]], DataType] = {"f": floating, "c": complex_of}.get(kind, integer)
    return make(name, dtype)


def _flexible(kind: str, size: int, order: str) -> DataType:
    if kind == "U":
        check_itemsize("fixed_length_utf32", 4 * size)
        return FixedText("fixed_length_utf32", np.dtype(f"{order}U{size}"))
    if kind == "S":
        return NullTerminatedBytes("null_terminated_bytes", np.dtype(f"S{check_itemsize('S', size)}"))
    return RawBytes(f"r{8 * check_itemsize('V', size)}", np.dtype(f"V{size}"))


def _objects(codec: str | None) -> DataType:
    if codec == "vlen-utf8":
        return VariableText()
    if codec == "vlen-bytes":
        return VariableBytes()
    if codec not in OBJECT_CODECS:
        raise MetadataError(f"dtype '|O' needs an object codec among the filters, one of {', '.join(OBJECT_CODECS)}")
    return Objects(codec=codec)


def _field(field: Any, strict: bool, levels: int) -> Field:
    if not isinstance(field, list) or len(field) not in (2, 3) or not isinstance(field[0], str):
        raise MetadataError(f"dtype: a field is a list of name, dtype and perhaps shape, not {reprlib.repr(field)}")
    shape: Any = field[2] if len(field) == 3 else []
    lengths: Any = [shape] if is_int(shape) else shape
    if not isinstance(lengths, list) or len(lengths) > 32 or not all(is_int(n) and 0 < n < 2**31 for n in lengths):
        raise MetadataError(f"dtype: field {field[0]!r} has a bad shape {reprlib.repr(shape)}")
    return Field(field[0], _parse(field[1], None, strict, levels), tuple(lengths))


def _scale(document: str, digits: str) -> int:
    scale = int(digits) if digits else 1
    if not 1 <= scale < 2**31:
        raise _refuse(document)
    return scale


def _refuse(document: Any) -> MetadataError:
    return MetadataError(f"not a v2 dtype: {reprlib.repr(document)}")
