"""``map_chunks`` in its three places, and ``az.copy`` between grids, codecs and formats."""

from __future__ import annotations

import asyncio
import operator
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import asynczarr as az

from .support import STORES, SpyStore, SyncSpyStore, counting, filled, nothing_left, sleeping

VALUES = counting((16, 16))


def _sum(chunk: az.Chunk) -> int:
    return int(chunk.data.sum())


def _double(chunk: az.Chunk) -> Any:
    return chunk.data * 2


def _fail(chunk: az.Chunk) -> Any:
    if chunk.index == (2, 1):
        raise KeyError("mine")
    return chunk.data


SUMS = [int(VALUES[r : r + 4, c : c + 4].sum()) for r in range(0, 16, 4) for c in range(0, 16, 4)]


@pytest.mark.every_loop
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("where", ["thread", "loop"])
async def test_results_in_order(store: str, where: Any) -> None:
    array = await filled(STORES[store]())
    async with nothing_left():
        assert await array.map_chunks(_sum, where=where) == SUMS
        assert await array.map_chunks(_sum, where=where, max_bytes=1, concurrency=1) == SUMS


async def test_results_may_be_none() -> None:
    array = await filled(SpyStore())
    assert await array.map_chunks(lambda chunk: None) == [None] * 16


@pytest.mark.parametrize("store", [SyncSpyStore, az.MemoryStore])
async def test_not_in_the_thread_of_the_event_loop(store: Any) -> None:
    array = await filled(store())
    threads = set(await array.map_chunks(lambda chunk: threading.get_ident()))
    assert threading.get_ident() not in threads
    (here,) = set(await array.map_chunks(lambda chunk: threading.get_ident(), where="loop"))
    assert here == threading.get_ident()


@pytest.mark.every_loop
async def test_a_coroutine_function_on_the_loop() -> None:
    array = await filled(SpyStore())
    running = peak = 0

    async def slow(chunk: az.Chunk) -> int:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.001)
        running -= 1
        return _sum(chunk)

    async with nothing_left():
        assert await array.map_chunks(slow, where="loop", concurrency=4) == SUMS
    assert 1 < peak <= 4


@pytest.mark.slow
async def test_in_processes() -> None:
    """Functions must be importable there, so these are of the standard library."""
    array = await filled(SpyStore())
    assert await array.map_chunks(operator.attrgetter("index"), where="process") == [
        (r, c) for r in range(4) for c in range(4)
    ]
    copied = await az.create_array(az.MemoryStore(), shape=(16, 16), dtype="i4", chunks=(8, 8))
    await array.map_chunks(operator.attrgetter("data"), copied, where="process")
    np.testing.assert_array_equal(await copied.read(), VALUES)
    async with nothing_left():
        with pytest.raises(AttributeError, match="nonsense"):
            await array.map_chunks(operator.attrgetter("nonsense"), where="process")
    with pytest.raises((AttributeError, pickle.PicklingError)):
        await array.map_chunks(lambda chunk: 0, where="process")


@pytest.mark.every_loop
@pytest.mark.parametrize("where", ["thread", "loop"])
@pytest.mark.parametrize("shards", [None, (8, 8)])
async def test_into_another_array(where: Any, shards: Any) -> None:
    array = await filled(SpyStore())
    out = await az.create_array(SpyStore(), shape=(16, 16), dtype="i4", chunks=(2, 8), shards=shards)
    async with nothing_left():
        assert await array.map_chunks(_double, out, where=where) == []
    assert out.store.count("get", "get_ranges") == 0
    written = [request.key for request in out.store.of("set")]
    assert len(written) == len(set(written)) == (16 if shards is None else 4)
    np.testing.assert_array_equal(await out.read(), VALUES * 2)


async def test_a_view_into_an_array_of_its_shape() -> None:
    array = await filled(SpyStore())
    out = await az.create_array(SpyStore(), shape=(5, 8), dtype="i4", chunks=(3, 3))
    await array[2:12:2, ::-2].map_chunks(_double, out)
    np.testing.assert_array_equal(await out.read(), VALUES[2:12:2, ::-2] * 2)


@pytest.mark.every_loop
@pytest.mark.parametrize("where", ["thread", "loop"])
async def test_the_error_of_the_function_stops_everything(where: Any) -> None:
    array = await filled(SpyStore(script=sleeping(0.0005)))
    out = await az.create_array(SpyStore(script=sleeping(0.0005)), shape=(16, 16), dtype="i4", chunks=(4, 4))
    for target in (None, out):
        async with nothing_left():
            with pytest.raises(KeyError, match="mine"):
                await array.map_chunks(_fail, target, where=where, concurrency=1)
        count = len(array.store.requests)
        await asyncio.sleep(0.002)
        assert len(array.store.requests) == count


