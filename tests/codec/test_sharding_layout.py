"""Shards: validation at open, layouts in the axes of the array, whole and partial access, and damage."""

from __future__ import annotations

import pickle
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.codec.base import ChunkSpec
from asynczarr.codec.chain import CodecChain
from asynczarr.codec.sharding import ShardLayout
from asynczarr.errors import CodecError, MetadataError, UnknownExtension
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.node import NamedConfig
from asynczarr.types import ByteRange

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
CRC = {"name": "crc32c"}
GZIP = {"name": "gzip", "configuration": {"level": 1}}


def sharding(chunk_shape: Any, codecs: Any = (BYTES,), index_codecs: Any = (BYTES, CRC), **more: Any) -> NamedConfig:
    config = {"chunk_shape": list(chunk_shape), "codecs": list(codecs), "index_codecs": list(index_codecs), **more}
    return NamedConfig("sharding_indexed", config)


def transpose(*order: int) -> NamedConfig:
    return NamedConfig("transpose", {"order": list(order)})


def build(shape: tuple[int, ...], *configs: NamedConfig, dtype: str = "int32", fill: Any = 0) -> CodecChain:
    data_type = DataType.from_v3(dtype)
    return CodecChain.build(configs, ChunkSpec(shape, data_type, data_type.scalar(fill)))


def layout(chain: CodecChain) -> ShardLayout:
    assert chain.shard is not None
    return chain.shard


def numbers(shape: tuple[int, ...], dtype: str = "int32") -> np.ndarray:
    return (np.arange(np.prod(shape, dtype=int)) + 1).reshape(shape).astype(dtype)


@pytest.mark.parametrize(
    "config",
    [
        {"chunk_shape": 2},
        {"chunk_shape": None},
        {"chunk_shape": [2]},
        {"chunk_shape": [2, 2, 2]},
        {"chunk_shape": [2, 0]},
        {"chunk_shape": [2, -1]},
        {"chunk_shape": [2, True]},
        {"chunk_shape": [2, 2.0]},
        {"chunk_shape": [2, "2"]},
        {"chunk_shape": [2, 3]},
        {"chunk_shape": [2, 10**400]},
        {"codecs": None},
        {"codecs": []},
        {"codecs": [5]},
        {"codecs": {"name": "bytes"}},
        {"codecs": [{"name": "no-such-codec"}]},
        {"codecs": [GZIP]},
        {"codecs": [BYTES, BYTES]},
        {"index_codecs": None},
        {"index_codecs": []},
        {"index_codecs": [BYTES, GZIP]},
        {"index_codecs": [{"name": "transpose", "configuration": {"order": [1, 0]}}, BYTES]},
        {"index_codecs": [CRC]},
        {"index_codecs": [{"name": "bytes"}]},
        {"index_location": "middle"},
        {"index_location": 5},
        {"surprise": 1},
        {"codecs": [sharding((2, 1)).configuration]},
        {"codecs": [{"name": "sharding_indexed", "configuration": dict(sharding((1, 3)).configuration)}]},
    ],
    ids=str,
)
def test_bad_metadata_is_refused_at_open(config: dict[str, Any]) -> None:
    good = dict(sharding((2, 2)).configuration)
    build((4, 4), NamedConfig("sharding_indexed", good))
    with pytest.raises(MetadataError):
        build((4, 4), NamedConfig("sharding_indexed", {k: v for k, v in (good | config).items() if v is not None}))


def test_an_unknown_inner_codec_is_named() -> None:
    with pytest.raises(UnknownExtension, match="no-such-codec"):
        build((4,), sharding((2,), [{"name": "no-such-codec"}]))


def test_a_huge_index_is_refused_before_anything_is_read() -> None:
    for shape in ((2**40,), (2**30, 2**30)):
        with pytest.raises(MetadataError, match="inner chunks"):
            build(shape, sharding((2,) * len(shape)))


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("index_codecs", [(BYTES,), (BYTES, CRC), (BIG,), (BIG, CRC, CRC)], ids=str)
def test_index_size_comes_from_its_codecs(location: str, index_codecs: Any) -> None:
    chain = build((4, 6), sharding((2, 3), [BYTES, GZIP], index_codecs, index_location=location))
    made = layout(chain)
    size = 16 * 4 + 4 * (len(index_codecs) - 1)
    assert made.index_range == (ByteRange(0, size) if location == "start" else ByteRange(-size))
    values = numbers((4, 6))
    shard = chain.encode(values)
    assert (chain.decode(shard) == values).all()
    index = made.decode_index(made.index_range.of(shard), len(shard))
    chunk = index.range((1, 0))
    assert chunk is not None
    assert (made.chain.decode(chunk.of(shard)) == values[2:, :3]).all()
    assert made.assemble(made.split(shard)) == shard


