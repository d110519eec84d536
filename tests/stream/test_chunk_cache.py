"""A ChunkCache in NodeOptions: what is kept is not asked for, and never anything but what is stored."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asynczarr as az
from asynczarr.errors import Unavailable
from asynczarr.middleware import ChunkCache
from asynczarr.telemetry import events, hooks
from asynczarr.testing import VirtualClock
from tests.waiting import until

from .support import Request, SpyStore, SyncSpyStore, chunk_key, counting, filled, nothing_left, sleeping

KINDS = pytest.mark.parametrize("kind", [SpyStore, SyncSpyStore], ids=["async", "sync"])
SHARDS = pytest.mark.parametrize("shards", [None, (8, 8)], ids=["chunks", "shards"])
EXPECTED = counting((16, 16))


def opening(cache: ChunkCache | None) -> Any:
    return az.NodeOptions(chunk_cache=cache)


async def cached(store: Any, cache: ChunkCache, mode: Any = "r+", **spec: Any) -> az.Array:
    """An array of 4 x 4 chunks that counts up, stored by somebody else and opened with a cache."""
    await filled(store, **spec)
    return await az.open_array(store, mode=mode, options=opening(cache))


async def stream(view: az.View) -> np.ndarray[Any, Any]:
    result = np.zeros(view.shape, view.dtype)
    async for chunk in view.stream_chunks():
        result[chunk.region] = chunk.data
    return result


async def slices(view: az.View) -> np.ndarray[Any, Any]:
    return np.stack([each.data async for each in view.stream_slices()])


WAYS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "read": lambda view: view.read(),
    "stream": stream,
    "slices": slices,
}


@KINDS
@SHARDS
@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("then", WAYS)
async def test_what_is_kept_costs_no_request(kind: Any, shards: Any, first: str, then: str) -> None:
    cache = ChunkCache(ttl=60, clock=VirtualClock())
    array = await cached(kind(), cache, shards=shards)
    np.testing.assert_array_equal(await WAYS[first](array), EXPECTED)
    assert array.store.requests
    assert (cache.hits, cache.misses) == (0, 16)
    array.store.forget()
    for view, expected in ((array, EXPECTED), (array[3:9, ::-2], EXPECTED[3:9, ::-2])):
        np.testing.assert_array_equal(await WAYS[then](view), expected)
    np.testing.assert_array_equal(await array.vindex[[1, 15, 1], [2, 3, 14]].read(), EXPECTED[[1, 15, 1], [2, 3, 14]])
    assert array.store.requests == []
    assert cache.misses == 16


@SHARDS
async def test_an_async_store_is_asked_for_versions_without_ttl(shards: Any) -> None:
    array = await cached(SpyStore(), ChunkCache(), shards=shards)
    await array.read()
    array.store.forget()
    np.testing.assert_array_equal(await array.read(), EXPECTED)
    objects = 16 if shards is None else 4
    assert [request.verb for request in array.store.requests] == ["head"] * objects
    assert len({request.key for request in array.store.requests}) == objects


@SHARDS
async def test_a_blocking_store_is_asked_in_the_same_hop(shards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from asynczarr.codec import pool

    array = await cached(SyncSpyStore(), ChunkCache(), shards=shards)
    await array.read()
    array.store.forget()
    hops = []
    run = pool.run
    monkeypatch.setattr(pool, "run", lambda function, *args: (hops.append(function), run(function, *args))[1])
    np.testing.assert_array_equal(await array.read(), EXPECTED)
    assert len(hops) == 1
    assert {(request.verb, request.ranges) for request in array.store.requests} == {("get_ranges", ())}
    assert len(array.store.requests) == (16 if shards is None else 4)


@KINDS
@SHARDS
@pytest.mark.parametrize("ttl", [0.0, 10.0])
async def test_what_others_change_is_seen_after_the_time(kind: Any, shards: Any, ttl: float) -> None:
    clock = VirtualClock()
    array = await cached(kind(), ChunkCache(ttl=ttl, clock=clock), shards=shards)
    await array.read()
    other = await az.open_array(array.store, mode="r+")
    await other[:2].write(-1)
    changed = EXPECTED.copy()
    changed[:2] = -1
    if ttl:
        await clock.advance(ttl - 1)
        np.testing.assert_array_equal(await array.read(), EXPECTED)
        await clock.advance(1)
    array.store.forget()
    np.testing.assert_array_equal(await array.read(), changed)
    np.testing.assert_array_equal(await stream(array), changed)
    if kind is SpyStore and ttl:  # all were asked for once, and only what had changed was read
        assert array.store.count("head") == (16 if shards is None else 4)
        assert {request.key for request in array.store.of("get_ranges")} == {
            chunk_key(0, n) for n in range(4 if shards is None else 2)
        }


@KINDS
@SHARDS
async def test_bytes_are_bounded(kind: Any, shards: Any) -> None:
    cache = ChunkCache(5 * (64 + 256), ttl=60)
    array = await cached(kind(), cache, shards=shards)
    for _ in range(3):
        np.testing.assert_array_equal(await array.read(), EXPECTED)
        np.testing.assert_array_equal(await stream(array[4:]), EXPECTED[4:])
        assert 0 < cache.used <= 5 * (64 + 256)


async def test_chunks_larger_than_the_cache_are_read_as_always() -> None:
    array = await cached(SpyStore(), ChunkCache(100, ttl=60))
    for _ in range(2):
        array.store.forget()
        assert (await array[:4, :4].read()).flags.writeable
        assert [request.verb for request in array.store.requests] == ["get"]


@KINDS
@SHARDS
async def test_kept_chunks_are_read_only(kind: Any, shards: Any) -> None:
    array = await cached(kind(), ChunkCache(ttl=60), shards=shards)
    for _ in range(2):
        async for chunk in array.stream_chunks():
            with pytest.raises(ValueError, match="read-only"):
                chunk.data[...] = 0
    out = await array.read()
    out[...] = 0
    np.testing.assert_array_equal(await array.read(), EXPECTED)


@KINDS
async def test_a_shard_in_part(kind: Any) -> None:
    array = await cached(kind(), ChunkCache(ttl=60), shards=(8, 8), codecs=["bytes"])
    await array[:4, :4].read()
    array.store.forget()
    np.testing.assert_array_equal(await array[:4, :8].read(), EXPECTED[:4, :8])
    (request,) = array.store.requests  # the index is known, and one chunk is
    assert [part.length for part in request.ranges] == [64]
    array.store.forget()
    np.testing.assert_array_equal(await array[:8, :8].read(), EXPECTED[:8, :8])
    (request,) = array.store.requests
    assert sum(part.length for part in request.ranges) == 128
    array.store.forget()
    np.testing.assert_array_equal(await stream(array[:8, :8]), EXPECTED[:8, :8])
    assert array.store.requests == []


@KINDS
async def test_a_result_lives_no_longer_than_its_owner_wants(kind: Any) -> None:
    array = await cached(kind(), ChunkCache(ttl=60))
    gc.collect()
    gc.disable()  # cycles would keep what a read has filled
    try:
        for _ in range(2):
            result = await array.read()
            alive = weakref.ref(result)
            del result
            assert alive() is None
    finally:
        gc.enable()


@KINDS
@SHARDS
async def test_chunks_that_are_not_stored(kind: Any, shards: Any) -> None:
    store = kind()
    spec = {"shape": (16, 16), "chunks": (4, 4), "dtype": "i4", "fill_value": 7}
    array = await az.create_array(store, shards=shards, options=opening(ChunkCache(ttl=60)), **spec)
    other = await az.open_array(store, mode="r+")
    await other[:4, :4].write(1)
    expected = np.full((16, 16), 7)
    expected[:4, :4] = 1
    for _ in range(2):
        np.testing.assert_array_equal(await array.read(), expected)
        np.testing.assert_array_equal(await stream(array), expected)
    assert [chunk.missing async for chunk in array.stream_chunks()] == [False] + [True] * 15
    await other[8:, 8:].write(2)  # nothing was kept of what was missing
    expected[8:, 8:] = 2
    np.testing.assert_array_equal(await array.read(), expected)


async def test_what_is_deleted_is_seen() -> None:
    array = await cached(SpyStore(), ChunkCache())
    await array.read()
    await array.store.delete(chunk_key(0, 0))
    array.store.forget()
    np.testing.assert_array_equal(await array[:4, :4].read(), np.zeros((4, 4)))


@KINDS
async def test_arrays_of_other_metadata_share_nothing(kind: Any) -> None:
    store, cache = kind(), ChunkCache(ttl=60)
    array = await cached(store, cache, codecs=["bytes"])
    document = await store.get("zarr.json")
    await array.read()
    for old, new in ((b'"int32"', b'"float32"'), (b'"little"', b'"big"')):
        assert old in bytes(document)
        await store.set("zarr.json", bytes(document).replace(old, new))
        uncached = await az.open_array(store)
        other = await az.open_array(store, options=opening(cache))
        for _ in range(2):
            np.testing.assert_array_equal(await other.read(), await uncached.read())
            np.testing.assert_array_equal(await array.read(), EXPECTED)


async def test_arrays_of_a_group_share_one_cache() -> None:
    store, cache = SpyStore(), ChunkCache(ttl=60)
    group = await az.create_group(store, options=opening(cache))
    for name in "ab":
        array = await group.create_array(name, shape=(16, 16), chunks=(4, 4), dtype="i4")
        await array.write(EXPECTED)
        await array.read()
    store.forget()
    for name in "ab":
        np.testing.assert_array_equal(await (await group.get_array(name)).read(), EXPECTED)
    assert store.requests == []


@pytest.mark.parametrize("kind", ["no versions", "strings"])
async def test_what_cannot_be_kept(kind: str) -> None:
    cache = ChunkCache(ttl=60)
    store = SpyStore(versions=False) if kind == "no versions" else SpyStore()
    dtype = "i4" if kind == "no versions" else "T"
    array = await az.create_array(store, shape=8, chunks=4, dtype=dtype, options=opening(cache))
    await array.write(np.arange(8).astype(dtype))
    for _ in range(2):
        store.forget()
        np.testing.assert_array_equal(await array.read(), np.arange(8).astype(dtype))
        assert [request.verb for request in store.requests] == ["get", "get"]
    assert cache.used == 0


@KINDS
@SHARDS
async def test_readers_at_the_same_time_read_once(kind: Any, shards: Any) -> None:
    store = kind()
    array = await cached(store, ChunkCache(ttl=60), shards=shards)
    store.script = sleeping(0.01) if kind is SpyStore else None
    async with nothing_left():
        results = await asyncio.gather(*(WAYS[way](array) for way in ("read", "stream", "read", "slices", "stream")))
    for result in results:
        np.testing.assert_array_equal(result, EXPECTED)
    wanted = [(request.key, part) for request in store.requests for part in request.ranges]
    assert len(wanted) == len(set(wanted))  # no range of any object twice
    if shards is None:
        assert len(store.requests) == 16


async def test_without_ttl_no_answer_is_older_than_its_question() -> None:
    store = SpyStore()
    array = await cached(store, ChunkCache())
    asked, go = asyncio.Event(), asyncio.Event()

    async def wait(request: Request) -> None:
        asked.set()
        await go.wait()

    store.script = wait
    early = asyncio.ensure_future(array[:4, :4].read())
    await asked.wait()
    late = asyncio.ensure_future(array[:4, :4].read())
    await until(lambda: store.count("get_ranges") == 2)
    go.set()
    await asyncio.gather(early, late)


@pytest.mark.parametrize("end", ["cancelled", "failed"])
async def test_nobody_depends_on_the_first(end: str) -> None:
    store = SpyStore()
    array = await cached(store, ChunkCache(ttl=60))
    asked, hang = asyncio.Event(), asyncio.Event()

    async def script(request: Request) -> None:
        if not asked.is_set():
            asked.set()
            await hang.wait()
            raise Unavailable("the first one")
        await asyncio.sleep(0.01)

    store.script = script
    async with nothing_left():
        first = asyncio.ensure_future(array[:4, :4].read())
        await asked.wait()
        others = [asyncio.ensure_future(array[:4, :4].read()) for _ in range(3)]
        await asyncio.sleep(0.001)
        assert len(store.requests) == 1
        if end == "cancelled":
            first.cancel()
        else:
            hang.set()
        for other in others:
            np.testing.assert_array_equal(await other, EXPECTED[:4, :4])
        with pytest.raises(asyncio.CancelledError if end == "cancelled" else Unavailable):
            await first
    # One takes the place of a reader who has left; after an error each finds out for itself.
    assert len(store.requests) == (2 if end == "cancelled" else 4)


async def test_followers_leave_alone() -> None:
    store = SpyStore()
    array = await cached(store, ChunkCache(ttl=60))
    gate = asyncio.Event()

    async def script(request: Request) -> None:
        await gate.wait()

    store.script = script
    async with nothing_left():
        first = asyncio.ensure_future(array.read())
        await asyncio.sleep(0.005)
        follower = asyncio.ensure_future(array.read())
        await asyncio.sleep(0.005)
        follower.cancel()
        with pytest.raises(asyncio.CancelledError):
            await follower
        gate.set()
        np.testing.assert_array_equal(await first, EXPECTED)
        assert len(store.requests) == 16
        store.forget()
        await array.read()
        assert store.requests == []


async def test_everybody_leaves() -> None:
    store = SpyStore(script=None)
    array = await cached(store, ChunkCache(ttl=60))
    store.script = sleeping(10)
    async with nothing_left():
        readers = [asyncio.ensure_future(read) for read in (array.read(), array.read(), stream(array))]
        await asyncio.sleep(0.01)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        assert store.in_flight == 0
    store.script = None
    np.testing.assert_array_equal(await array.read(), EXPECTED)


async def test_a_follower_waits_no_longer_than_for_a_request() -> None:
    store = SpyStore()
    array = await cached(store, ChunkCache(ttl=60))
    hang = asyncio.Event()

    async def script(request: Request) -> None:
        if len(store.requests) == 1:
            await hang.wait()

    store.script = script
    first = asyncio.ensure_future(array[:4, :4].read())
    await asyncio.sleep(0)
    np.testing.assert_array_equal(await array[:4, :4].read(timeout=0.7), EXPECTED[:4, :4])
    hang.set()
    np.testing.assert_array_equal(await first, EXPECTED[:4, :4])


@KINDS
async def test_two_readers_each_have_what_the_other_wants(kind: Any) -> None:
    store = kind()
    array = await cached(store, ChunkCache(ttl=60))
    store.script = sleeping(0.001) if kind is SpyStore else None
    rows = [array[:4], array[:, :4], array[::-1], array[2:14:3]]
    async with asyncio.timeout(10):
        results = await asyncio.gather(*(way(view) for view in rows for way in (WAYS["read"], stream)))
    for number, index in enumerate(np.s_[:4, :, ::-1, 2:14:3]):
        expected = EXPECTED[:, :4] if number == 1 else EXPECTED[index]
        np.testing.assert_array_equal(results[2 * number], expected)
        np.testing.assert_array_equal(results[2 * number + 1], expected)
    assert len(store.requests) == 16


async def write(array: az.Array) -> np.ndarray[Any, Any]:
    await array.write(-EXPECTED)
    return -EXPECTED


async def write_part(array: az.Array) -> np.ndarray[Any, Any]:
    await array[2:7, 3:9].write(-1)
    expected = EXPECTED.copy()
    expected[2:7, 3:9] = -1
    return expected


async def write_by_stream(array: az.Array) -> np.ndarray[Any, Any]:
    await array.write_stream([(np.s_[:8], -EXPECTED[:8]), (np.s_[8:], -EXPECTED[8:])])
    return -EXPECTED


async def append(array: az.Array) -> np.ndarray[Any, Any]:
    await array.append(EXPECTED[:3])
    return np.concatenate([EXPECTED, EXPECTED[:3]])


async def shrink(array: az.Array) -> np.ndarray[Any, Any]:
    await array.resize((6, 16))
    await array.resize((16, 16))
    expected = EXPECTED.copy()
    expected[6:] = 0
    return expected


@KINDS
@SHARDS
@pytest.mark.parametrize("change", [write, write_part, write_by_stream, append, shrink])
async def test_own_writes_are_seen_at_once(kind: Any, shards: Any, change: Any) -> None:
    cache = ChunkCache(ttl=None)
    array = await cached(kind(), cache, shards=shards)
    reader = await az.open_array(array.store, options=opening(cache))
    await array.read()
    expected = await change(array)
    await reader.refresh()
    np.testing.assert_array_equal(await reader.read(), expected)
    np.testing.assert_array_equal(await stream(array), expected)


async def test_a_node_that_is_replaced() -> None:
    store, options = SpyStore(), opening(ChunkCache(ttl=None))
    spec: dict[str, Any] = {"shape": (16, 16), "chunks": (4, 4), "dtype": "i4"}
    for make in (
        lambda: az.create_array(store, "a", overwrite=True, options=options, **spec),
        lambda: az.open_array(store, "a", mode="w", options=options, **spec),
    ):
        array = await make()
        assert not (await array.read()).any()
        await array.write(EXPECTED)
        np.testing.assert_array_equal(await array.read(), EXPECTED)
    group = await az.open_group(store, mode="r+", options=options)
    for leave in (
        lambda: group.create_array("a", overwrite=True, **spec),
        lambda: group.create_many({"a": spec}, overwrite=True),
        lambda: group.delete("a"),
        lambda: group.move("a", "b"),
    ):
        await leave()
        if "a" not in [path async for path, _ in group.members()]:
            await group.create_array("a", **spec)
        array = await group.get_array("a")
        assert not (await array.read()).any()
        await array.write(EXPECTED)
        np.testing.assert_array_equal(await array.read(), EXPECTED)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("meanwhile", [False, True])
async def test_what_was_read_before_a_write_is_not_kept(fails: bool, meanwhile: bool) -> None:
    store = SpyStore()
    array = await cached(store, ChunkCache(ttl=None))
    read, go = asyncio.Event(), asyncio.Event()
    ranges = store.get_ranges

    async def slow(*args: Any, **kwargs: Any) -> Any:
        parts = await ranges(*args, **kwargs)
        if not read.is_set():
            read.set()
            await go.wait()
        return parts

    async def lost(*args: Any, **kwargs: Any) -> Any:
        await SpyStore.set(store, *args, **kwargs)
        raise Unavailable("it has landed all the same")

    store.get_ranges = slow
    early = asyncio.ensure_future(array[:4, :4].read())
    await read.wait()
    with pytest.raises(Unavailable) if fails else contextlib.nullcontext():
        store.set = lost if fails else store.set
        await array[:4, :4].write(-1)
    if meanwhile:
        late = await asyncio.wait_for(array[:4, :4].read(), 30)  # must not wait for the early one
        np.testing.assert_array_equal(late, np.full((4, 4), -1))
    go.set()
    np.testing.assert_array_equal(await early, EXPECTED[:4, :4])
    np.testing.assert_array_equal(await array[:4, :4].read(), np.full((4, 4), -1))


@KINDS
async def test_failures_are_collected(kind: Any) -> None:
    store = kind()
    array = await cached(store, ChunkCache(ttl=60))
    await array[:4].read()

    def script(request: Request) -> None:
        if request.key == chunk_key(2, 1):
            raise Unavailable("never")

    store.script = script
    for _ in range(2):
        chunks = array.stream_chunks(on_error="skip")
        assert [chunk.index async for chunk in chunks] == [
            (n, m) for n in range(4) for m in range(4) if (n, m) != (2, 1)
        ]
        (failure,) = chunks.failures
        assert (failure.index, failure.error.key) == ((2, 1), chunk_key(2, 1))
    with pytest.raises(Unavailable, match="never"):
        await array.read()


async def test_a_chunk_that_was_spoiled_on_its_way_is_read_again_and_kept_right() -> None:
    store, cache = SpyStore(), ChunkCache(ttl=60)
    array = await cached(store, cache)
    ranges = store.get_ranges

    async def spoiled(key: str, *args: Any, **kwargs: Any) -> Any:
        parts = await ranges(key, *args, **kwargs)
        if key == chunk_key(1, 1) and store.count("get_ranges") <= 16:
            return type(parts)([b"x" * len(parts.data[0])], parts.version, parts.size)
        return parts

    store.get_ranges = spoiled
    for _ in range(2):
        np.testing.assert_array_equal(await array.read(), EXPECTED)
        np.testing.assert_array_equal(await stream(array), EXPECTED)


@KINDS
async def test_events_tell_of_each_chunk(kind: Any) -> None:
    array = await cached(kind(), ChunkCache(ttl=60))
    seen: list[Any] = []
    with hooks.subscribe(seen.append):
        for _ in range(2):
            np.testing.assert_array_equal(await array.read(), EXPECTED)
    lookups = [event for event in seen if isinstance(event, events.CacheHit | events.CacheMiss)]
    assert [type(event) for event in lookups] == [events.CacheMiss] * 16 + [events.CacheHit] * 16
    assert {event.cache for event in lookups} == {"chunks"}
    reads = [event for event in seen if isinstance(event, events.ChunkReadStop)]
    assert [event.stored > 0 for event in reads] == [True] * 16 + [False] * 16
    assert {event.nbytes for event in reads} == {64}


def test_without_a_cache_its_module_is_not_even_imported() -> None:
    program = """
