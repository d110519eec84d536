"""The data types that asynczarr offers, and values of each that leave nothing out: NaNs, infinities, -0.0, extremes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from asynczarr.metadata.dtypes import DataType

__all__ = ["SHAPE", "V2_TYPES", "V3_TYPES", "plain", "wild"]

SHAPE = (7, 5)

_FLOATS = (
    *("float16", "float32", "float64", "bfloat16", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "float8_e3m4"),
    *("float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
)
_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (2, 4, 8, 16, 32, 64))
_PLAIN = ("bool", *_INTEGERS, "complex64", "complex128", "r8", "r24", "string", "bytes")

V3_TYPES: Mapping[str, Any] = {
    **{name: name for name in (*_PLAIN, *_FLOATS, *(f"complex_{name}" for name in _FLOATS))},
    "fixed_length_utf32": {"name": "fixed_length_utf32", "configuration": {"length_bytes": 12}},
    "null_terminated_bytes": {"name": "null_terminated_bytes", "configuration": {"length_bytes": 5}},
    "raw_bytes": {"name": "raw_bytes", "configuration": {"length_bytes": 3}},
    "numpy.datetime64": {"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 1}},
    "numpy.timedelta64": {"name": "numpy.timedelta64", "configuration": {"unit": "s", "scale_factor": 10}},
    "struct": np.dtype([("a", "i2"), ("b", "f8"), ("c", "u1")]),
    "struct, nested": np.dtype([("t", "M8[ms]"), ("p", [("x", "f4"), ("y", "c8")])]),
}
"""What ``create_array(dtype=...)`` takes, by a label."""

_ORDERED = ["i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", "U3", "M8[ns]", "m8[25s]"]
V2_TYPES: Mapping[str, Any] = {
    **{name: np.dtype(name) for name in ("|b1", "|i1", "|u1", "|S5", "|V3")},
    **{f"{order}{name}": np.dtype(f"{order}{name}") for name in _ORDERED for order in "<>"},
    "struct": np.dtype([("a", "<i2"), ("b", "<f8"), ("c", "|u1")]),
    "struct, nested": np.dtype([("t", "<M8[ms]"), ("p", [("x", ">f4"), ("y", "<i4")])]),
    "struct, arrays in it": np.dtype([("a", "<i2", (2, 2)), ("b", "|u1")]),
    "string": "string",
    "bytes": "bytes",
}
"""The same for ``zarr_format=2``."""

_TEXTS = ["", "a", "ä€", "𝄞", "\x00x", "abc" * 30]


def _generator(data_type: DataType) -> np.random.Generator:
    """Always the same values for the same data type."""
    seed = hashlib.sha256(f"{data_type.name} {data_type.numpy}".encode()).digest()
    return np.random.default_rng(list(seed))


def wild(data_type: DataType) -> np.ndarray:
    """Any bits at all, and all zeros, all ones and all but the highest among them."""
    rng = _generator(data_type)
    match data_type.kind:
        case "vlen-text":
            return np.array([_TEXTS[i % len(_TEXTS)] for i in range(35)], data_type.numpy).reshape(SHAPE)
        case "vlen-bytes":
            made = np.empty(35, object)
            made[:] = [_TEXTS[i % len(_TEXTS)].encode() + bytes([i, 255]) * (i % 3) for i in range(35)]
            return made.reshape(SHAPE)
        case "text":
            return np.array([text[:3].rstrip("\0") for text in _TEXTS * 6][:35], data_type.numpy).reshape(SHAPE)
        case "bytes":
            return np.array([b"", b"a", b"\xff\x00\xff", b"abcde", b"\x00z"] * 7, data_type.numpy).reshape(SHAPE)
    size = data_type.numpy.itemsize
    raw = rng.integers(0, 256, (35, size), np.uint8)
    raw[:4] = np.array([0, 255, 127, 128], np.uint8)[:, None]
    raw[4] = raw[5] = 0
    raw[4, -1], raw[5, 0] = 128, 128
    return _masked(raw, data_type).reshape(-1).view(data_type.numpy).reshape(SHAPE)


def _masked(raw: np.ndarray, data_type: DataType) -> np.ndarray:
    """Only bits that count."""
    name = data_type.name.removeprefix("complex_")
    bits = {"bool": 1, "int2": 2, "uint2": 2, "int4": 4, "uint4": 4}.get(name)
    if name.startswith(("float4", "float6")):
        bits = int(name[5])
    return raw if bits is None else raw & ((1 << bits) - 1)


def plain(data_type: DataType) -> np.ndarray:
    """Small whole numbers, for codecs that calculate; the same as strings."""
    if data_type.kind == "vlen-bytes":
        return wild(data_type)
    top = 2 if (data_type.bits or 8) <= 4 or data_type.numpy.kind == "V" else 9
    return (np.arange(35) % top).astype(data_type.numpy).reshape(SHAPE)
