"""``numcodecs.*`` codecs in v3: read and written as zarr-python does it, and bad data is refused."""

from __future__ import annotations

import bz2
import json
import lzma
import pickle
import struct
import tracemalloc
import zlib
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import pytest

from asynczarr.codec.base import ChunkSpec
from asynczarr.codec.chain import CodecChain
from asynczarr.codec.numcodecs_ import IDS
from asynczarr.codec.registry import get_codec_class
from asynczarr.errors import CodecError, MetadataError, UnknownExtension
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.node import NamedConfig

BYTES = NamedConfig("bytes", {"endian": "little"})

CHAINS: list[tuple[str, list[NamedConfig]]] = [
    ("int32", [BYTES, NamedConfig("numcodecs.zlib", {"level": 3})]),
    ("int32", [BYTES, NamedConfig("numcodecs.bz2", {"level": 1})]),
    ("int32", [BYTES, NamedConfig("numcodecs.lzma", {"preset": 1})]),
    ("int32", [BYTES, NamedConfig("numcodecs.lz4", {"acceleration": 2})]),
    ("int32", [BYTES, NamedConfig("numcodecs.gzip", {"level": 1})]),
    ("int32", [BYTES, NamedConfig("numcodecs.zstd", {"level": 1})]),
    ("int32", [BYTES, NamedConfig("numcodecs.blosc", {"cname": "zstd", "clevel": 3, "shuffle": 2})]),
    ("int32", [BYTES, NamedConfig("numcodecs.shuffle", {"elementsize": 4}), NamedConfig("numcodecs.crc32", {})]),
    ("int32", [BYTES, NamedConfig("numcodecs.adler32", {}), NamedConfig("numcodecs.crc32c", {})]),
    ("int32", [BYTES, NamedConfig("numcodecs.fletcher32", {})]),
    ("int32", [BYTES, NamedConfig("numcodecs.jenkins_lookup3", {"initval": 3})]),
    ("int32", [NamedConfig("numcodecs.delta", {"dtype": "<i4", "astype": "<i8"}), BYTES]),
    ("float64", [NamedConfig("numcodecs.fixedscaleoffset", {"offset": 1, "scale": 4, "astype": "<i2"}), BYTES]),
    ("float32", [NamedConfig("numcodecs.quantize", {"digits": 2, "dtype": "<f4"}), BYTES]),
    ("float32", [NamedConfig("numcodecs.bitround", {"keepbits": 8}), BYTES]),
    ("int32", [NamedConfig("numcodecs.astype", {"encode_dtype": "<i2", "decode_dtype": "<i4"}), BYTES]),
    ("float32", [NamedConfig("numcodecs.pcodec", {"level": 4})]),
    ("float32", [NamedConfig("numcodecs.zfpy", {"mode": 4, "tolerance": 1e-5})]),
]


def build(dtype: str, configs: list[NamedConfig], shape: tuple[int, ...] = (4, 6)) -> CodecChain:
    data_type = DataType.from_v3(dtype)
    return CodecChain.build(configs, ChunkSpec(shape, data_type, data_type.default_fill()))


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
@pytest.mark.parametrize(("dtype", "configs"), CHAINS, ids=lambda part: str(getattr(part, "name", part))[:90])
def test_zarr_python_reads_and_writes_the_same(dtype: str, configs: list[NamedConfig]) -> None:
    zarr = pytest.importorskip("zarr")
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    values = (np.arange(24).reshape(4, 6) / 4).astype(dtype)
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [4, 6],
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 6]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": config.name, "configuration": dict(config.configuration)} for config in configs],
        "attributes": {},
    }
    prototype = default_buffer_prototype()
    store = zarr.storage.MemoryStore()
    sync(store.set("zarr.json", prototype.buffer.from_bytes(json.dumps(document).encode())))
    array = zarr.open_array(store, mode="r+")
    array[...] = values
    expected = array[...]
    chain = build(dtype, configs)
    theirs = sync(store.get("c/0/0", prototype)).to_bytes()
    assert chain.decode(theirs).tolist() == expected.tolist()
    sync(store.set("c/0/0", prototype.buffer.from_bytes(bytes(chain.encode(values)))))
    assert array[...].tolist() == expected.tolist()
    assert pickle.loads(pickle.dumps(chain)).decode(theirs).tolist() == expected.tolist()
    for config in chain.to_configs():
        assert get_codec_class(config.name).from_config(config.configuration).to_config() == config.configuration