def test_empty_chunks_are_left_out_bit_by_bit() -> None:
    chain = build((6,), sharding((2,)), dtype="float32", fill=0.0)
    values = np.array([0, 0, -0.0, 0, 1, 0], "float32")
    shard = chain.encode(values)
    assert sorted(layout(chain).split(shard)) == [(1,), (2,)]
    assert np.signbit(chain.decode(shard)).tolist() == [False, False, True, False, False, False]
    nothing = chain.encode(np.zeros(6, "float32"))
    assert layout(chain).split(nothing) == {}
    assert (chain.decode(nothing) == 0).all()
    assert layout(chain).assemble({}) is None


def test_no_dimensions() -> None:
    chain = build((), sharding(()), fill=3)
    made = layout(chain)
    shard = chain.encode(np.array(7, "int32"))
    assert made.counts == ()
    assert made.decode_index(made.index_range.of(shard), len(shard)).range(()) == ByteRange(0, 4)
    offsets, lengths = made.decode_index(made.index_range.of(shard), len(shard)).ranges([()])
    assert (offsets.tolist(), lengths.tolist()) == ([0], [4])
    assert chain.decode(shard) == 7
    assert chain.decode(chain.encode(np.array(3, "int32"))) == 3
    assert made.assemble({(): b"abcd"}) is not None


def test_other_shard_shapes() -> None:
    chain = build((4, 6), transpose(1, 0), sharding((3, 2)))
    other = chain.for_shape((8, 3))
    assert layout(other).counts == (4, 1)
    assert (other.decode(other.encode(numbers((8, 3)))) == numbers((8, 3))).all()
    with pytest.raises(MetadataError, match="divide"):
        chain.for_shape((4, 5))


def test_partial_access_only_where_the_bytes_allow_it() -> None:
    assert build((4,), sharding((2,)), NamedConfig("gzip", {"level": 1})).shard is None
    assert build((4,), NamedConfig("bitround", {"keepbits": 3}), sharding((2,)), dtype="float32").shard is None
    assert build((4,), NamedConfig("bytes", {"endian": "little"})).shard is None
    outer = build((4,), sharding((2,)), NamedConfig("crc32c"), NamedConfig("gzip", {"level": 1}))
    assert (outer.decode(outer.encode(numbers((4,)))) == numbers((4,))).all()


@given(st.data())
def test_layout_is_in_the_axes_of_the_array(data: st.DataObject) -> None:
    """Whatever the transposes and nesting, inner chunk (i, j, ...) of the layout is that block of the array."""
    ndim = data.draw(st.integers(0, 3))
    inner = data.draw(st.tuples(*[st.integers(1, 3)] * ndim))
    counts = data.draw(st.tuples(*[st.integers(1, 3)] * ndim))
    orders = data.draw(st.lists(st.permutations(range(ndim)), max_size=2)) if ndim else []
    stored = inner
    for order in orders:
        stored = tuple(stored[axis] for axis in order)
    codecs: list[Any] = [BYTES, GZIP] if data.draw(st.booleans()) else [BYTES]
    if data.draw(st.booleans()):
        part = tuple(data.draw(st.sampled_from([n for n in (1, 2, 3) if size % n == 0])) for size in stored)
        codecs = [{"name": "sharding_indexed", "configuration": dict(sharding(part, codecs).configuration)}]
    location = data.draw(st.sampled_from(["start", "end"]))
    shape = tuple(size * count for size, count in zip(inner, counts, strict=True))
    chain = build(shape, *(transpose(*order) for order in orders), sharding(stored, codecs, index_location=location))
    made = layout(chain)
    assert (made.inner_shape, made.counts) == (inner, counts)
    assert made.chain.spec.shape == inner

    values = data.draw(st.sampled_from([numbers(shape), numbers(shape) % 2]))
    shard = chain.encode(values)
    assert (chain.decode(shard) == values).all()
    index = made.decode_index(made.index_range.of(shard), len(shard))
    parts = {}
    for coords in np.ndindex(*counts):
        block = values[tuple(slice(c * n, c * n + n) for c, n in zip(coords, inner, strict=True))]
        place = index.range(coords)
        if place is None:
            assert not block.any()
            continue
        assert (made.chain.decode(place.of(shard)) == block).all()
        parts[coords] = made.chain.encode(block)
        if made.chain.shard is not None and ndim:
            within = made.chain.shard
            pieces = within.split(place.of(shard))
            for at, piece in pieces.items():
                cut = tuple(slice(c * n, c * n + n) for c, n in zip(at, within.inner_shape, strict=True))
                assert (within.chain.decode(piece) == block[cut]).all()
    keys = data.draw(st.permutations(list(parts)))
    assert (made.assemble({key: parts[key] for key in keys}) or chain.encode(values)) == shard
    assert index.nbytes == 16 * np.prod(counts, dtype=int)


