"""What reaches the store: each chunk once, shards by index and coalesced ranges, and never two versions mixed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.types import ByteRange

from .support import SpyStore, SyncSpyStore, chunk_key, counting, filled, sleeping

KINDS = pytest.mark.parametrize("kind", [SpyStore, SyncSpyStore], ids=["async", "sync"])


def _keys(array: az.Array) -> Counter[str]:
    return Counter(request.key for request in array.store.requests)


CHANCE = np.random.default_rng(3)
SCATTERED = CHANCE.integers(0, 16, 200), CHANCE.integers(0, 16, 200)
MASK = CHANCE.random((16, 16)) < 0.2

SELECTIONS: dict[str, Any] = {
    "all": lambda a: a[...],
    "slices": lambda a: a[3:9, 5:6],
    "integer": lambda a: a[7],
    "negative step": lambda a: a[14:2:-3, ::-1],
    "oindex": lambda a: a.oindex[[9, 1, 9, 15, 0, 1], [2, 3, 14]],
    "oindex mask": lambda a: a.oindex[MASK[0], 3:9],
    "vindex": lambda a: a.vindex[SCATTERED],
    "vindex 2-d": lambda a: a.vindex[SCATTERED[0].reshape(10, 20), SCATTERED[1].reshape(10, 20)],
    "mask": lambda a: a.vindex[MASK],
    "blocks": lambda a: a.blocks[1:3, -1],
    "view of a view": lambda a: a[2:14].oindex[[3, 3, 9]][:, ::4],
}


@KINDS
@pytest.mark.parametrize("name", SELECTIONS)
async def test_each_chunk_is_fetched_once(kind: Any, name: str) -> None:
    array = await filled(kind())
    plain = await filled(az.MemoryStore())
    view = SELECTIONS[name](array)
    result = await view.read()
    np.testing.assert_array_equal(result, await SELECTIONS[name](plain).read())
    keys = _keys(array)
    assert set(keys.values()) == {1}
    # Exactly the chunks that hold an element of the result.
    expected = {chunk_key(value // 16 // 4, value % 16 // 4) for value in np.unique(result).tolist()}
    assert set(keys) == expected
    array.store.forget()
    async for _ in view.stream_chunks():
        pass
    assert _keys(array) == dict.fromkeys(expected, 1)


@KINDS
async def test_nothing_is_fetched_for_nothing(kind: Any) -> None:
    array = await filled(kind())
    for view in (array[3:3], array.oindex[[], :], array.vindex[[], []], array.vindex[np.zeros((16, 16), bool)]):
        assert (await view.read()).size == 0
    view = array[2:5]
    view.stream_chunks()
    view.stream_slices(0)
    assert array.store.requests == []


@KINDS
async def test_writing_whole_chunks_reads_nothing(kind: Any) -> None:
    array = await filled(kind())
    await array.write(5)
    await array[4:12, 8:].write(6)
    await array.blocks[0, 0].write(7)
    assert array.store.count("get", "get_ranges", "head") == 0
    assert array.store.count("set") == 16 + 4 + 1
    array.store.forget()
    await array[3:9, 3:9].write(8)
    keys = _keys(array)
    assert keys == {chunk_key(r, c): 1 if (r, c) == (1, 1) else 2 for r in range(3) for c in range(3)}


@KINDS
async def test_edge_chunks_are_whole_without_what_lies_outside(kind: Any) -> None:
    array = await filled(kind(), shape=(10, 10))
    await array.write(3)
    assert array.store.count("get", "get_ranges") == 0
    assert (await array.read() == 3).all()


# Shards.

SHARDED: dict[str, Any] = {"shape": (64, 64), "chunks": (8, 8), "shards": (32, 32), "codecs": ["bytes"]}
"""4 shards of 16 inner chunks of 256 bytes; the index has 16 * 16 + 4 bytes."""


async def _sharded(store: Any, **options: Any) -> az.Array:
    await filled(store, **SHARDED)
    return await az.open_array(store, mode="r+", options=az.NodeOptions(**options))


def _ranges(array: az.Array) -> list[list[tuple[int, int | None]]]:
    requests = array.store.of("get_ranges")
    return [[(part.start, part.stop) for part in request.ranges] for request in requests]


@KINDS
async def test_one_inner_chunk_costs_index_and_data(kind: Any) -> None:
    array = await _sharded(kind())
    np.testing.assert_array_equal(await array[8:16, 0:8].read(), counting((64, 64))[8:16, 0:8])
    assert _ranges(array) == [[(-260, None)], [(4 * 256, 5 * 256)]]
    index, data = array.store.of("get_ranges")
    assert index.if_version is None
    assert data.if_version is not None
    array.store.forget()
    np.testing.assert_array_equal(await array[0:8, 0:8].read(), counting((64, 64))[0:8, 0:8])
    assert _ranges(array) == [[(0, 256)]], "the index is known by now"


@KINDS
async def test_nearby_inner_chunks_share_a_range(kind: Any) -> None:
    array = await _sharded(kind(), coalesce_gap=256)
    await array[0:8, 0:24].read()
    assert _ranges(array)[1:] == [[(0, 3 * 256)]]
    array.store.forget()
    await array[0:24:8, 0:8].read()  # three chunks between each two
    assert _ranges(array) == [[(0, 256), (1024, 1280), (2048, 2304)]]
    wide = await _sharded(kind(), coalesce_gap=3 * 256)
    await wide[0:24:8, 0:8].read()
    assert _ranges(wide)[1:] == [[(0, 2304)]]
    short = await _sharded(kind(), coalesce_gap=10**6, coalesce_max=512)
    await short[0:8, 0:32].read()
    assert _ranges(short)[1:] == [[(0, 512), (512, 1024)]]


@KINDS
async def test_a_whole_shard_is_one_request(kind: Any) -> None:
    array = await _sharded(kind())
    np.testing.assert_array_equal(await array.read(), counting((64, 64)))
    assert len(_ranges(array)) == 4
    assert all(len(ranges) == 1 and ranges[0][0] == 0 for ranges in _ranges(array))
    array.store.forget()
    seen = {chunk.index async for chunk in array.stream_chunks()}
    assert len(seen) == 64
    # Where a request is no way through a network, the first chunk comes before the others: index, chunk, the rest.
    assert len(_ranges(array)) == (6 if array.store.capabilities.sync else 4)


async def test_a_large_shard_is_read_in_runs_with_one_index() -> None:
    """As many readers as there are runs, but the index is asked for once."""
    store = SpyStore(script=sleeping(0.001))
    array = await filled(
        store, shape=(2048, 1024), chunks=(128, 128), shards=(2048, 1024), dtype="f8", codecs=["bytes"]
    )
    np.testing.assert_array_equal(await array.read(), counting((2048, 1024), "f8"))
    index = [ranges for ranges in _ranges(array) if ranges[0][0] < 0]
    assert len(index) == 1
    assert len(_ranges(array)) - 1 == 2, "8 MiB each"


async def test_an_index_that_cannot_be_read_is_asked_for_again() -> None:
    """Who waited for somebody else's failed request tries itself."""
    failures = iter([True])

    def script(request: Any) -> None:
        if request.ranges and request.ranges[0].start < 0 and next(failures, False):
            raise az.Unavailable("once")

    array = await _sharded(SpyStore())
    array.store.script = script
    results = await asyncio.gather(*[array[0:8, n : n + 8].read() for n in (0, 8, 16)], return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    assert len(failed) == 1
    assert isinstance(failed[0], az.Unavailable)


@KINDS
async def test_reading_twice_what_is_missing_sees_what_was_written_meanwhile(kind: Any) -> None:
    """A known index must not hide chunks that another writer has added."""
    store = kind()
    await az.create_array(store, shape=(64, 64), chunks=(8, 8), shards=(32, 32), dtype="i4")
    mine, theirs = await az.open_array(store, mode="r+"), await az.open_array(store, mode="r+")
    await theirs[0:8, 0:8].write(1)
    assert (await mine[0:8, 8:16].read() == 0).all()
    await theirs[0:8, 8:16].write(2)
    assert (await mine[0:8, 8:16].read() == 2).all()
    await theirs[8:16, 8:16].write(3)
    assert (await mine[0:16, 0:16].read())[::8, ::8].tolist() == [[1, 2], [0, 3]]
    assert [chunk.data.max() async for chunk in mine[8:16, 8:16].stream_chunks(missing="skip")] == [3]


@KINDS
async def test_a_shard_rewritten_between_index_and_data_is_not_mixed(kind: Any) -> None:
    array = await _sharded(kind())
    plain = await filled(az.MemoryStore(), **SHARDED)
    # Other values in chunks of other sizes, so that the old index points into the middle of something.
    other = await az.create_array(
        az.MemoryStore(), shape=(64, 64), chunks=(8, 8), shards=(32, 32), dtype="i4", codecs=["bytes"]
    )
    await other[8:32, 0:32].write(-1)
    states = [plain.store.get_sync(chunk_key(0, 0)), other.store.get_sync(chunk_key(0, 0))]
    swaps = 0

    def swap(request: Any) -> None:
        nonlocal swaps
        if request.if_version is not None and swaps < 5:  # between the index and the data
            swaps += 1
            array.store.inner.set_sync(request.key, states[swaps % 2])

    array.store.script = swap
    old = counting((64, 64))[4:20, 0:20]
    new = np.where(np.arange(4, 20)[:, None] < 8, 0, -1) * np.ones((1, 20), "i4")
    result = await array[4:20, 0:20].read()
    assert swaps == 5
    np.testing.assert_array_equal(result, new if swaps % 2 else old)


@KINDS
async def test_a_shard_that_never_keeps_still_is_an_error_not_a_loop(kind: Any) -> None:
    array = await _sharded(kind())
    value = array.store.inner.get_sync(chunk_key(0, 0))

    def swap(request: Any) -> None:
        array.store.inner.set_sync(request.key, value)

    array.store.script = swap
    with pytest.raises(az.Unavailable, match="changed") as caught:
        await array[0:8, 0:8].read()
    assert caught.value.key == chunk_key(0, 0)
    assert len(array.store.requests) < 100


@KINDS
async def test_a_shard_deleted_between_index_and_data_is_missing(kind: Any) -> None:
    array = await _sharded(kind())

    def drop(request: Any) -> None:
        if request.if_version is not None:
            array.store.inner.delete_sync(request.key)

    array.store.script = drop
    assert (await array[0:8, 0:8].read() == 0).all()


@pytest.mark.parametrize("kind", [SpyStore, SyncSpyStore], ids=["async", "sync"])
async def test_shards_in_a_store_without_versions(kind: Any) -> None:
    store = kind(versions=False, cas=False, create=False)
    array = await _sharded(store)
    for _ in range(2):
        np.testing.assert_array_equal(await array[3:30, 3:30].read(), counting((64, 64))[3:30, 3:30])
    await array[5, 5].write(-1)
    assert await array[5, 5].read() == -1


@KINDS
async def test_the_value_of_our_own_write_is_read_back(kind: Any) -> None:
    array = await _sharded(kind())
    for value in range(5):
        await array[3, 40].write(-value)
        assert await array[3, 40].read() == -value


@KINDS
async def test_random_parts_of_shards(kind: Any) -> None:
    """Whatever is read, a shard is asked for its index once and for its data at most once."""
    expected = counting((64, 64))
    chance = random.Random(5)
    for _ in range(20):
        array = await _sharded(kind())
        rows, columns = sorted(chance.sample(range(65), 2)), sorted(chance.sample(range(65), 2))
        index = slice(*rows, chance.randint(1, 9)), slice(*columns, chance.randint(1, 9))
        np.testing.assert_array_equal(await array[index].read(), expected[index])
        assert max(_keys(array).values()) <= 2


@KINDS
async def test_a_chunk_is_never_read_past_its_bound(kind: Any) -> None:
    """A huge object under the key of a small chunk is refused without being held whole."""
    array = await filled(kind(), codecs=["bytes"])
    array.store.inner.set_sync(chunk_key(0, 0), bytes(10**6))
    with pytest.raises(az.CodecError):
        await array.read()
    for request in array.store.of("get"):
        assert request.ranges == (ByteRange(0, 65),)
