"""The chain: its order, its bounds, what it says when something is wrong."""

from __future__ import annotations

import pickle
import zlib
from typing import Any, ClassVar

import numpy as np
import pytest

from asynczarr.codec import BytesBytesCodec, ChunkSpec, CodecChain, register_codec, registry
from asynczarr.codec.bytes import BytesCodec
from asynczarr.codec.cast_value import CastValueCodec
from asynczarr.codec.crc32c import Crc32cCodec
from asynczarr.codec.gzip import GzipCodec
from asynczarr.codec.n5_default import N5DefaultCodec
from asynczarr.codec.packbits import PackBitsCodec
from asynczarr.codec.transpose import TransposeCodec
from asynczarr.codec.vlen import VlenUtf8Codec
from asynczarr.codec.zfp import ZfpCodec
from asynczarr.errors import CodecError, MetadataError, UnknownExtension
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.node import NamedConfig

BYTES = NamedConfig("bytes", {"endian": "little"})
GZIP = NamedConfig("gzip", {"level": 1})
TRANSPOSE = NamedConfig("transpose", {"order": [1, 0]})
CRC = NamedConfig("crc32c")
IGNORABLE = NamedConfig("nobody.knows", {"a": 1}, must_understand=False)


def spec(shape=(2, 3), dtype="int32", fill=0) -> ChunkSpec:
    return ChunkSpec(shape, DataType.from_v3(dtype), fill)


@pytest.mark.parametrize(
    ("configs", "codec"),
    [
        ([], None),
        ([TRANSPOSE], "transpose"),
        ([GZIP], "gzip"),
        ([GZIP, BYTES], "gzip"),
        ([BYTES, BYTES], "bytes"),
        ([BYTES, TRANSPOSE], "transpose"),
        ([BYTES, GZIP, BYTES], "bytes"),
        ([BYTES, GZIP, TRANSPOSE], "transpose"),
        ([IGNORABLE], None),
        ([NamedConfig("bytes")], "bytes"),
        ([NamedConfig("bytes", {"endian": "middle"})], "bytes"),
        ([NamedConfig("bytes", {"endian": "big", "extra": 1})], "bytes"),
        ([NamedConfig("transpose", {"order": [0, 0]}), BYTES], "transpose"),
        ([NamedConfig("transpose", {"order": [0, 2, 1]}), BYTES], "transpose"),
        ([NamedConfig("transpose", {"order": "K"}), BYTES], "transpose"),
        ([NamedConfig("transpose"), BYTES], "transpose"),
        ([BYTES, NamedConfig("gzip")], "gzip"),
        ([BYTES, NamedConfig("gzip", {"level": 10})], "gzip"),
        ([BYTES, NamedConfig("gzip", {"level": True})], "gzip"),
        ([BYTES, NamedConfig("zstd", {"level": 23})], "zstd"),
        ([BYTES, NamedConfig("zstd", {"level": 1, "checksum": 1})], "zstd"),
        ([BYTES, NamedConfig("blosc", {"cname": "lz5", "clevel": 1, "shuffle": "noshuffle"})], "blosc"),
        ([BYTES, NamedConfig("blosc", {"cname": "lz4", "clevel": 1, "shuffle": "shuffle", "typesize": 0})], "blosc"),
        ([BYTES, NamedConfig("crc32c", {"location": "end"})], "crc32c"),
        ([NamedConfig("vlen-utf8")], "vlen-utf8"),
        ([NamedConfig("packbits", {"first_bit": 3, "last_bit": 1})], "packbits"),
        ([NamedConfig("packbits", {"last_bit": 32})], "packbits"),
        ([NamedConfig("packbits", {"padding_encoding": "middle"})], "packbits"),
        ([NamedConfig("reshape", {"shape": [4]}), BYTES], "reshape"),
        ([NamedConfig("reshape", {"shape": [[1], [0]]}), BYTES], "reshape"),
        ([NamedConfig("reshape", {"shape": [3, [1]]}), BYTES], "reshape"),
        ([NamedConfig("reshape", {"shape": [-1, -1]}), BYTES], "reshape"),
        ([NamedConfig("reshape", {"shape": [[0, 2]]}), BYTES], "reshape"),
        ([NamedConfig("bitround", {"keepbits": 0}), BYTES], "bitround"),
        ([NamedConfig("scale_offset", {"scale": 0}), BYTES], "scale_offset"),
        ([NamedConfig("scale_offset", {"scale": 1.5}), BYTES], "scale_offset"),
        ([NamedConfig("cast_value", {}), BYTES], "cast_value"),
        ([NamedConfig("cast_value", {"data_type": "string"}), BYTES], "cast_value"),
        ([NamedConfig("cast_value", {"data_type": "float32", "out_of_range": "wrap"}), BYTES], "cast_value"),
        ([NamedConfig("cast_value", {"data_type": "complex64"}), BYTES], "cast_value"),
        ([NamedConfig("cast_value", {"data_type": "int8", "scalar_map": []}), BYTES], "cast_value"),
        ([NamedConfig("cast_value", {"data_type": "int8", "scalar_map": {"encode": "a"}}), BYTES], "cast_value"),
        ([NamedConfig("cast_value", {"data_type": "int8", "scalar_map": {"encode": [[1]]}}), BYTES], "cast_value"),
        ([NamedConfig("cast_value", {"data_type": "int8", "scalar_map": {"encode": [[1, 300]]}}), BYTES], "cast_value"),
        ([NamedConfig("reshape", {"shape": 6}), BYTES], "reshape"),
        ([NamedConfig("reshape", {"shape": [0, 6]}), BYTES], "reshape"),
        ([NamedConfig("packbits", {"first_bit": -1})], "packbits"),
        ([NamedConfig("zfp", {"mode": "expert", "minbits": 1})], "zfp"),
        ([NamedConfig("zfp", {"mode": "fixed_accuracy", "tolerance": 0.1})], "zfp"),
        ([BYTES, NamedConfig("conditional", {"codecs": [{"name": "bytes"}]})], "conditional"),
        ([BYTES, NamedConfig("conditional", {"codecs": {}})], "conditional"),
        ([BYTES, NamedConfig("conditional", {"codecs": [{"name": "crc32c"}], "header_bits": 9})], "conditional"),
        ([NamedConfig("n5_default", {"codecs": [{"name": "bytes"}]})], "n5_default"),
        ([NamedConfig("n5_default", {"codecs": 1})], "n5_default"),
        ([NamedConfig("n5_default", {"codecs": ["transpose", "bytes"]})], "n5_default"),
    ],
)
def test_bad_chains_name_the_codec(configs, codec):
    with pytest.raises(MetadataError) as caught:
        CodecChain.build(configs, spec())
    assert caught.value.codec == codec


