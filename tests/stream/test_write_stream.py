"""``write_stream``: each object once, in parallel and bounded, whatever the source does and whatever fails."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asynczarr as az
from asynczarr.codec import pool

from .items import KINDS, ORDERS, SHAPE, SOURCES, SPEC, VALUES, Items, chunk_items, shard_major, slowly
from .support import STORES, Request, SpyStore, SyncSpyStore, chunk_key, filled, nothing_left, sleeping


@pytest.mark.every_loop
@KINDS
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("source", SOURCES)
async def test_each_shard_is_written_once(kind: Any, order: str, source: str) -> None:
    array = await az.create_array(kind(), **SPEC)
    async with nothing_left():
        report = await array.write_stream(SOURCES[source](ORDERS[order]()))
    assert array.store.count("get", "get_ranges", "head") == 0
    assert Counter(request.key for request in array.store.of("set")) == {
        chunk_key(r, c): 1 for r in range(3) for c in range(3)
    }
    assert (report.items, report.written, report.rewritten, report.skipped) == (len(ORDERS[order]()), 9, 0, 0)
    assert report.nbytes == VALUES.nbytes
    assert report.failed == []
    np.testing.assert_array_equal(await array.read(), VALUES)


@KINDS
@pytest.mark.parametrize("order", ORDERS)
async def test_a_tiny_budget_merges_and_is_still_right(kind: Any, order: str) -> None:
    array = await az.create_array(kind(), **SPEC)
    report = await array.write_stream(ORDERS[order](), max_bytes=300)
    np.testing.assert_array_equal(await array.read(), VALUES)
    assert report.written >= 9
    if order in ("chunk_items", "shuffled", "rows"):
        assert report.rewritten > 0
    if order in ("everything", "shard_major"):
        assert report.rewritten == 0


@given(st.data())
@settings(max_examples=25)
async def test_any_items_in_any_order_with_any_budget(data: st.DataObject) -> None:
    """Also such that overlap: later ones win, as in a loop of assignments."""
    chance = random.Random(data.draw(st.integers(0, 10**6)))
    store = SpyStore(script=lambda request: asyncio.sleep(chance.choice([0, 0, 0.0005])))
    sharded = data.draw(st.booleans())
    array = await az.create_array(store, **{**SPEC, "shards": (8, 8) if sharded else None})
    expected = np.zeros(SHAPE, "i4")
    items: Items = []
    for number in range(data.draw(st.integers(1, 30))):
        region = tuple(
            slice(
                *sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))),
                data.draw(st.sampled_from([1, 1, 3])),
            )
            for n in SHAPE
        )
        expected[region] = number + 1
        items.append((region, np.full(expected[region].shape, number + 1, "i4")))
    report = await array.write_stream(items, max_bytes=data.draw(st.sampled_from([1, 500, 4000, 10**8])))
    assert report.failed == []
    np.testing.assert_array_equal(await array.read(), expected)


@KINDS
async def test_of_overlapping_items_the_later_wins(kind: Any) -> None:
    """Although the first is still on its slow way to the store when the second is ready."""
    first = True

    async def slow_first(request: Request) -> None:
        nonlocal first
        if request.verb == "set" and first:
            first = False
            await asyncio.sleep(0.02)

    array = await az.create_array(
        SpyStore(script=slow_first) if kind is SpyStore else kind(), shape=8, chunks=8, dtype="i4"
    )
    await array.write_stream([((0,), np.full(8, 1)), ((0,), np.full(8, 2)), ((slice(2, 5),), np.full(3, 3))])
    assert (await array.read()).tolist() == [2, 2, 3, 3, 3, 2, 2, 2]


async def test_chunks_of_another_array_are_items() -> None:
    source = await filled(SpyStore(), SHAPE, (5, 7))
    target = await az.create_array(SpyStore(), **SPEC)
    report = await target.write_stream(source.stream_chunks(ordered=False))
    assert (report.items, report.written, report.rewritten) == (15, 9, 0)
    np.testing.assert_array_equal(await target.read(), VALUES - 1)


async def test_chunk_index_of_one_axis_and_of_none() -> None:
    line = await az.create_array(az.MemoryStore(), "line", shape=5, chunks=2, dtype="i4")
    await line.write_stream([(2, [5]), ((0,), [1, 2]), (np.int64(1), [3, 4])])
    assert (await line.read()).tolist() == [1, 2, 3, 4, 5]
    point = await az.create_array(az.MemoryStore(), "point", shape=(), dtype="i4")
    await point.write_stream([((), 7), ((), 8)])
    assert await point.read() == 8


async def test_regions_with_integers_steps_and_ellipsis() -> None:
    array = await az.create_array(az.MemoryStore(), shape=(6, 6), chunks=(4, 4), dtype="i4")
    expected = np.zeros((6, 6), "i4")
    regions: list[Any] = [
        (3, slice(None)),
        (slice(None, None, -2), 1),
        (..., slice(5, 1, -3)),
        (slice(-2, None),),
        (...,),
    ]
    for number, region in enumerate(regions[:4], 1):
        expected[region] = number
    await array.write_stream(
        (region, np.full(expected[region].shape, n, "i4")) for n, region in enumerate(regions[:4], 1)
    )
    np.testing.assert_array_equal(await array.read(), expected)


# Bounds.


@KINDS
@pytest.mark.parametrize("concurrency", [1, 2, 3])
async def test_parallel_and_no_more_than_asked_for(kind: Any, concurrency: int) -> None:
    array = await az.create_array(kind(), **SPEC)
    slow = sleeping(0.005) if kind is SpyStore else lambda request: time.sleep(0.005)
    array.store.script = slow
    await array.write_stream(shard_major(), concurrency=concurrency)
    expected = concurrency if kind is SpyStore else min(concurrency, pool.pool_size())
    assert array.store.peak == expected


@pytest.mark.every_loop
@pytest.mark.parametrize("source", ["generator", "async generator"])
async def test_the_source_waits_for_a_slow_store(source: str) -> None:
    """Nothing is pulled beyond the budget and one item."""
    go = asyncio.Event()

    async def wait(request: Request) -> None:
        await go.wait()

    size, allowed = 4 * 2 * 4, 40 * 32
    array = await az.create_array(SpyStore(script=wait), **{**SPEC, "shards": None})
    pulled = 0

    def items() -> Iterator[Any]:
        nonlocal pulled
        for item in chunk_items():
            pulled += 1
            yield item

    async with nothing_left():
        task = asyncio.ensure_future(array.write_stream(SOURCES[source](items()), max_bytes=allowed))
        while pulled < 2:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        assert pulled <= allowed // size + 1
        assert pulled < 60
        go.set()
        report = await task
    assert (pulled, report.written) == (60, 60)


async def test_what_the_budget_counts_is_what_is_allocated() -> None:
    """Also when of every item a part stays behind, waiting for its object to become complete."""
    count, chunk = 40, 5000
    array = await az.create_array(
        SpyStore(script=sleeping(0)), shape=8 * chunk * count, chunks=chunk, dtype="f8", codecs=["bytes"]
    )
    values = np.ones(8 * chunk)  # 320 kB, 8 chunks, of which an item has 7 and a little of the last
    allowed = 8 * values.nbytes

    def items() -> Iterator[Any]:
        for start in range(0, 8 * chunk * count, 8 * chunk):
            yield (slice(start, start + 7 * chunk + 100),), values[: 7 * chunk + 100]
        for start in range(0, 8 * chunk * count, 8 * chunk):
            yield (slice(start + 7 * chunk + 100, start + 8 * chunk),), values[7 * chunk + 100 :]

    tracemalloc.start()
    try:
        report = await array.write_stream(slowly(items()), max_bytes=allowed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.rewritten == 0
    assert (await array.read() == 1).all()
    assert peak - count * values.nbytes < allowed + values.nbytes + 300_000


@KINDS
@pytest.mark.parametrize("source", ["generator", "async generator"])
async def test_a_source_may_reuse_its_buffer(kind: Any, source: str) -> None:
    array = await az.create_array(kind(), **SPEC)
    buffer = np.zeros((4, 2), "i4")

    def items() -> Iterator[Any]:
        for where, values in chunk_items():
            buffer[...] = values
            yield where, buffer
            buffer[...] = -1

    await array.write_stream(SOURCES[source](items()))
    np.testing.assert_array_equal(await array.read(), VALUES)


async def test_a_source_that_waits_for_what_was_written(one_thread: None) -> None:
    """With one thread for codecs only, a blocking source must not be what occupies it."""
    array = await az.create_array(SyncSpyStore(), **{**SPEC, "shards": None})
    landed = threading.Event()

    def items() -> Iterator[Any]:
        yield (0, 0), VALUES[:4, :2]
        assert landed.wait(5), "the first item was not written before the second was asked for"
        yield (1, 1), VALUES[4:8, 2:4]

    array.store.script = lambda request: landed.set()
    async with asyncio.timeout(8):
        report = await array.write_stream(items())
    assert report.written == 2


# Everything else.


async def test_progress_counts_objects() -> None:
    array = await az.create_array(SpyStore(), **SPEC)
    told: list[tuple[int, int]] = []
    await array.write_stream(chunk_items(), progress=lambda report: told.append((report.written, report.nbytes)))
    assert [written for written, _ in told] == list(range(1, 10))
    assert told[-1][1] == VALUES.nbytes


async def test_read_only() -> None:
    store = SpyStore()
    await az.create_array(store, **SPEC)
    array = await az.open_array(store)
    with pytest.raises(az.Forbidden):
        await array.write_stream(chunk_items())
    assert store.requests == []


async def test_an_empty_source() -> None:
    array = await az.create_array(SpyStore(), **SPEC)
    assert await array.write_stream([]) == az.WriteReport()
    assert await array.write_stream([((slice(0, 0), slice(None)), np.zeros((0, 20), "i4"))]) == az.WriteReport(items=1)


@pytest.mark.parametrize("store", STORES)
async def test_fill_values_are_not_stored_if_not_wanted(store: str) -> None:
    created = STORES[store]()
    await az.create_array(created, **SPEC)
    array = await az.open_array(created, mode="r+", options=az.NodeOptions(write_empty_chunks=False))
    await array.write(1)
    report = await array.write_stream([(where, np.zeros_like(values)) for where, values in chunk_items()])
    assert report.written == 9
    assert await array.nchunks_stored() == 0
    assert (await array.read() == 0).all()
