"""One scenario in which every event is emitted, and what the events of the engine say and belong to."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
import pytest

import asynczarr as az
from asynczarr.errors import PreconditionFailed, Throttled, Truncated, Unavailable
from asynczarr.middleware.base import Wrapper
from asynczarr.middleware.hedge import Hedge
from asynczarr.middleware.limit import Limit
from asynczarr.middleware.policy import RetryPolicy
from asynczarr.middleware.resume import Resume
from asynczarr.middleware.retry import Retry
from asynczarr.middleware.telemetry import Telemetry
from asynczarr.middleware.throttle import Throttle
from asynczarr.stream.shard_cache import ShardIndexCache
from asynczarr.telemetry import events, subscribe

VALUES = np.arange(64, dtype="i4").reshape(8, 8)


@pytest.fixture
def seen():
    found: list[Any] = []
    with subscribe(found.append):
        yield found


def of(seen: list[Any], *kinds: type) -> list[Any]:
    return [event for event in seen if isinstance(event, kinds)]


class Remote(Wrapper):
    """Memory as a service far away: no blocking half, keys that fail, and a rival who writes first."""

    def __init__(self) -> None:
        super().__init__(az.MemoryStore())
        self.broken: set[str] = set()
        self.rival = 0
        self.hangs: set[str] = set()

    async def around(self, request, send):
        await asyncio.sleep(0 if request.key not in self.hangs else 60)
        if request.key in self.broken:
            raise Unavailable("down", store=self.url, key=request.key)
        if self.rival and request.verb == "set" and request.conditional:
            self.rival -= 1
            raise PreconditionFailed("somebody else was here", store=self.url, key=request.key)
        return await send()


async def made(store: Any, **spec: Any) -> Any:
    array = await az.create_array(store, "a", shape=(8, 8), dtype="i4", **{"chunks": (4, 4), **spec})
    await array.write(VALUES)
    return array


def check_spans(seen: list[Any]) -> None:
    """Every span begins once and ends once, after what is inside of it has begun."""
    starts = {event.span: event for event in of(seen, events.Start)}
    ends = Counter(e.span for e in of(seen, events.Stop, events.Failed) if not isinstance(e, events.ItemFailed))
    assert len(starts) == len(of(seen, events.Start))
    assert ends == Counter(starts.keys())
    for event in seen:
        assert event.parent == 0 or event.parent in starts
        if isinstance(event, events.Start) and event.parent:
            assert event.time >= starts[event.parent].time


async def policies() -> None:
    """What only middleware emits: each policy meets what it is for."""
    value = b"0123456789"

    class Weak(Wrapper):
        faults: ClassVar = ["throttled", "broken", "slow"]

        async def get(self, key, byte_range=None):
            fault = self.faults.pop(0) if self.faults else ""
            if fault == "throttled":
                raise Throttled("slow down", retry_after=0.001)
            if fault == "broken":
                error = Truncated("broken off", store=self.url, key=key)
                error.received, error.version = value[:4], (await self.inner.head(key)).version
                raise error
            await asyncio.sleep(10 if fault == "slow" else 0)
            return await self.inner.get(key, byte_range)

    weak = Weak(az.MemoryStore())
    await weak.set("k", value)
    resumed = Resume(Throttle(weak, share="test_scenario"))
    store = Telemetry(Hedge(Retry(resumed, policy=RetryPolicy(rand=lambda: 0.001)), least=1, window=9, extra=1.0))
    for _ in range(3):  # Throttle, RetryBudget, Retry, Attempt; Resume; Hedge
        assert await store.get("k") == value
    held = Limit(weak, requests=1, share="test_scenario")
    await asyncio.gather(held.get("k"), held.get("k"))  # Limit


async def test_every_event_is_emitted(seen: list[Any], tmp_path) -> None:
    inner = Remote()
    store = Telemetry(inner)
    array = await made(store)  # ArrayStart/Stop, Request*, ChunkWrite*, Encode
    inner.rival = 1
    await array[0, 0].write(7)  # WriteConflict
    inner.broken.add("a/c/1/1")
    async with array.stream_chunks(on_error="skip") as stream:  # ItemFailed, RequestFailed, ChunkReadFailed
        assert len([chunk async for chunk in stream]) == 3
    with pytest.raises(Unavailable):
        _ = [chunk async for chunk in array.stream_chunks()]  # StreamFailed
    with pytest.raises(Unavailable):
        await array.write(0)  # ChunkWriteFailed, ArrayFailed
    inner.broken.clear()
    await array.write_stream([((0, 0), VALUES[:4, :4])], checkpoint=tmp_path / "ledger")  # WriteProgress, Checkpoint

    sharded = await az.create_array(store, "s", shape=(8, 8), dtype="i4", chunks=(2, 2), shards=(4, 8))
    await sharded.write(VALUES)
    sharded.stored.__dict__["indexes"] = ShardIndexCache(limit=200)  # room for one index
    for _ in range(2):
        await sharded[:2].read()  # CacheMiss, CacheHit, ShardRead
    await sharded[4:6].read()  # CacheEvict
    await az.copy(array, az.MemoryStore(), "copy")  # CopyProgress
    await policies()

    emitted = {type(event) for event in seen}
    public = {getattr(events, name) for name in events.__all__}
    expected = {kind for kind in public if isinstance(kind, type) and issubclass(kind, events.Event)} - {events.Event}
    assert {kind.__name__ for kind in expected - emitted} == set()
    check_spans(seen)


async def test_a_stream_tells_progress_bytes_and_its_end(seen: list[Any]) -> None:
    array = await made(az.MemoryStore())
    seen.clear()
    told: list[Any] = []
    chunks = [chunk async for chunk in array.stream_chunks(progress=told.append, concurrency=2)]
    (start,), (stop,) = of(seen, events.StreamStart), of(seen, events.StreamStop)
    assert (start.kind, start.array, start.store) == ("chunks", "a", array.store.url)
    assert (stop.items, stop.complete, stop.span) == (4, True, start.span)
    progress = of(seen, events.StreamProgress)
    assert [(event.done, event.total) for event in progress] == [(each.done, each.total) for each in told]
    assert all(event.parent == event.span == start.span for event in progress)
    assert [event.queue_depth for event in progress][-1] == 0
    assert progress[-1].bytes_alive == 0
    read = of(seen, events.ChunkReadStop)
    assert [(event.chunk, event.nbytes, event.missing) for event in read] == [(c.index, 64, False) for c in chunks]
    assert all(event.parent == start.span and event.stored > 0 and event.key.startswith("a/c/") for event in read)
    decoded = of(seen, events.Decode)
    assert sum(event.chunks for event in decoded) == 4
    assert {event.codecs for event in decoded} == {("bytes", "zstd")}
    assert sum(event.nbytes_out for event in decoded) == 256
    check_spans(seen)


async def test_missing_chunks_are_told_as_such(seen: list[Any]) -> None:
    array = await az.create_array(az.MemoryStore(), shape=(4,), dtype="i4", chunks=(2,))
    await array[:2].write(1)
    seen.clear()
    await array.read()
    assert [(e.missing, e.nbytes, e.stored > 0) for e in of(seen, events.ChunkReadStop)] == [
        (False, 8, True),
        (True, 0, False),
    ]
    (stop,) = of(seen, events.ArrayStop)
    assert (stop.action, stop.nbytes) == ("read", 16)


@pytest.mark.every_loop
@pytest.mark.parametrize("how", ["break", "closed", "cancelled", "collected"])
async def test_a_stream_that_is_left_tells_its_end_once(seen: list[Any], how: str) -> None:
    inner = Remote()
    array = await made(Telemetry(inner))
    seen.clear()
    if how == "break":
        async with array.stream_chunks(concurrency=2) as stream:
            async for _ in stream:
                break
    elif how == "closed":
        stream = array.stream_chunks(concurrency=2)
        await anext(stream)
        await stream.aclose()
        await stream.aclose()
    elif how == "collected":
        async for _ in array.stream_chunks(concurrency=2):
            break
        gc.collect()
        await asyncio.sleep(0.01)
    else:
        inner.hangs.add("a/c/0/1")
        stream = array.stream_chunks(concurrency=1, max_bytes=1)
        await anext(stream)
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
    (end,) = of(seen, events.StreamStop, events.StreamFailed)
    assert end.items == 1
    if how == "cancelled":
        assert (type(end), end.error) == (events.StreamFailed, "CancelledError")
    else:
        assert end.complete is False
    check_spans(seen)


async def test_requests_chunks_and_codecs_belong_to_what_asked_for_them(seen: list[Any]) -> None:
    array = await made(Telemetry(Remote()))
    seen.clear()

    async def consume(name: str) -> None:
        async for _ in array.stream_chunks(concurrency=4):
            await array[0, 0].read()  # in the middle of the stream, and no part of it
            await asyncio.sleep(0)

    await asyncio.gather(consume("one"), consume("two"), array.read())
    check_spans(seen)
    starts = {event.span: event for event in of(seen, events.Start)}
    streams = [event.span for event in of(seen, events.StreamStart)]
    reads = [event.span for event in of(seen, events.ArrayStart)]
    assert len(streams) == 2
    assert len(reads) == 9
    assert all(starts[span].parent == 0 for span in (*streams, *reads))
    chunks = Counter(event.parent for event in of(seen, events.ChunkReadStart))
    assert [chunks[span] for span in streams] == [4, 4]
    assert sorted(chunks[span] for span in reads) == [1] * 8 + [4]
    for request in of(seen, events.RequestStart):  # each within the chunk that it is for
        chunk = starts[request.parent]
        assert isinstance(chunk, events.ChunkReadStart)
        assert chunk.key == request.key
    for event in of(seen, events.Decode):  # tiny chunks are decoded together, for the stream
        assert event.chunks > 1 or isinstance(starts[event.parent], events.ChunkReadStart)


@pytest.mark.parametrize(("durability", "requests"), [("none", 8), ("full", 4)])
async def test_worker_threads_tell_too(tmp_path, durability: Any, requests: int) -> None:
    """A write that waits for its device is asked for on the event loop, so that no thread for codecs waits with it."""
    store = Telemetry(az.FilesystemStore(tmp_path, durability=durability))
    array = await az.create_array(store, shape=(2**20,), dtype="f8", chunks=(2**18,))
    here, threads, seen = threading.get_ident(), Counter[str](), []

    def listen(event: Any) -> None:
        seen.append(event)
        if threading.get_ident() != here:
            threads[type(event).__name__] += 1

    with subscribe(listen):
        await array.write(np.random.default_rng(1).random(2**20))
        await array.read()
    assert threads["Encode"] == threads["Decode"] == threads["ChunkReadStop"] == 4
    assert threads["RequestStart"] == requests
    assert len([event for event in of(seen, events.RequestStart) if "/c/" in f"/{event.key}"]) == 8
    check_spans(seen)


async def test_reading_a_shard_tells_ranges_and_the_index_cache(seen: list[Any]) -> None:
    array = await az.create_array(
        az.MemoryStore(), "s", shape=(64,), dtype="i4", chunks=(8,), shards=(64,), codecs=None
    )
    await array.write(np.arange(64))
    seen.clear()
    await array[0:24].read()
    await array[0:8].read()
    first, second = of(seen, events.ShardRead)
    assert (first.chunks, first.ranges, first.nbytes_wanted, first.nbytes_read, first.key) == (3, 1, 96, 96, "s/c/0")
    assert second.chunks == 1
    looked_up = [type(event).__name__ for event in of(seen, events.CacheHit, events.CacheMiss)]
    assert looked_up == ["CacheMiss", "CacheHit"]


async def test_failures_name_the_chunk_and_siblings_end_too(seen: list[Any]) -> None:
    inner = Remote()
    array = await made(Telemetry(inner))
    inner.broken.add("a/c/0/1")
    seen.clear()
    with pytest.raises(Unavailable):
        await array.read()
    failed = {event.key: event for event in of(seen, events.ChunkReadFailed)}
    assert (failed["a/c/0/1"].error, failed["a/c/0/1"].message) == ("Unavailable", "down")
    (end,) = of(seen, events.ArrayFailed)
    assert (end.action, end.error, end.message) == ("read", "Unavailable", "down")
    check_spans(seen)


async def test_writing_tells_merges_conflicts_and_attempts(seen: list[Any]) -> None:
    inner = Remote()
    array = await made(inner)
    seen.clear()
    inner.rival = 2
    await array[0, 0].write(1)
    (stop,) = of(seen, events.ChunkWriteStop)
    assert (stop.merged, stop.attempts, stop.nbytes, stop.chunk) == (True, 3, 64, (0, 0))
    assert [event.number for event in of(seen, events.WriteConflict)] == [1, 2]
    seen.clear()
    await array[:4, :4].write(1)
    (stop,) = of(seen, events.ChunkWriteStop)
    assert (stop.merged, stop.attempts) == (False, 1)
    check_spans(seen)


async def test_a_write_stream_tells_what_its_report_says(seen: list[Any], tmp_path) -> None:
    array = await made(az.MemoryStore())
    seen.clear()
    items = [((0, 0), VALUES[:4, :4]), ((9, 9), VALUES[:4, :4]), ((slice(4, 6), slice(0, 4)), VALUES[:2, :4])]
    told: list[Any] = []
    report = await array.write_stream(
        items,
        on_error="skip",
        checkpoint=tmp_path / "ledger",
        progress=lambda report: told.append((report.written, report.rewritten, report.nbytes)),
    )
    (start,), (stop,) = of(seen, events.StreamStart), of(seen, events.StreamStop)
    assert (start.kind, stop.items, stop.complete) == ("write", 3, True)
    progress = of(seen, events.WriteProgress)
    assert [(event.written, event.rewritten, event.nbytes) for event in progress] == told
    assert (progress[-1].items, progress[-1].failed, progress[-1].bytes_alive) == (3, 1, 0)
    (failed,) = of(seen, events.ItemFailed)
    assert (failed.item, failed.error, failed.span) == ((9, 9), type(report.failed[0].error).__name__, start.span)
    assert sum(event.objects for event in of(seen, events.Checkpoint)) == 1
    assert all(event.parent == start.span for event in of(seen, events.ChunkWriteStart))
    check_spans(seen)


async def test_calls_on_arrays(seen: list[Any]) -> None:
    store = az.MemoryStore()
    array = await made(store)
    await array.resize((12, 8))
    await array.append(VALUES)
    await array.update_attributes({"units": "K"})
    group = await az.create_group(store, "g")
    await group.update_attributes({"x": 1})
    await az.open_array(store, "a")
    with pytest.raises(az.NotFound):
        await az.open_array(store, "nowhere")
    target = az.MemoryStore()
    await az.copy(array, target, "b")
    starts = {event.span: event for event in of(seen, events.ArrayStart)}
    outer = [(event.action, event.array) for event in starts.values() if not event.parent]
    assert outer == [
        *[("open", "a"), ("write", "a"), ("resize", "a"), ("append", "a"), ("attributes", "a")],
        *[("open", "g"), ("attributes", "g"), ("open", "a"), ("open", "nowhere"), ("copy", "b")],
    ]
    inner = [(event.action, event.array, starts[event.parent].action) for event in starts.values() if event.parent]
    assert inner == [("create", "a", "open"), ("create", "g", "open"), ("create", "b", "copy")]
    (failed,) = of(seen, events.ArrayFailed)
    assert (failed.array, failed.error) == ("nowhere", "NotFound")
    last = of(seen, events.CopyProgress)[-1]
    assert (last.arrays, last.objects, last.nbytes) == (1, 8, array.nbytes)
    check_spans(seen)


async def test_nothing_secret_is_told(seen: list[Any]) -> None:
    class Chatty(Remote):
        url = "https://user:hunter2@host/data?signature=hunter2"

    store = Telemetry(Chatty())
    array = await made(store)
    await array.read()
    await az.copy(array, Telemetry(Chatty()), "copy")
    assert seen
    assert all(event.store == "https://host/data" for event in seen if "store" in {f.name for f in fields(event)})
    assert "hunter2" not in repr(seen)


async def test_listening_may_begin_and_end_in_the_middle() -> None:
    array = await made(az.MemoryStore(), chunks=(1, 8))
    stream = array.stream_chunks(concurrency=1)
    await anext(stream)
    seen: list[Any] = []
    subscription = subscribe(seen.append)
    await anext(stream)
    subscription.close()
    assert len([chunk async for chunk in stream]) == 6
    assert not of(seen, events.StreamStop, events.StreamProgress)  # it has begun before anybody listened
    np.testing.assert_array_equal(await array.read(), VALUES)