async def test_results_that_do_not_fit_are_refused() -> None:
    array = await filled(SpyStore())
    out = await az.create_array(SpyStore(), shape=(16, 16), dtype="i4", chunks=(4, 4))
    with pytest.raises(az.SelectionError, match="shape"):
        await array.map_chunks(lambda chunk: chunk.data[:2], out)


async def test_missing_chunks_and_bad_places() -> None:
    array = await az.create_array(az.MemoryStore(), shape=(16, 16), dtype="i4", chunks=(4, 4), fill_value=3)
    await array[0:4].write(1)
    assert await array.map_chunks(_sum) == [16] * 4 + [48] * 12
    assert await array.map_chunks(_sum, missing="skip") == [16] * 4
    with pytest.raises(az.ChunkMissing):
        await array.map_chunks(_sum, missing="raise")
    with pytest.raises(ValueError, match="where="):
        await array.map_chunks(_sum, where="elsewhere")


@pytest.mark.parametrize("where", ["thread", "loop"])
async def test_cancelled(where: Any) -> None:
    array = await filled(SpyStore(script=sleeping(0.001)))
    for wait in (0, 0.001, 0.003):
        async with nothing_left():
            task = asyncio.ensure_future(array.map_chunks(_sum, where=where, concurrency=1))
            await asyncio.sleep(wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


class _Held:
    """A function whose calls wait in their threads for each other, and may be let go."""

    def __init__(self, together: int) -> None:
        self._together = together
        self.full, self.free = threading.Event(), threading.Event()
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self, chunk: az.Chunk) -> int:
        with self._lock:
            self.calls += 1
            if self.calls == self._together:
                self.full.set()
        assert self.free.wait(60)
        return _sum(chunk)


@pytest.mark.parametrize("store", [SpyStore, SyncSpyStore, az.MemoryStore])
async def test_a_cancellation_waits_for_the_calls_that_have_begun(
    store: Any,
) -> None:
    array = await az.create_array(store(), shape=200, dtype="i4", chunks=1, fill_value=1)
    held = _Held(4)
    async with nothing_left():
        task = asyncio.ensure_future(array.map_chunks(held, concurrency=4))
        assert await asyncio.to_thread(held.full.wait, 30)
        task.cancel()
        await asyncio.sleep(0.01)
        held.free.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert held.calls == 4
    assert await array.map_chunks(held, concurrency=4) == [1] * 200


async def test_no_call_begins_after_one_has_failed() -> None:
    array = await az.create_array(az.MemoryStore(), shape=200, dtype="i4", chunks=1)
    calls = 0

    def fail(chunk: az.Chunk) -> None:
        nonlocal calls
        calls += 1
        raise KeyError("mine")

    async with nothing_left():
        with pytest.raises(KeyError, match="mine"):
            await array.map_chunks(fail, concurrency=1)
    assert calls == 1


# Copying.

SOURCES: dict[str, dict[str, Any]] = {
    "v3": {"chunks": (4, 4), "dimension_names": ("y", "x"), "attributes": {"units": "K"}},
    "v3 sharded": {"chunks": (2, 4), "shards": (8, 8)},
    "v2": {"chunks": (4, 4), "zarr_format": 2, "order": "F", "attributes": {"units": "K"}},
    "rectilinear": {"chunks": ([1, 7, 8], [[3, 4], 4])},
}
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "rechunked": {"chunks": (5, 3)},
    "recoded": {"codecs": ["bytes", "crc32c"]},
    "sharded": {"chunks": (2, 2), "shards": (6, 10)},
    "to v2": {"zarr_format": 2, "chunks": (4, 8)},
    "to v3": {"zarr_format": 3},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("source", SOURCES)
async def test_copy(source: str, change: str) -> None:
    extra = {"zarr_format": 3} if source == "v2" and change in ("recoded", "sharded") else {}
    array = await filled(SpyStore(), (16, 16), **SOURCES[source])
    before = len(array.store.requests)
    target = SpyStore()
    target.name = "target"
    report = await az.copy(array, target, **{**CHANGES[change], **extra})
    copied = await az.open_array(target)
    np.testing.assert_array_equal(await copied.read(), VALUES)
    assert dict(copied.attrs) == dict(array.attrs)
    if copied.zarr_format == 3:
        assert copied.dimension_names == array.dimension_names
    assert report.arrays == 1
    assert report.objects == await copied.nchunks_stored()
    keys = [request.key for request in target.of("set")]
    assert len(keys) == len(set(keys)), "each object of the copy is written once"
    assert len(array.store.requests) > before
    if change == "as it is":
        assert report.recoded == 0


