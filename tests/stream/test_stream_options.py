"""What the options of ``stream_chunks`` promise: order, missing chunks, failures, time, progress, filter, resume."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

import numpy as np
import pytest

import asynczarr as az

from .support import STORES, SpyStore, SyncSpyStore, blocking, chunk_key, counting, filled, nothing_left, sleeping


@pytest.fixture(params=STORES)
async def array(request: pytest.FixtureRequest) -> az.Array:
    return await filled(STORES[request.param]())


def _inner(array: az.Array) -> az.MemoryStore:
    return array.store.inner if isinstance(array.store, SpyStore) else array.store


async def _all(array: az.View, **options: Any) -> list[az.Chunk]:
    return [chunk async for chunk in array.stream_chunks(**options)]


# Order, and what a chunk is.


@pytest.mark.every_loop
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(
    "index", [..., (slice(3, 14), slice(None, None, -3)), (5, slice(2, 9)), (slice(0, 0),)], ids=repr
)
async def test_chunks_put_together_are_the_selection(array: az.Array, index: Any, ordered: bool) -> None:
    expected = counting((16, 16))[index]
    result = np.full(expected.shape, -1, "i4")
    seen = []
    async for chunk in array[index].stream_chunks(ordered=ordered):
        assert not chunk.missing
        assert chunk.data.shape == result[chunk.region].shape
        result[chunk.region] = chunk.data
        seen.append(chunk.index)
    np.testing.assert_array_equal(result, expected)
    assert len(set(seen)) == len(seen)
    if ordered:
        assert seen == sorted(seen)


async def test_as_completed_does_not_wait_for_the_slow_one() -> None:
    array = await filled(SpyStore())
    go = asyncio.Event()

    async def script(request: Any) -> None:
        if request.key == chunk_key(0, 0):
            await go.wait()

    array.store.script = script
    indices = []
    async with asyncio.timeout(10):
        async for chunk in array.stream_chunks(ordered=False):
            indices.append(chunk.index)
            if len(indices) == 15:
                go.set()
    assert indices[-1] == (0, 0)
    assert sorted(indices) == [(row, column) for row in range(4) for column in range(4)]


async def test_the_first_chunk_does_not_wait_for_its_neighbours() -> None:
    """Batches start with one chunk."""
    array = await filled(SpyStore())
    first = chunk_key(0, 0)
    array.store.script = lambda request: asyncio.sleep(0 if request.key == first else 100)
    async with asyncio.timeout(1), array.stream_chunks() as stream:
        assert (await anext(stream)).index == (0, 0)


async def test_zero_dimensions_and_zero_length() -> None:
    for store in (az.MemoryStore(), SpyStore()):
        scalar = await az.create_array(store, "scalar", shape=(), dtype="f4", fill_value=7)
        (chunk,) = await _all(scalar)
        assert (chunk.index, chunk.data.shape, chunk.data[()], chunk.missing) == ((), (), 7, True)
        empty = await az.create_array(store, "empty", shape=(0, 5), dtype="f4", chunks=(2, 2))
        assert await _all(empty) == []


# Missing chunks.


async def _with_holes(store: Any, **spec: Any) -> az.Array:
    array = await az.create_array(store, shape=(16, 16), chunks=(4, 4), dtype="i4", fill_value=-5, **spec)
    await array[0:4, :].write(1)
    await array[13, 2].write(2)
    return array


@pytest.mark.parametrize("spec", [{}, {"shards": (8, 8)}], ids=["chunks", "shards"])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", [az.MemoryStore, SpyStore])
async def test_missing(kind: Any, ordered: bool, spec: Any) -> None:
    array = await _with_holes(kind(), **spec)
    filled_ = await _all(array, ordered=ordered)
    stored = {(0, 0), (0, 1), (0, 2), (0, 3), (3, 0)}
    assert len(filled_) == 16
    assert {chunk.index for chunk in filled_ if not chunk.missing} == stored
    for chunk in filled_:
        assert chunk.data.shape == (4, 4)
        if chunk.missing:
            assert (chunk.data == -5).all()
    stream = array.stream_chunks(missing="skip", ordered=ordered)
    assert {chunk.index async for chunk in stream} == stored
    assert stream.done == stream.total == 16
    with pytest.raises(az.ChunkMissing) as caught:
        await _all(array, missing="raise", ordered=ordered)
    assert caught.value.chunk is not None
    assert caught.value.chunk not in stored
    assert caught.value.key
    assert isinstance(caught.value, LookupError)
    assert len(await _all(array[0:4], missing="raise")) == 4
    stream = array.stream_chunks(missing="raise", on_error="skip", ordered=ordered)
    assert {chunk.index async for chunk in stream} == stored
    assert len(stream.failures) == 11
    assert all(isinstance(failure.error, az.ChunkMissing) for failure in stream.failures)


async def test_options_that_mean_nothing_are_refused() -> None:
    array = await filled(az.MemoryStore())
    for bad in ({"missing": "zero"}, {"on_error": "ignore"}, {"on_error": None}):
        with pytest.raises(ValueError, match="must be"):
            array.stream_chunks(**bad)


# Failures.


@pytest.mark.parametrize("ordered", [True, False])
async def test_failures_are_counted_not_lost(array: az.Array, ordered: bool) -> None:
    bad = {(0, 0), (1, 2), (3, 3)}
    for index in bad:
        _inner(array).set_sync(chunk_key(*index), b"damaged")
    told: list[Any] = []
    for on_error in ("skip", lambda index, error: told.append((index, error))):
        stream = array.stream_chunks(on_error=on_error, ordered=ordered)
        good = [chunk.index async for chunk in stream]
        assert {failure.index for failure in stream.failures} == bad
        assert set(good) | bad == {(row, column) for row in range(4) for column in range(4)}
        assert len(good) == 13
        assert stream.done == stream.total == 16
        assert stream.bytes_alive == 0
    assert {index for index, _ in told} == bad
    assert all(error.key == chunk_key(*index) for index, error in told)


async def test_a_store_that_fails_for_good_is_not_an_empty_stream() -> None:
    array = await filled(SpyStore())

    def script(request: Any) -> None:
        raise az.Forbidden("no")

    array.store.script = script
    stream = array.stream_chunks(on_error="skip")
    assert [chunk async for chunk in stream] == []
    assert len(stream.failures) == 16


@pytest.mark.every_loop
@pytest.mark.parametrize("ordered", [True, False])
async def test_timeout(ordered: bool) -> None:
    array = await filled(SpyStore())
    stuck = chunk_key(1, 1)
    array.store.script = lambda request: asyncio.sleep(100 if request.key == stuck else 0)
    async with nothing_left():
        begin = time.perf_counter()
        with pytest.raises(az.AttemptTimeout) as caught:
            await _all(array, timeout=0.7, ordered=ordered)
        assert time.perf_counter() - begin < 10
        assert (caught.value.chunk, caught.value.key) == ((1, 1), stuck)
        assert isinstance(caught.value, TimeoutError)
        with pytest.raises(az.AttemptTimeout):
            await array.read(timeout=0.7)
        stream = array.stream_chunks(timeout=0.7, on_error="skip", ordered=ordered)
        assert len([chunk async for chunk in stream]) == 15
        assert [failure.index for failure in stream.failures] == [(1, 1)]
        with pytest.raises(az.AttemptTimeout):
            async for _ in array.stream_slices(0, timeout=0.7):
                pass
    assert array.store.in_flight == 0


async def test_the_timeout_of_the_caller_is_not_ours() -> None:
    """An outer timeout that expires while ours is set stays the caller's."""
    array = await filled(SpyStore())
    array.store.script = sleeping(100)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.01):
            await _all(array, timeout=50, on_error="skip")
    assert not isinstance(caught.value, az.AsyncZarrError)