def test_packbits_is_not_the_packbits_of_v3() -> None:
    chain = build("bool", [NamedConfig("numcodecs.packbits"), NamedConfig("bytes")], (9,))
    values = np.array([1, 0, 0, 0, 0, 0, 0, 0, 1], bool)
    assert bytes(chain.encode(values)) == bytes([7, 0x80, 0x80])
    assert chain.decode(bytes([7, 0x80, 0x80])).tolist() == values.tolist()
    for wrong in (bytes([8, 0x80, 0x80]), bytes([255, 0, 0]), bytes([7, 0x80]), b""):
        with pytest.raises(CodecError):
            chain.decode(wrong)


def test_filters_carry_the_fill_value() -> None:
    data_type = DataType.from_v3("float64")
    spec = ChunkSpec((4,), data_type, data_type.scalar(3.5))
    scale = NamedConfig("numcodecs.fixedscaleoffset", {"offset": 1, "scale": 2, "astype": "int16"})
    chain = CodecChain.build([scale, BYTES], spec)
    assert chain.array_spec.fill == 5
    assert chain.array_spec.dtype.name == "int16"


def test_complex_numbers_and_times_in_pcodec() -> None:
    for dtype, values in (("complex64", np.array([1 + 2j, 3 - 4j], "c8")), ("complex128", np.array([0, 1j], "c16"))):
        chain = build(dtype, [NamedConfig("numcodecs.pcodec")], (2,))
        assert chain.decode(chain.encode(values)).tolist() == values.tolist()
    time = {"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 1}}
    data_type = DataType.from_v3(time)
    chain = CodecChain.build([NamedConfig("numcodecs.pcodec")], ChunkSpec((2,), data_type, data_type.default_fill()))
    values = np.array(["2020-01-01", "NaT"], "M8[ns]")
    assert chain.decode(chain.encode(values)).tolist() == values.tolist()


@pytest.mark.parametrize("name", ["pickle", "numcodecs.pickle"])
def test_pickle_is_refused(name: str) -> None:
    with pytest.raises(UnknownExtension, match="pickle"):
        get_codec_class(name)
    with pytest.raises(UnknownExtension, match="pickle"):
        build("int32", [BYTES, NamedConfig(name)])


@pytest.mark.parametrize("identifier", IDS)
def test_unknown_keys_are_refused(identifier: str) -> None:
    name = identifier if identifier.startswith("vlen") else f"numcodecs.{identifier}"
    with pytest.raises(MetadataError):
        get_codec_class(name).from_config({"surprise": 1})


BOMB = 192 * 2**20


def raw_lzma(preset: int) -> bytes:
    return lzma.compress(bytes(2**16), lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, "preset": preset}])


