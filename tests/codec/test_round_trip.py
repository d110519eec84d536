"""What is encoded decodes to the same bits: every data type, every shape, and damaged chunks are never trusted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from asynczarr.codec import CodecChain
from asynczarr.errors import CodecError
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.node import NamedConfig

from .samples import COMPRESSORS, FIXED, FIXED_BYTES, NUMBERS, chain_of, random_array, same_bits, spec_of

shapes = st.one_of(st.just(()), array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
seeds = st.integers(0, 2**32)


@given(
    dtype=st.sampled_from(FIXED),
    shape=shapes,
    elements=st.sampled_from(FIXED_BYTES),
    compressors=st.sampled_from(COMPRESSORS),
    fortran=st.booleans(),
    seed=seeds,
)
def test_fixed_size(dtype, shape, elements, compressors, fortran, seed):
    transpose = [NamedConfig("transpose", {"order": list(range(len(shape)))[::-1]})] if fortran else []
    chain = chain_of(dtype, shape, *transpose, *elements, *compressors)
    array = random_array(chain.spec.dtype, shape, seed)
    data = chain.encode(array)
    assert len(data) <= chain.max_encoded_size()
    assert chain.encoded_size() in (None, len(data))
    assert same_bits(chain.decode(data), array)
    for buffer in (bytearray(data), memoryview(bytes(data))):
        assert same_bits(chain.decode(buffer), array)
    if array.ndim > 1:
        assert bytes(chain.encode(np.asfortranarray(array))) == bytes(data)


@given(
    shape=shapes,
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=9),
    compressors=st.sampled_from(COMPRESSORS),
    name=st.sampled_from(["vlen-utf8", "vlen-bytes", "zarrs.vlen_v2"]),
    kind=st.sampled_from(["string", "bytes"]),
)
def test_varying_size(shape, texts, compressors, name, kind):
    size = int(np.prod(shape))
    elements = [texts[i % len(texts)] for i in range(size)]
    chain = chain_of(kind, shape, NamedConfig(name), *compressors)
    array = np.empty(size, object)
    array[:] = elements if kind == "string" else [text.encode() for text in elements]
    array = array.reshape(shape).astype(chain.spec.dtype.numpy)
    data = chain.encode(array)
    decoded = chain.decode(data)
    assert decoded.shape == shape
    assert decoded.dtype == chain.spec.dtype.numpy
    assert decoded.tolist() == array.tolist()


def test_bytes_of_numpy_are_bytes():
    chain = chain_of("bytes", (3,), NamedConfig("vlen-bytes"))
    decoded = chain.decode(chain.encode(np.array([np.bytes_(b"ab"), b"c\0", b""], object)))
    assert decoded.tolist() == [b"ab", b"c\0", b""]
    assert {type(element) for element in decoded} == {bytes}


@given(
    dtype=st.sampled_from(NUMBERS),
    shape=shapes,
    padding=st.sampled_from(["none", "first_byte", "last_byte"]),
    seed=seeds,
)
def test_packbits(dtype, shape, padding, seed):
    chain = chain_of(dtype, shape, NamedConfig("packbits", {"padding_encoding": padding}))
    array = random_array(chain.spec.dtype, shape, seed)
    data = chain.encode(array)
    bits = 1 if dtype == "bool" else DataType.from_v3(dtype).bits
    assert len(data) == chain.encoded_size() == -(-array.size * bits // 8) + (padding != "none")
    assert same_bits(chain.decode(data), array)


@given(st.sampled_from(["int4", "int8", "uint16", "int32", "uint64", "int64"]), st.data(), seeds)
def test_packbits_of_some_bits(dtype, data, seed):
    width = DataType.from_v3(dtype).bits
    first = data.draw(st.integers(0, width - 1))
    last = data.draw(st.integers(first, width - 1))
    chain = chain_of(dtype, (7,), NamedConfig("packbits", {"first_bit": first, "last_bit": last}))
    array = random_array(chain.spec.dtype, (7,), seed)
    packed = chain.encode(array)
    stream = int.from_bytes(packed, "little")
    kept = last - first + 1
    for position, (element, decoded) in enumerate(zip(array, chain.decode(packed), strict=True)):
        field = (int(element) >> first) & ((1 << kept) - 1)
        assert (stream >> position * kept) & ((1 << kept) - 1) == field
        sign = dtype.startswith("i") and field >> (kept - 1)
        assert int(decoded) == (field - (1 << kept) * bool(sign)) << first
    assert len(packed) == -(-7 * kept // 8)


def test_packbits_counts_from_the_lowest_bit():
    chain = chain_of("uint4", (2,), NamedConfig("packbits"))
    array = np.array([6, 7]).astype(chain.spec.dtype.numpy)
    assert chain.encode(array) == b"\x76"


@pytest.mark.parametrize(
    ("rules", "shape"),
    [([[0, 1], [2], 3], (20, 4, 3)), ([-1], (240,)), ([[0], -1, [3]], (4, 20, 3)), ([[], [0, 1, 2, 3]], (1, 240))],
)
def test_reshape(rules, shape):
    chain = chain_of("int32", (4, 5, 4, 3), NamedConfig("reshape", {"shape": rules}), FIXED_BYTES[0][0])
    array = np.arange(240, dtype="i4").reshape(4, 5, 4, 3)
    assert chain.array_spec.shape == shape
    assert chain.encode(array) == array.tobytes()
    assert same_bits(chain.decode(array.tobytes()), array)


def test_squeeze():
    chain = chain_of("uint8", (1, 3, 1), NamedConfig("zarrs.squeeze"), NamedConfig("bytes"))
    assert chain.array_spec.shape == (3,)
    assert chain.decode(b"abc").shape == (1, 3, 1)


_ALL = {
    "bytes": ("int32", FIXED_BYTES[0]),
    "crc32c": ("int32", [*FIXED_BYTES[0], NamedConfig("crc32c")]),
    "gzip": ("int32", [*FIXED_BYTES[0], NamedConfig("gzip", {"level": 5})]),
    "zstd": ("int32", [*FIXED_BYTES[0], NamedConfig("zstd", {"level": 5, "checksum": True})]),
    "zstd of strings": ("string", [NamedConfig("vlen-utf8"), NamedConfig("zstd", {"level": 5, "checksum": True})]),
    "blosc lz4": (
        "int32",
        [*FIXED_BYTES[0], NamedConfig("blosc", {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"})],
    ),
    "blosc zstd": (
        "int32",
        [*FIXED_BYTES[0], NamedConfig("blosc", {"cname": "zstd", "clevel": 5, "shuffle": "bitshuffle"})],
    ),
    "blosc zlib": (
        "int32",
        [*FIXED_BYTES[0], NamedConfig("blosc", {"cname": "zlib", "clevel": 5, "shuffle": "shuffle"})],
    ),
    "blosc blosclz": (
        "int32",
        [*FIXED_BYTES[0], NamedConfig("blosc", {"cname": "blosclz", "clevel": 5, "shuffle": "shuffle"})],
    ),
    "vlen-utf8": ("string", [NamedConfig("vlen-utf8")]),
    "packbits": ("int4", [NamedConfig("packbits", {"padding_encoding": "last_byte"})]),
    "zfp": ("float32", [NamedConfig("zfp", {"mode": "reversible"})]),
    "conditional": (
        "int32",
        [
            *FIXED_BYTES[0],
            NamedConfig(
                "conditional", {"codecs": [{"name": "crc32c"}, {"name": "zstd", "configuration": {"level": 1}}]}
            ),
        ],
    ),
    "n5_default": (
        "uint8",
        [
            NamedConfig(
                "n5_default", {"codecs": [{"name": "transpose", "configuration": {"order": [1, 0]}}, {"name": "bytes"}]}
            )
        ],
    ),
}


def _sample(chain: CodecChain):
    if chain.spec.dtype.name == "string":
        return np.array([[f"text {i * j}" for i in range(9)] for j in range(7)], chain.spec.dtype.numpy)
    return (np.arange(63).reshape(7, 9) % 8 // 2).astype(chain.spec.dtype.numpy)


@pytest.mark.parametrize("name", _ALL)
def test_damage_is_an_error_or_harmless(name):
    dtype, configs = _ALL[name]
    chain = chain_of(dtype, (7, 9), *configs)
    array = _sample(chain)
    data = bytes(chain.encode(array))
    checked = name in ("crc32c", "gzip", "zstd", "zstd of strings")
    for position in range(len(data)):
        for mask in (0x01, 0x80, 0xFF):
            broken = bytearray(data)
            broken[position] ^= mask
            _decodes_or_fails(chain, bytes(broken), array if checked else None)
        # The last word of a zfp stream is filled up with bits that nobody reads.
        _decodes_or_fails(chain, data[:position], array, strict=name != "zfp")
    _decodes_or_fails(chain, data + b"\0", array, strict=name != "zfp")


def _decodes_or_fails(chain, data, unless_equal, *, strict=False):
    if strict:
        with pytest.raises(CodecError):
            chain.decode(data)
        return
    try:
        decoded = chain.decode(data)
    except CodecError:
        return
    assert (decoded.shape, decoded.dtype) == (chain.spec.shape, chain.spec.dtype.numpy)
    if unless_equal is not None:
        assert decoded.tolist() == unless_equal.tolist()


@given(data=st.binary(max_size=200), name=st.sampled_from(sorted(_ALL)))
def test_noise_is_an_error_or_a_chunk(data, name):
    dtype, configs = _ALL[name]
    _decodes_or_fails(chain_of(dtype, (7, 9), *configs), data, None)


def test_spec_of_a_chunk():
    assert spec_of("int8", (2, 3)).size == 6
    assert spec_of("int8", ()).size == 1