def test_unknown_codec():
    with pytest.raises(UnknownExtension) as caught:
        CodecChain.build([BYTES, NamedConfig("nobody.knows")], spec())
    assert (caught.value.kind, caught.value.name, caught.value.codec) == ("codec", "nobody.knows", "nobody.knows")


def test_ignorable_codec_is_left_out_for_reading_only():
    chain = CodecChain.build([BYTES, IGNORABLE, GZIP], spec())
    array = np.arange(6, dtype="i4").reshape(2, 3)
    data = CodecChain.build([BYTES, GZIP], spec()).encode(array)
    assert not chain.writable
    assert np.array_equal(chain.decode(data), array)
    assert chain.to_configs() == (BYTES, IGNORABLE, GZIP)
    with pytest.raises(CodecError, match="written"):
        chain.encode(array)


def test_ignorable_codec_inside_a_shard():
    inner = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "nobody.knows", "must_understand": False},
    ]
    index = [{"name": "bytes", "configuration": {"endian": "little"}}]
    shard = NamedConfig("sharding_indexed", {"chunk_shape": [1, 3], "codecs": inner, "index_codecs": index})
    assert not CodecChain.build([shard], spec()).writable


def test_round_trip_and_sizes():
    chain = CodecChain.build([TRANSPOSE, BYTES, CRC], spec())
    array = np.arange(6, dtype="i4").reshape(2, 3)
    data = chain.encode(array)
    assert data[:24] == array.T.tobytes()
    assert chain.encoded_size() == chain.max_encoded_size() == len(data) == 28
    decoded = chain.decode(data)
    assert np.array_equal(decoded, array)
    assert (decoded.shape, decoded.dtype) == (array.shape, array.dtype)
    assert not chain.heavy
    assert CodecChain.build([BYTES, GZIP], spec()).heavy
    assert CodecChain.build([BYTES, GZIP], spec()).encoded_size() is None


def test_encoded_bytes_are_not_the_array():
    array = np.arange(6, dtype="i4").reshape(2, 3)
    data = CodecChain.build([BYTES], spec()).encode(array)
    array[:] = 0
    assert data == np.arange(6, dtype="i4").tobytes()


def test_decode_is_a_view_where_it_can_be():
    data = np.arange(6, dtype="<i4").tobytes()
    decoded = CodecChain.build([BYTES], spec()).decode(data)
    assert np.shares_memory(decoded, np.frombuffer(data, np.uint8))


def test_every_step_is_bounded_by_the_ones_before():
    chain = CodecChain.build([BYTES, CRC, GZIP], spec())
    array = np.arange(6, dtype="i4").reshape(2, 3)
    short = zlib.compress(bytes(27), wbits=31)
    with pytest.raises(CodecError, match="decoded to 27 bytes, expected 28") as caught:
        chain.decode(short)
    assert caught.value.codec == "gzip"
    with pytest.raises(CodecError, match="more than 28 bytes"):
        chain.decode(zlib.compress(bytes(29), wbits=31))
    assert np.array_equal(chain.decode(chain.encode(array)), array)


