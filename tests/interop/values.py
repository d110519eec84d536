"""Values of arrays in a form that does not depend on who read them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

__all__ = ["canonical", "digest", "little_endian"]


def little_endian(array: np.ndarray) -> bytes:
    """The elements in C order, little-endian and packed, integers of fewer than 8 bits as a whole byte."""
    if array.dtype.name in ("int2", "int4"):
        array = array.astype(np.int8)  # in memory the upper bits may be anything
    elif array.dtype.name in ("uint2", "uint4"):
        array = array.astype(np.uint8)
    return np.ascontiguousarray(array).astype(_packed(array.dtype)).tobytes()


def canonical(array: np.ndarray) -> Any:
    """Something to compare: bytes for elements of one size (so that NaNs and signs of zero count), else a list."""
    if array.dtype.kind == "U" or array.dtype.kind == "T":
        return [str(item) for item in array.reshape(-1).tolist()]
    if array.dtype.kind == "O":
        return [_plain(item) for item in array.reshape(-1)]
    return little_endian(array)


def digest(array: np.ndarray, encoding: str) -> str:
    """The SHA-256 of an array in one of the forms of the expected values: ``le``, ``le-packed`` or ``json``."""
    if encoding != "json":
        return hashlib.sha256(little_endian(array)).hexdigest()
    values = [_plain(item) for item in array.reshape(-1).tolist()]
    text = json.dumps(values, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _packed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.subdtype is not None:
        return np.dtype((_packed(dtype.subdtype[0]), dtype.subdtype[1]))
    if dtype.names is not None and dtype.fields is not None:
        return np.dtype([(name, _packed(dtype.fields[name][0])) for name in dtype.names])
    return dtype.newbyteorder("<")


def _plain(item: Any) -> Any:
    if isinstance(item, bytes | bytearray | memoryview):
        return {"hex": bytes(item).hex()}
    if isinstance(item, np.ndarray):
        return item.tolist()
    return item.item() if isinstance(item, np.generic) else item