import asyncio, sys
import asynczarr as az
async def main():
    array = await az.create_array("memory://", shape=4, chunks=2, dtype="i4")
    await array.write(1)
    await array.read()
asyncio.run(main())
assert "asynczarr.middleware.chunk_cache" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "stream", "slices", "write", "together"]),
        st.integers(0, 2),
        st.tuples(st.integers(0, 12), st.integers(1, 13), st.integers(0, 12), st.integers(1, 13)),
    ),
    max_size=12,
)


@given(STEPS, st.sampled_from([None, (6, 6)]), st.sampled_from([600, 1500, 10**6]), st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_reads_what_numpy_says(steps: Any, shards: Any, max_bytes: int, blocking: bool) -> None:
    async def run() -> None:
        store = (SyncSpyStore if blocking else SpyStore)()
        cache = ChunkCache(max_bytes)
        await az.create_array(store, shape=(13, 13), chunks=(3, 3), shards=shards, dtype="i4", fill_value=5)
        # Two share a cache, one has none.
        arrays = [await az.open_array(store, mode="r+", options=opening(each)) for each in (cache, cache, None)]
        model = np.full((13, 13), 5, "i4")
        for number, (verb, which, (top, rows, left, columns)) in enumerate(steps):
            region = np.s_[top : top + rows, left : left + columns]
            view = arrays[which][region]
            if verb == "write":
                await view.write(number)
                model[region] = number
            elif verb == "together":
                for result in await asyncio.gather(*(way(each[region]) for each in arrays for way in WAYS.values())):
                    np.testing.assert_array_equal(result, model[region])
            else:
                np.testing.assert_array_equal(await WAYS[verb](view), model[region])
            assert cache.used <= max_bytes

    asyncio.run(run())