@pytest.mark.parametrize("data", [b"", b"\0" * 23, b"\0" * 25])
def test_wrong_size_is_an_error(data):
    with pytest.raises(CodecError, match="expected 24") as caught:
        CodecChain.build([BYTES], spec()).decode(data)
    assert caught.value.codec == "bytes"


@pytest.mark.parametrize("array", [np.zeros((3, 2), "i4"), np.zeros((2, 3), "i8"), np.zeros((2, 3), ">i4")])
def test_encode_takes_nothing_else(array):
    with pytest.raises(CodecError, match="a chunk is"):
        CodecChain.build([BYTES], spec()).encode(array)


def test_for_shape():
    chain = CodecChain.build([TRANSPOSE, BYTES], spec())
    other = chain.for_shape((4, 5))
    assert other.spec.shape == (4, 5)
    assert other.array_spec.shape == (5, 4)
    assert chain.for_shape((4, 5)) is other
    assert chain.for_shape((2, 3)) is chain


@pytest.mark.parametrize(
    "codec",
    [
        BytesCodec("little"),
        VlenUtf8Codec(),
        PackBitsCodec(),
        TransposeCodec("F"),
        ZfpCodec(),
        CastValueCodec(DataType.from_v3("int8")),
        N5DefaultCodec(()),
    ],
)
def test_codecs_work_only_when_bound(codec):
    with pytest.raises(MetadataError, match="not bound"):
        codec.decode(np.zeros((2, 3), "u1"))


def test_pickles():
    chain = CodecChain.build([TRANSPOSE, BYTES, IGNORABLE, NamedConfig("zstd", {"level": 1})], spec())
    copy = pickle.loads(pickle.dumps(chain))
    assert copy.to_configs() == chain.to_configs()
    assert not copy.writable


def test_written_configurations_are_complete_and_read_back():
    blosc = NamedConfig("blosc", {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"})
    chain = CodecChain.build([NamedConfig("transpose", {"order": "F"}), BYTES, blosc], spec())
    order, _, made = chain.to_configs()
    assert order.configuration == {"order": [1, 0]}
    assert made.configuration["typesize"] == 4
    assert CodecChain.build(chain.to_configs(), spec()).to_configs() == chain.to_configs()


def test_of_takes_codecs():
    chain = CodecChain.of([TransposeCodec((1, 0)), BytesCodec("big"), Crc32cCodec(), GzipCodec(1)], spec())
    assert [config.name for config in chain.to_configs()] == ["transpose", "bytes", "crc32c", "gzip"]


class _Broken(BytesBytesCodec):
    name: ClassVar[str] = "test.broken"

    @classmethod
    def from_config(cls, configuration: Any) -> _Broken:
        return cls()

    def to_config(self) -> dict[str, Any]:
        return {}

    def max_encoded_size(self, size: int) -> int:
        return size

    def encode(self, data):
        raise KeyError("oops")

    def decode(self, data, max_size):
        raise ZeroDivisionError("oops")


def test_errors_of_other_codecs_are_typed(monkeypatch):
    monkeypatch.setattr(registry, "_codecs", dict(registry._codecs))
    register_codec("test.broken", _Broken)
    chain = CodecChain.build([BYTES, NamedConfig("test.broken")], spec())
    with pytest.raises(CodecError, match="ZeroDivisionError: oops") as decoding:
        chain.decode(bytes(24))
    with pytest.raises(CodecError, match="KeyError") as encoding:
        chain.encode(np.zeros((2, 3), "i4"))
    assert decoding.value.codec == encoding.value.codec == "test.broken"
    assert isinstance(decoding.value.__cause__, ZeroDivisionError)


def test_fill_values_are_carried_through():
    cast = NamedConfig(
        "cast_value", {"data_type": "uint8", "scalar_map": {"encode": [["NaN", 0]], "decode": [[0, "NaN"]]}}
    )
    scale = NamedConfig("scale_offset", {"offset": -10, "scale": 0.1})
    chain = CodecChain.build([scale, cast, NamedConfig("bytes")], spec(dtype="float64", fill=np.float64("nan")))
    assert chain.array_spec.fill == 0
    assert chain.array_spec.dtype.name == "uint8"
    array = np.array([[np.nan, 0.0, 10.0], [2540.0, 5.0, 7.0]])
    assert chain.encode(array) == bytes([0, 1, 2, 255, 2, 2])  # 1.5 and 1.7 round to even and up
    decoded = chain.decode(bytes([0, 1, 2, 255, 2, 2]))
    assert np.array_equal(decoded, [[np.nan, 0, 10], [2540, 10, 10]], equal_nan=True)