async def test_timeout_of_a_blocking_store_comes_late_but_comes() -> None:
    """Its thread cannot be stopped: it ends first."""
    array = await filled(SyncSpyStore())
    array.store.script = blocking(0.02)
    with pytest.raises(az.AttemptTimeout):
        await array.read(timeout=0.001)
    assert array.store.in_flight == 0


# Progress and filter.


@pytest.mark.parametrize("ordered", [True, False])
async def test_progress(array: az.Array, ordered: bool) -> None:
    told: list[az.Progress] = []
    stream = array.stream_chunks(ordered=ordered, progress=told.append)
    count = 0
    async for _ in stream:
        count += 1
        assert told[-1] == az.Progress(count, 16)
    assert [each.done for each in told] == list(range(1, 17))


@pytest.mark.parametrize("spec", [{}, {"shards": (8, 8)}], ids=["chunks", "shards"])
@pytest.mark.parametrize("ordered", [True, False])
async def test_filter_is_asked_before_the_store(ordered: bool, spec: Any) -> None:
    array = await filled(SpyStore(), **spec)
    asked = []

    def diagonal(index: tuple[int, ...]) -> bool:
        asked.append(index)
        return index[0] == index[1]

    chunks = await _all(array, filter=diagonal, ordered=ordered)
    assert sorted(chunk.index for chunk in chunks) == [(n, n) for n in range(4)]
    assert len(asked) == len(set(asked)) == 16
    keys = {request.key for request in array.store.requests}
    assert keys == ({chunk_key(n, n) for n in range(4)} if not spec else {chunk_key(0, 0), chunk_key(1, 1)})


# State.

SPECS: dict[str, dict[str, Any]] = {
    "chunks": {},
    "shards": {"shards": (8, 8)},
    "rectilinear": {"chunks": ([1, 7, 3, 5], [[2, 3], 10])},
}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", [az.MemoryStore, SpyStore])
async def test_resume_at_every_position(kind: Any, ordered: bool, spec: str) -> None:
    """What one stream has delivered and what the next one delivers is everything, each chunk once."""
    array = await filled(kind(), **SPECS[spec])
    chance = random.Random(spec)
    if isinstance(array.store, SpyStore):
        array.store.script = lambda request: asyncio.sleep(chance.random() / 2000)
    view = array[1:15, ::2]
    whole = [chunk.index for chunk in await _all(view)]
    for stop in range(len(whole) + 1):
        stream = view.stream_chunks(ordered=ordered, max_bytes=3000)
        before = [(await anext(stream)).index for _ in range(stop)]
        state = json.loads(json.dumps(stream.state()))
        await stream.aclose()
        assert json.loads(json.dumps(stream.state())) == state
        rest = view.stream_chunks(ordered=ordered, state=state)
        assert (rest.done, rest.total) == (stop, len(whole))
        after = [chunk.index async for chunk in rest]
        assert sorted(before + after) == sorted(whole), stop
        if ordered:
            assert before + after == whole
        assert rest.done == len(whole)


