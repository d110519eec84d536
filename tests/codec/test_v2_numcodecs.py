"""v2 chains store what numcodecs stores and read what it wrote, codec by codec, in both memory orders."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numcodecs.compat import ensure_bytes, ensure_ndarray

from asynczarr.codec.base import ChunkSpec
from asynczarr.codec.chain import CodecChain
from asynczarr.codec.v2 import v2_chain, v2_encoding
from asynczarr.errors import CodecError, MetadataError, UnknownExtension
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.node import V2Encoding

Config = dict[str, Any]

COMPRESSORS: list[Config | None] = [
    None,
    {"id": "zlib", "level": 1},
    {"id": "gzip", "level": 1},
    {"id": "bz2", "level": 1},
    {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None},
    {"id": "lzma", "format": 2, "preset": 1},
    {"id": "lzma", "format": 1, "filters": [{"id": 3, "dist": 4}, {"id": 33, "preset": 1}]},
    {"id": "lzma", "format": 3, "filters": [{"id": 33, "preset": 1}]},
    {"id": "zstd", "level": 1, "checksum": True},
    {"id": "lz4", "acceleration": 1},
    {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    {"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": -1, "blocksize": 0},
    {"id": "base64"},
    {"id": "crc32"},
    {"id": "crc32", "location": "end"},
    {"id": "adler32"},
    {"id": "crc32c"},
    {"id": "crc32c", "location": "start"},
    {"id": "fletcher32"},
    {"id": "jenkins_lookup3"},
    {"id": "jenkins_lookup3", "initval": 7},
    {"id": "shuffle", "elementsize": 2},
]

FILTERS: list[tuple[str, list[Config]]] = [
    ("<i4", [{"id": "delta", "dtype": "<i4"}]),
    ("<i4", [{"id": "delta", "dtype": "int32", "astype": "<i8"}]),
    (">i2", [{"id": "delta", "dtype": ">i2", "astype": ">i4"}]),
    ("<f8", [{"id": "fixedscaleoffset", "offset": 3, "scale": 10, "dtype": "<f8", "astype": "<i4"}]),
    ("<f4", [{"id": "quantize", "digits": 2, "dtype": "<f4", "astype": "<f2"}]),
    ("<i4", [{"id": "astype", "encode_dtype": "<f8", "decode_dtype": "<i4"}]),
    ("|b1", [{"id": "packbits"}]),
    ("<U3", [{"id": "categorize", "labels": ["a", "bc"], "dtype": "<U3", "astype": "|u1"}]),
    ("<i4", [{"id": "delta", "dtype": "<i4"}, {"id": "shuffle", "elementsize": 4}]),
    ("<i4", [{"id": "shuffle", "elementsize": 4}, {"id": "delta", "dtype": "|u1"}]),
    ("<i4", [{"id": "zlib", "level": 1}, {"id": "crc32"}]),
    ("<i4", [{"id": "pcodec"}]),
]

OBJECTS: list[tuple[Config, list[Any]]] = [
    ({"id": "vlen-utf8"}, ["", "ä", "\N{SNOWMAN}" * 5, "x", "yz", "long" * 99]),
    ({"id": "vlen-bytes"}, [b"", b"\0", b"abc", b"x", b"y" * 500, b"z"]),
    ({"id": "json2"}, [1, "two", [3, [4]], {"five": 5}, None, 6.5]),
    ({"id": "msgpack2"}, [1, "two", [3, [4]], {"five": 5}, None, 6.5]),
    ({"id": "categorize", "labels": ["a", "b"], "dtype": "|O", "astype": "|u1"}, ["a", "b", "", "a", "a", "b"]),
]


def chain(dtype: str, shape: tuple[int, ...], encoding: V2Encoding, object_codec: str | None = None) -> CodecChain:
    data_type = DataType.from_v2(dtype, object_codec=object_codec)
    return v2_chain(encoding, ChunkSpec(shape, data_type, data_type.default_fill()))


def library_encode(array: np.ndarray, encoding: V2Encoding) -> bytes:
    chunk: Any = array
    for config in encoding.filters or ():
        chunk = numcodecs.get_codec(dict(config)).encode(chunk)
    if encoding.compressor is not None:
        chunk = numcodecs.get_codec(dict(encoding.compressor)).encode(chunk)
    return ensure_bytes(chunk)


def library_decode(data: bytes, shape: tuple[int, ...], dtype: Any, encoding: V2Encoding) -> np.ndarray:
    chunk: Any = data
    if encoding.compressor is not None:
        config = dict(encoding.compressor)
        if config.get("format") == 1:
            config["filters"] = None  # numcodecs cannot decode the xz files that it made with filters, unless not told
        chunk = numcodecs.get_codec(config).decode(chunk)
    for config in reversed(encoding.filters or ()):
        chunk = numcodecs.get_codec(dict(config)).decode(chunk)
    array = ensure_ndarray(chunk)
    array = array if array.dtype == object else array.view(dtype)
    return array.reshape(shape, order=encoding.order)


def values(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    numbers = np.random.default_rng(5).integers(0, 90, shape)
    if dtype == "<U3":
        return np.array(["a", "bc", ""])[numbers % 3].astype(dtype)
    return (numbers % 2 if dtype == "|b1" else numbers).astype(dtype)


def check(array: np.ndarray, encoding: V2Encoding, object_codec: str | None = None) -> None:
    dtype = "|O" if object_codec else array.dtype.str
    ours = chain(dtype, array.shape, encoding, object_codec)
    arranged = np.array(array, order=encoding.order)
    theirs = library_encode(arranged, encoding)
    expected = library_decode(theirs, array.shape, array.dtype, encoding)
    decoded = ours.decode(theirs)
    assert decoded.tolist() == expected.tolist()
    encoded = bytes(ours.encode(array.astype(ours.spec.dtype.numpy)))
    again = library_decode(encoded, array.shape, array.dtype, encoding)
    assert again.tolist() == expected.tolist()
    assert len(encoded) <= ours.max_encoded_size()
    exact = ours.encoded_size()
    assert exact is None or exact == len(encoded)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressor", COMPRESSORS, ids=str)
def test_compressors_are_those_of_numcodecs(compressor: Config | None, order: Any) -> None:
    for dtype in ("<i4", ">f8", "<u2"):
        check(values(dtype, (5, 4)), V2Encoding(order, None, compressor))
    check(values("|b1", (3, 2, 4)), V2Encoding(order, None, compressor))
    check(values("<U3", (6,)), V2Encoding(order, None, compressor))


def test_bitround_is_that_of_numcodecs() -> None:
    # Only in C order: numcodecs writes arrays of F order in C order, and reads them back transposed.
    check(values("<f4", (5, 4)), V2Encoding("C", ({"id": "bitround", "keepbits": 5},), {"id": "zlib"}))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<u2", "<i4", "<u8", "<f2", "<f4", "<f8"])
def test_pcodec_is_that_of_numcodecs(dtype: str, order: Any) -> None:
    check(values(dtype, (5, 4)), V2Encoding(order, None, {"id": "pcodec", "level": 4}))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("dtype", "filters"), FILTERS, ids=str)
def test_filters_are_those_of_numcodecs(dtype: str, filters: list[Config], order: Any) -> None:
    for compressor in (None, {"id": "zlib", "level": 1}):
        check(values(dtype, (5, 4)), V2Encoding(order, tuple(filters), compressor))
        check(values(dtype, (7,)), V2Encoding(order, tuple(filters), compressor))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("config", "items"), OBJECTS, ids=str)
def test_object_codecs_are_those_of_numcodecs(config: Config, items: list[Any], order: Any) -> None:
    array = np.empty(6, object)
    for position, item in enumerate(items):
        array[position] = item
    for shape in ((6,), (3, 2)):
        check(array.reshape(shape), V2Encoding(order, (config,), {"id": "zlib", "level": 1}), config["id"])


def test_vlen_array_is_that_of_numcodecs() -> None:
    encoding = V2Encoding("C", ({"id": "vlen-array", "dtype": "<i4"},), None)
    array = np.empty(3, object)
    array[:] = [np.arange(3, dtype="<i4"), np.arange(0, dtype="<i4"), np.arange(7, dtype="<i4")]
    ours = chain("|O", (3,), encoding, "vlen-array")
    encoded = ours.encode(array)
    assert bytes(encoded) == library_encode(array, encoding)
    for found, wanted in zip(ours.decode(encoded), array, strict=True):
        assert found.tolist() == wanted.tolist()


@pytest.mark.parametrize(
    "mode", [{"mode": 2, "rate": 16}, {"mode": 3, "precision": 40}, {"mode": 4, "tolerance": 1e-4}]
)
def test_zfpy_is_that_of_numcodecs(mode: Config) -> None:
    for shape in ((9,), (5, 6), (3, 4, 5), (2, 3, 4, 5)):
        array = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
        check(array, V2Encoding("C", None, {"id": "zfpy", **mode}))
    with pytest.raises(MetadataError, match="order F"):
        chain("<f8", (4, 4), V2Encoding("F", None, {"id": "zfpy", **mode}))


def test_no_dimensions() -> None:
    for encoding in (V2Encoding("F", None, {"id": "zlib"}), V2Encoding("C", ({"id": "delta", "dtype": "<i4"},), None)):
        check(np.array(7, "<i4"), encoding)


def test_json2_ignores_the_dtype_and_shape_in_the_data() -> None:
    ours = chain("|O", (2,), V2Encoding("C", ({"id": "json2"},), None), "json2")
    assert ours.decode(b'["a","b","|V2000000000",[4611686018427387904]]').tolist() == ["a", "b"]
    for wrong in (b'["a","|O",[2]]', b'["a","b","c","|O",[2]]', b"[]", b"{}", b'"ab"', b"[" * 100_000, b"\xff"):
        with pytest.raises(CodecError):
            ours.decode(wrong)


def test_msgpack2_ignores_the_dtype_and_shape_in_the_data() -> None:
    import msgpack

    ours = chain("|O", (2,), V2Encoding("C", ({"id": "msgpack2"},), None), "msgpack2")
    assert ours.decode(msgpack.packb(["a", "b", "|V2000000000", [2**62]])).tolist() == ["a", "b"]
    for wrong in (msgpack.packb(["a", "|O", [2]]), b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000, b"", b"\xc1"):
        with pytest.raises(CodecError):
            ours.decode(wrong)


@pytest.mark.parametrize(
    "encoding",
    [
        V2Encoding("C", ({"id": "pickle"},), None),
        V2Encoding("C", ({"id": "vlen-utf8"}, {"id": "pickle"}), None),
        V2Encoding("C", ({"id": "vlen-utf8"},), {"id": "pickle"}),
        V2Encoding("C", None, {"id": "pickle", "protocol": 5}),
    ],
)
def test_pickle_is_refused_wherever_it_stands(encoding: V2Encoding) -> None:
    with pytest.raises(UnknownExtension, match="pickle"):
        chain("|O", (2,), encoding, "vlen-utf8")


@pytest.mark.parametrize(
    ("dtype", "encoding"),
    [
        ("<i4", V2Encoding("C", None, {"id": "zlib", "level": 99})),
        ("<i4", V2Encoding("C", None, {"id": "zlib", "speed": 1})),
        ("<i4", V2Encoding("C", None, {"level": 1})),
        ("<i4", V2Encoding("C", ({"id": "delta", "dtype": "<i8"},), None)),
        ("<i4", V2Encoding("C", ({"id": "delta", "dtype": "O"},), None)),
        ("<i4", V2Encoding("C", ({"id": "delta", "dtype": "|V2000000000"},), None)),
        ("<i4", V2Encoding("C", ({"id": "delta", "dtype": "(1000,)i4"},), None)),
        ("<i4", V2Encoding("C", ({"id": "packbits"},), None)),
        ("<i4", V2Encoding("C", ({"id": "shuffle", "elementsize": -1},), None)),
        ("<i4", V2Encoding("C", ({"id": "shuffle", "elementsize": 4}, {"id": "bitround", "keepbits": 3}), None)),
        ("<f4", V2Encoding("C", None, {"id": "lzma", "format": 3, "filters": [{"id": 33, "dict_size": 2**32 - 1}]})),
        ("<U3", V2Encoding("C", ({"id": "quantize", "digits": 3, "dtype": "<f4"},), None)),
        ("|b1", V2Encoding("C", None, {"id": "pcodec"})),
        ("<f8", V2Encoding("C", ({"id": "zlib"}, {"id": "pcodec"}), None)),
        ("|O", V2Encoding("C", None, {"id": "zlib"})),
        ("<i4", V2Encoding("C", None, {"id": "no-such-codec"})),
    ],
    ids=str,
)
def test_bad_configurations_are_refused_when_the_chain_is_made(dtype: str, encoding: V2Encoding) -> None:
    with pytest.raises(MetadataError):
        chain(dtype, (4,), encoding, "vlen-utf8")


def test_blosc_ignores_keys_of_other_writers() -> None:
    encoding = V2Encoding("C", None, {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "numThreads": 8})
    array = np.arange(8, dtype="<i4")
    ours = chain("<i4", (8,), encoding)
    assert ours.decode(ours.encode(array)).tolist() == array.tolist()


def test_structs_of_both_byte_orders() -> None:
    ours = chain([["a", "<i4"], ["b", ">i4"]], (2,), V2Encoding("C", None, {"id": "zlib"}))  # type: ignore[arg-type]
    array = np.array([(1, 2), (3, 4)], ours.spec.dtype.numpy)
    assert ours.decode(ours.encode(array)).tolist() == array.tolist()


def spec_of(dtype: str, object_codec: str | None = None) -> ChunkSpec:
    data_type = DataType.from_v2(dtype, object_codec=object_codec)
    return ChunkSpec((4,), data_type, data_type.default_fill())


def test_encoding_from_what_users_give() -> None:
    made = v2_encoding(
        spec_of("<i4"), compressor=numcodecs.Zlib(3), filters=[{"id": "delta", "dtype": "<i4"}], order="F"
    )
    assert made.compressor == {"id": "zlib", "level": 3}
    assert made.filters == ({"id": "delta", "dtype": "<i4", "astype": "<i4"},)
    assert made.order == "F"
    assert v2_encoding(spec_of("<i4")).compressor == {"id": "zstd", "level": 0}
    assert v2_encoding(spec_of("<i4"), compressor=None, filters=[]) == V2Encoding()
    assert v2_encoding(spec_of("<i4"), compressor="blosc").compressor == numcodecs.Blosc().get_config()
    assert v2_encoding(spec_of("|O", "vlen-utf8")).filters == ({"id": "vlen-utf8"},)
    for wrong in ("pickle", "nothing", {"id": "zlib", "level": 77}, 5, numcodecs.Pickle()):
        with pytest.raises(MetadataError):
            v2_encoding(spec_of("<i4"), compressor=wrong)


@given(
    data=st.data(),
    config=st.sampled_from([c for c in COMPRESSORS if c is not None]),
    array=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=40),
)
def test_round_trip_and_damage(data: st.DataObject, config: Config, array: list[int]) -> None:
    """What was stored comes back; what was damaged raises CodecError or, without a checksum, is of the right shape."""
    values = np.array(array, "<i4")
    ours = chain("<i4", values.shape, V2Encoding("C", None, config))
    encoded = bytes(ours.encode(values))
    assert ours.decode(encoded).tolist() == array
    position = data.draw(st.integers(0, len(encoded) - 1))
    damaged = bytearray(encoded)
    damaged[position] ^= data.draw(st.integers(1, 255))
    with suppress(CodecError):
        assert ours.decode(bytes(damaged)).shape == values.shape
    with pytest.raises(CodecError):
        ours.decode(encoded[:-1])
