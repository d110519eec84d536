"""JSON documents, read with bounds and written strictly.

Read: UTF-8 without a byte order mark, one object, no duplicate names, no lone surrogates, at most ``MAX_BYTES`` long
and ``MAX_DEPTH`` deep. The literals ``NaN`` and ``Infinity``, which are no JSON but which zarr-python writes into
attributes and old fill values, are read unless ``nan=False``.

Written: the same rules, and never such a literal: an attribute that is NaN raises. The order of members is kept.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from typing import Any

import numpy as np

from ..errors import MetadataError
from ..types import BytesLike

__all__ = ["MAX_BYTES", "MAX_DEPTH", "dumps", "loads"]

MAX_BYTES = 64 * 2**20
"""Default for the longest document that is read, in bytes."""

MAX_DEPTH = 96
"""How deep arrays and objects may nest."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def loads(data: BytesLike, *, key: str, nan: bool = True, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read the document that is stored under `key`.

    Raises:
        MetadataError: whatever is wrong with it; the error names `key`.
    """
    if len(data) > max_bytes:
        raise MetadataError(f"a document of {len(data)} bytes; allowed are {max_bytes}", key=key)
    data = bytes(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MetadataError(f"not UTF-8: {error}", key=key) from error
    if text.startswith("\ufeff"):
        raise MetadataError("a byte order mark before the document", key=key)
    _check_depth(data, key)
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=None if nan else _refuse_constant)
        if _SURROGATE.search(data):
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"not a JSON document: {error}", key=key) from error
    if not isinstance(document, dict):
        raise MetadataError(f"not a JSON object but {type(document).__name__}", key=key)
    return document


def dumps(document: dict[str, Any]) -> bytes:
    """Write a document, indented by 2, in UTF-8.

    Raises:
        MetadataError: a value that JSON cannot express (NaN and infinities too), a name that is no string, lone
            surrogates, more than ``MAX_DEPTH`` levels.
    """
    _check_names(document, MAX_DEPTH, "")
    try:
        return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except (ValueError, TypeError) as error:
        raise MetadataError(f"cannot be written as JSON: {error}") from error


def _check_depth(data: bytes, key: str) -> None:
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    codes = np.frombuffer(_STRING.sub(b"", data), np.uint8)
    brackets = codes[np.isin(codes, np.frombuffer(b"[]{}", np.uint8))]
    opens = (brackets == ord("[")) | (brackets == ord("{"))
    depth = np.where(opens, np.int32(1), np.int32(-1)).cumsum(dtype=np.int32).max(initial=0)
    if depth > MAX_DEPTH:
        raise MetadataError(f"nested deeper than {MAX_DEPTH}", key=key)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in members if names.count(name) > 1)
        raise ValueError(f"duplicate name {reprlib.repr(twice)}")
    return members


def _refuse_constant(literal: str) -> Any:
    raise ValueError(f"the literal {literal} is not JSON")


def _check_names(value: Any, levels: int, place: str) -> None:
    if isinstance(value, (dict, list, tuple)) and not levels:
        raise MetadataError(f"nested deeper than {MAX_DEPTH} at {place[:80]}")
    if isinstance(value, dict):
        for name, member in value.items():
            if not isinstance(name, str):
                raise MetadataError(f"a name in {place or 'the document'} is no string but {reprlib.repr(name)}")
            _check_names(member, levels - 1, f"{place}/{name}")
    elif isinstance(value, (list, tuple)):
        for member in value:
            _check_names(member, levels - 1, place)
    elif isinstance(value, float) and not math.isfinite(value):
        raise MetadataError(f"{place} is {value}, which JSON cannot express")