@pytest.mark.parametrize("ordered", [True, False])
async def test_resume_again_and_again(ordered: bool) -> None:
    """One chunk a stream, also with a filter, missing chunks and failures, which all count as done."""
    array = await _with_holes(SpyStore(), shards=(8, 8))
    chance = random.Random(1)
    array.store.script = lambda request: asyncio.sleep(chance.random() / 1000)
    seen: list[Any] = []
    state = None
    for _ in range(100):
        stream = array.stream_chunks(state=state, ordered=ordered, filter=lambda index: index != (0, 2), missing="skip")
        try:
            seen.append((await anext(stream)).index)
        except StopAsyncIteration:
            break
        finally:
            state = json.loads(json.dumps(stream.state()))
            await stream.aclose()
    assert sorted(seen) == [(0, 0), (0, 1), (0, 3), (3, 0)]
    assert stream.done == 15


async def test_a_state_fetches_nothing_twice() -> None:
    array = await filled(SpyStore())
    stream = array.stream_chunks()
    for _ in range(10):
        await anext(stream)
    state = stream.state()
    await stream.aclose()
    array.store.forget()
    assert len(await _all(array, state=state)) == 6
    assert array.store.count("get") == 6


async def test_a_failed_stream_can_be_resumed() -> None:
    array = await filled(SpyStore())
    value = _inner(array).get_sync(chunk_key(2, 1))
    _inner(array).set_sync(chunk_key(2, 1), b"damaged")
    stream = array.stream_chunks()
    seen: list[Any] = []

    async def see() -> None:
        async for chunk in stream:
            seen.append(chunk.index)

    with pytest.raises(az.CodecError):
        await see()
    assert value is not None
    _inner(array).set_sync(chunk_key(2, 1), value)
    rest = [chunk.index for chunk in await _all(array, state=stream.state())]
    assert seen + rest == [(row, column) for row in range(4) for column in range(4)]


async def test_the_state_of_something_else_is_refused() -> None:
    array = await filled(az.MemoryStore())
    other = await filled(az.MemoryStore(), shards=(8, 8))
    points = np.array([1, 5, 9])
    stream = array[0:8].stream_chunks()
    await anext(stream)
    state = stream.state()
    await stream.aclose()
    assert len(await _all(array[0:8], state=state)) == 7
    wrong: list[az.View] = [array, array[8:16], array[0:8][::-1], other[0:8], array[:, 0:8], array.oindex[points]]
    wrong.append(array.vindex[points, points])
    for view in wrong:
        with pytest.raises(az.SelectionError, match="another"):
            await _all(view, state=state)
    there = array.vindex[points, points].stream_chunks().state()
    with pytest.raises(az.SelectionError, match="another"):
        await _all(array.vindex[points, points + 1], state=there)
    assert len(await _all(array.vindex[points, points], state=there)) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"position": None},
        {"position": [1]},
        {"position": [10**6, 0]},
        {"position": [-1, 0]},
        {"later": 5},
        {"count": "x"},
    ],
    ids=repr,
)
async def test_a_state_that_was_tampered_with_is_refused(change: dict[str, Any]) -> None:
    for spec in ({}, {"shards": (8, 8)}):
        array = await filled(az.MemoryStore(), **spec)
        state = array.stream_chunks().state()
        with pytest.raises(az.SelectionError):
            await _all(array, state={**state, **change})
        with pytest.raises(az.SelectionError):
            await _all(array, state={})


async def test_state_is_small_however_far_the_stream_is() -> None:
    array = await az.create_array(az.MemoryStore(), shape=10**8, chunks=1, dtype="u1")
    stream = array.stream_chunks(ordered=False)
    for _ in range(3000):
        await anext(stream)
    state = stream.state()
    assert len(json.dumps(state)) < 200
    await stream.aclose()
    rest = array.stream_chunks(state=state)
    assert (await anext(rest)).index == (3000,)
    await rest.aclose()


async def test_waiting_for_a_turn_is_no_timeout() -> None:
    """Far more jobs than a store may have requests: none is late because of the others."""
    array = await filled(SpyStore(), shape=(128, 64))
    array.store.script = sleeping(0.08)  # 2048 requests, 64 at a time
    results = await asyncio.gather(*[array.read(timeout=2.0, concurrency=512) for _ in range(4)])
    for result in results:
        np.testing.assert_array_equal(result, counting((128, 64)))
    array = await filled(SyncSpyStore())
    array.store.script = blocking(0.25)
    await array.read(timeout=1.5, concurrency=16)