@pytest.mark.parametrize("change", ["as it is", "rechunked", "sharded"])
@pytest.mark.parametrize("shards", [None, (8, 8)])
async def test_what_is_not_stored_stays_so(change: str, shards: Any) -> None:
    array = await az.create_array(SpyStore(), shape=(64, 64), dtype="i4", chunks=(4, 4), shards=shards, fill_value=9)
    await array[20:23, 40].write(1)
    target = SpyStore()
    target.name = "target"
    report = await az.copy(array, target, **CHANGES[change])
    copied = await az.open_array(target)
    expected = np.full((64, 64), 9)
    expected[20:23, 40] = 1
    np.testing.assert_array_equal(await copied.read(), expected)
    assert report.objects == await copied.nchunks_stored() <= 4


@pytest.mark.parametrize("change", ["as it is", "rechunked", "sharded", "to v2"])
@pytest.mark.parametrize("shards", [None, (8, 8)])
async def test_another_fill_value_changes_no_values(change: str, shards: Any) -> None:
    array = await az.create_array(SpyStore(), shape=(16, 16), dtype="i4", chunks=(4, 4), shards=shards, fill_value=5)
    await array[3:6, 9].write(1)
    target = az.MemoryStore()
    await az.copy(array, target, **CHANGES[change], fill_value=9)
    copied = await az.open_array(target)
    assert copied.fill_value == 9
    np.testing.assert_array_equal(await copied.read(), await array.read())


async def test_the_same_fill_value_in_another_data_type() -> None:
    array = await az.create_array(SpyStore(), shape=(16,), dtype="i4", chunks=(4,), fill_value=5)
    await array[:3].write(1)
    target = az.MemoryStore()
    report = await az.copy(array, target, dtype="f8")
    copied = await az.open_array(target)
    np.testing.assert_array_equal(await copied.read(), [1.0] * 3 + [5.0] * 13)
    assert report.objects == await copied.nchunks_stored() == 1
    array = await az.create_array(SpyStore(), shape=(16,), dtype="f8", chunks=(4,), fill_value=np.nan)
    report = await az.copy(array, az.MemoryStore(), chunks=8)
    assert report.objects == 0


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"concurrency": 0}, ValueError, "concurrency"),
        ({"max_bytes": 0}, ValueError, "budget"),
        ({"shape": (2,)}, az.MetadataError, "resize"),
        ({"colour": "red"}, az.MetadataError, "colour"),
    ],
)
async def test_what_cannot_be_copied_leaves_the_target_alone(given: Any, error: Any, words: str) -> None:
    group = await az.create_group("memory://")
    await group.create_array("x", shape=(4,), dtype="i4", chunks=(2,))
    target = az.MemoryStore()
    for source in (group, await group.get_array("x")):
        with pytest.raises(error, match=words):
            await az.copy(source, target, **given)
    assert [key async for key in target.list()] == []


async def test_a_view_is_not_copied() -> None:
    array = await filled(SpyStore())
    target = az.MemoryStore()
    with pytest.raises(az.Unsupported, match="a view"):
        await az.copy(array[:2], target)  # type: ignore[arg-type]
    assert [key async for key in target.list()] == []


async def test_copy_is_bounded() -> None:
    """Objects of the copy in the making, and bytes of the source on their way."""
    array = await filled(SpyStore(script=sleeping(0)), (256, 256), (16, 16), dtype="f8", codecs=["bytes"])
    target = SpyStore(script=sleeping(0))
    target.name = "target"
    await az.copy(array, target, chunks=(24, 24), concurrency=2)
    assert target.peak <= 2
    copied = await az.open_array(target)
    np.testing.assert_array_equal(await copied.read(), counting((256, 256), "f8"))


async def test_copy_stops_at_the_first_error() -> None:
    for changes in ({}, {"chunks": (3, 3)}):
        array = await filled(SpyStore(), (64, 64))
        failed = after = 0

        async def script(request: Any) -> None:
            nonlocal failed, after
            after += failed
            await asyncio.sleep(0)
            if request.key == "c/3/3":
                failed = 1
                raise az.Unavailable("on purpose")

        array.store.script = script
        target = SpyStore()
        target.name = "target"
        async with nothing_left():
            with pytest.raises(az.Unavailable) as caught:
                await az.copy(array, target, **changes)
        # Four objects are made at a time, each by a stream of its own: to stop them all takes some turns of the loop.
        assert after <= (8 if changes else 0)
        after = 0
        await asyncio.sleep(0.002)
        assert (failed, after) == (1, 0)
        if changes:
            assert caught.value.key == "c/3/3"