@cache
def bombs() -> dict[str, tuple[list[NamedConfig], bytes]]:
    zeros = bytes(2**24)
    big_dictionary = bytearray(raw_lzma(1))
    big_dictionary[1:5] = struct.pack("<I", 2**32 - 1)
    chunk = zlib.compressobj()
    zlib_bomb = b"".join(chunk.compress(zeros) for _ in range(BOMB // len(zeros))) + chunk.flush()
    return {
        "zlib": ([NamedConfig("numcodecs.zlib")], zlib_bomb),
        "bz2": ([NamedConfig("numcodecs.bz2")], bz2.compress(zeros)),
        "lzma": ([NamedConfig("numcodecs.lzma")], lzma.compress(zeros, preset=1)),
        "lzma dictionary": ([NamedConfig("numcodecs.lzma", {"format": 2})], bytes(big_dictionary)),
        "lz4": ([NamedConfig("numcodecs.lz4")], struct.pack("<I", 2**31 - 1) + b"\x1f\0" + b"\xff" * 99),
        "base64": ([NamedConfig("numcodecs.base64")], b"AAAA" * 2**16),
        "shuffle": ([NamedConfig("numcodecs.shuffle")], bytes(2**20)),
    }


@pytest.mark.parametrize("name", bombs())
def test_bombs_cost_next_to_nothing(name: str) -> None:
    configs, data = bombs()[name]
    chain = build("int32", [BYTES, *configs], (1,))
    tracemalloc.start()
    try:
        with pytest.raises(CodecError):
            chain.decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**22


def test_thousands_of_streams_in_one_chunk_stay_fast() -> None:
    chain = build("uint8", [BYTES, NamedConfig("numcodecs.bz2")], (100_000,))
    with pytest.raises(CodecError):
        chain.decode(bz2.compress(b"") * 8000)
    several = bz2.compress(bytes(50_000)) + bz2.compress(bytes(50_000))
    assert not chain.decode(several).any()


@pytest.mark.parametrize("name", ["zlib", "bz2", "lzma", "lz4", "fletcher32", "crc32", "adler32", "base64"])
def test_truncated_and_trailing_bytes(name: str) -> None:
    chain = build("int32", [BYTES, NamedConfig(f"numcodecs.{name}")], (30,))
    data = bytes(chain.encode(np.arange(30, dtype="int32")))
    for wrong in (b"", data[:1], data[:-1], data[:-5], data + b"?", b"?" + data):
        with pytest.raises(CodecError) as caught:
            chain.decode(wrong)
        assert caught.value.codec is not None


def test_zfpy_believes_no_header() -> None:
    import zfpy

    values = np.linspace(0, 1, 64).reshape(8, 8)
    chain = build("float64", [NamedConfig("numcodecs.zfpy", {"mode": 4, "tolerance": 1e-3})], (8, 8))
    good = bytes(chain.encode(values))
    others = [
        zfpy.compress_numpy(values.reshape(4, 16), tolerance=1e-3),
        zfpy.compress_numpy(values.astype("f4"), tolerance=1e-3),
        zfpy.compress_numpy(values, rate=8),
        zfpy.compress_numpy(np.zeros((2, 2, 2)), tolerance=1e-3),
        b"",
        good[:10],
        b"xfp" + good[3:],
    ]
    for other in others:
        with pytest.raises(CodecError):
            chain.decode(other)
    for size in range(16, len(good), 8):
        chain.decode(good[:size])  # what is missing reads as zero bits; a checksum codec is what finds that out
    rated = build("float64", [NamedConfig("numcodecs.zfpy", {"mode": 2, "rate": 8})], (8, 8))
    with pytest.raises(CodecError, match="truncated"):
        rated.decode(bytes(rated.encode(values))[:24])


def test_every_flipped_byte_of_pcodec_and_zfpy() -> None:
    values = np.linspace(0, 1, 60)
    for config in (NamedConfig("numcodecs.pcodec"), NamedConfig("numcodecs.zfpy", {"mode": 4, "tolerance": 1e-3})):
        chain = build("float64", [config], (60,))
        data = bytearray(chain.encode(values))
        for position in range(len(data)):
            for flip in (1, 0x10, 0xFF):
                data[position] ^= flip
                with suppress(CodecError):
                    assert chain.decode(bytes(data)).shape == (60,)
                data[position] ^= flip


def test_vlen_array_of_zarrs_is_vlen_utf8() -> None:
    chain = build("string", [NamedConfig("vlen-array")], (2,))
    plain = build("string", [NamedConfig("vlen-utf8")], (2,))
    values: Any = np.array(["ä", ""], np.dtypes.StringDType())
    assert bytes(chain.encode(values)) == bytes(plain.encode(values))
    with pytest.raises(MetadataError):
        build("int32", [NamedConfig("vlen-array")], (2,))


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d[:4] + b"\xff\xff\xff\xff" + d[8:],
        lambda d: d + b"?",
        lambda d: d[:-1],
        lambda d: b"\3\0\0\0" + d[4:],
        lambda d: d[:3],
        lambda d: d[:4] + b"\3\0\0\0" + d[8:],
    ],
)
def test_damaged_vlen_array(damage: Any) -> None:
    from asynczarr.codec.v2 import v2_chain
    from asynczarr.metadata.node import V2Encoding

    data_type = DataType.from_v2("|O", object_codec="vlen-array")
    encoding = V2Encoding("C", ({"id": "vlen-array", "dtype": "<i4"},), None)
    chain = v2_chain(encoding, ChunkSpec((2,), data_type, None))
    values = np.empty(2, object)
    values[:] = [np.arange(2), np.arange(1)]
    good = bytes(chain.encode(values))
    assert [item.tolist() for item in chain.decode(good)] == [[0, 1], [0]]
    with pytest.raises(CodecError):
        chain.decode(damage(good))