def test_gaps_order_and_stale_bytes_are_legal() -> None:
    chain = build((4,), sharding((2,), index_codecs=[BYTES]))
    first, second = (np.array(v, "int32").tobytes() for v in ([1, 2], [3, 4]))
    index = np.array([[20, 8], [4, 8]], np.uint64).tobytes()
    shard = b"...." + second + b"stale bytes"[:8] + first + b"!" * 5 + index
    assert chain.decode(shard).tolist() == [1, 2, 3, 4]


def test_damaged_shards() -> None:
    chain = build((4,), sharding((2,)))
    shard = bytes(chain.encode(numbers((4,))))
    made = layout(chain)
    for short in (b"", shard[:3], shard[-20:], shard[:-1], shard[1:]):
        with pytest.raises(CodecError) as caught:
            chain.decode(short)
        assert caught.value.codec == "sharding_indexed"
    with pytest.raises(CodecError, match="36 bytes"):
        made.decode_index(shard[-35:], len(shard))
    with pytest.raises(CodecError, match="checksum"):
        made.decode_index(shard[-36:-1] + b"?", len(shard))
    with pytest.raises(CodecError, match="no bytes"):
        made.assemble({(0,): b""})
    with pytest.raises(ValueError, match="none at"):
        made.assemble({(2,): b"abc"})


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize(
    "entries",
    [
        [(0, 8), (8, 9)],
        [(0, 8), (2**64 - 8, 16)],
        [(0, 8), (2**64 - 1, 8)],
        [(0, 8), (8, 2**64 - 1)],
        [(0, 8), (4, 8)],
        [(0, 8), (8, 0)],
        [(0, 8), (12, 8)],
        [(0, 8), (40, 8)],
        [(0, 8), (8, 2**40)],
    ],
)
def test_hostile_index_entries(location: str, entries: list[tuple[int, int]]) -> None:
    chain = build((4,), sharding((2,), index_codecs=[BYTES], index_location=location))
    body = numbers((4,)).tobytes()
    pairs = np.array(entries, np.uint64)
    if location == "start":
        moved = (pairs != np.uint64(2**64 - 1)) & [True, False]
        index = np.where(moved, pairs + np.uint64(32), pairs).tobytes()
        inside = np.array([(32, 8), (24, 8)], np.uint64).tobytes()
        shards = [index + body, inside + body]
    else:
        shards = [body + pairs.tobytes()]
    for shard in shards:
        with pytest.raises(CodecError) as caught:
            chain.decode(shard)
        assert caught.value.codec == "sharding_indexed"


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("codecs", [[BYTES, CRC], [BYTES, GZIP]], ids=str)
def test_every_flipped_byte_is_found_or_harmless(checked: bool, codecs: Any) -> None:
    """Inner chunks have a checksum here; without one for the index, its entries must fit each other."""
    chain = build((4, 4), sharding((2, 2), codecs, [BYTES, CRC] if checked else [BYTES]))
    values = numbers((4, 4))
    shard = bytearray(chain.encode(values))
    for position in range(len(shard)):
        for flip in (1, 0x80, 0xFF):
            shard[position] ^= flip
            with suppress(CodecError):
                assert (chain.decode(bytes(shard)) == values).all()
            shard[position] ^= flip


def test_a_small_shard_does_not_unfold_beyond_its_chunks() -> None:
    """A bomb inside of an inner chunk and one around the shard are stopped at the size that they may have."""
    import gzip

    bomb = gzip.compress(bytes(2**24))
    chain = build((4,), sharding((2,), [BYTES, GZIP], [BYTES]))
    index = np.array([(0, len(bomb)), (2**64 - 1, 2**64 - 1)], np.uint64).tobytes()
    with pytest.raises(CodecError):
        chain.decode(bomb + index)
    outer = build((4,), sharding((2,)), NamedConfig("gzip", {"level": 1}))
    with pytest.raises(CodecError, match="more than"):
        outer.decode(bomb)


def test_chains_with_shards_cross_process_boundaries() -> None:
    chain = build((4, 6), transpose(1, 0), sharding((3, 2)))
    copy = pickle.loads(pickle.dumps(chain))
    assert (copy.decode(chain.encode(numbers((4, 6)))) == numbers((4, 6))).all()
    assert copy.to_configs() == chain.to_configs()


def test_strings_in_shards() -> None:
    chain = build((4,), sharding((2,), [{"name": "vlen-utf8"}, GZIP]), dtype="string", fill="")
    values = np.array(["", "", "ä", "b"], np.dtypes.StringDType())
    shard = chain.encode(values)
    assert list(layout(chain).split(shard)) == [(1,)]
    assert chain.decode(shard).tolist() == values.tolist()
