"""Data types, arrays and chains for the tests of codecs."""

from __future__ import annotations

from typing import Any

import numpy as np

from asynczarr.codec import ChunkSpec, CodecChain
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.node import NamedConfig

NUMBERS = [
    "bool",
    "int2",
    "int4",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint2",
    "uint4",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float4_e2m1fn",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "bfloat16",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "complex_bfloat16",
    "complex_float16",
    "complex_float32",
    "complex_float64",
    "complex_float8_e4m3",
    "complex_float6_e2m3fn",
    "complex_float4_e2m1fn",
]

FIXED: list[Any] = [
    *NUMBERS,
    "r24",
    {"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 10}},
    {"name": "numpy.timedelta64", "configuration": {"unit": "s", "scale_factor": 1}},
    {"name": "fixed_length_utf32", "configuration": {"length_bytes": 12}},
    {"name": "null_terminated_bytes", "configuration": {"length_bytes": 5}},
    {
        "name": "struct",
        "configuration": {
            "fields": [
                {"name": "a", "data_type": "uint8"},
                {"name": "b", "data_type": "float64"},
                {"name": "c", "data_type": "r16"},
            ]
        },
    },
]

FIXED_BYTES = [
    [NamedConfig("bytes", {"endian": "little"})],
    [NamedConfig("bytes", {"endian": "big"})],
]

COMPRESSORS = [
    [],
    [NamedConfig("crc32c")],
    [NamedConfig("gzip", {"level": 1})],
    [NamedConfig("zstd", {"level": 1, "checksum": True})],
    [NamedConfig("zstd", {"level": 0})],
    [NamedConfig("blosc", {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"})],
    [NamedConfig("blosc", {"cname": "zstd", "clevel": 1, "shuffle": "bitshuffle", "blocksize": 64})],
    [NamedConfig("blosc", {"cname": "blosclz", "clevel": 9, "shuffle": "noshuffle"})],
    [NamedConfig("crc32c"), NamedConfig("zstd", {"level": -7}), NamedConfig("gzip", {"level": 0})],
    [NamedConfig("conditional", {"codecs": [{"name": "crc32c"}, {"name": "gzip", "configuration": {"level": 9}}]})],
]


def spec_of(dtype: Any, shape: tuple[int, ...]) -> ChunkSpec:
    data_type = DataType.from_v3(dtype)
    return ChunkSpec(shape, data_type, data_type.default_fill())


def chain_of(dtype: Any, shape: tuple[int, ...], *configs: NamedConfig) -> CodecChain:
    return CodecChain.build(configs, spec_of(dtype, shape))


def random_array(data_type: DataType, shape: tuple[int, ...], seed: int) -> Any:
    """Any bits that the data type has, so NaNs of all kinds too."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    dtype = data_type.numpy
    if data_type.kind == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if data_type.kind == "text":
        texts = ["".join(chr(c) for c in rng.integers(1, 0xD000, 3)) for _ in range(size)]
        return np.array(texts, dtype).reshape(shape)
    raw = rng.integers(0, 256, size * dtype.itemsize, dtype=np.uint8)
    bits = data_type.component.bits if data_type.kind == "complex" else data_type.bits  # type: ignore[attr-defined]
    if bits is not None and bits < 8:
        raw &= (1 << bits) - 1
    return raw.view(dtype).reshape(shape)


def same_bits(left: Any, right: Any) -> bool:
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()
