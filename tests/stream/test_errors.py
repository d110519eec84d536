"""The first error ends a stream or read: nothing is asked of the store after it, and it says what failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import asynczarr as az

from .support import Request, SpyStore, SyncSpyStore, chunk_key, filled, nothing_left

pytestmark = pytest.mark.every_loop

LONG: dict[str, Any] = {"shape": (1000, 4), "chunks": (1, 4)}


class Failing:
    """A script that fails for one chunk, and lets every other one take a moment."""

    def __init__(self, *coords: int, error: Callable[[], Exception] = lambda: az.Unavailable("on purpose")) -> None:
        self.key = chunk_key(*coords)
        self.error = error
        self.failed = False
        self.after = 0

    async def __call__(self, request: Request) -> None:
        self.after += self.failed
        await asyncio.sleep(0.0002)
        if request.key == self.key:
            self.failed = True
            raise self.error()
        await asyncio.sleep(0.0002)


async def _stream(array: az.Array, **options: Any) -> list[Any]:
    return [chunk.index async for chunk in array.stream_chunks(**options)]


async def _slices(array: az.Array, **options: Any) -> list[Any]:
    return [each.index async for each in array.stream_slices(0)]


async def _read(array: az.Array, **options: Any) -> Any:
    return await array.read()


@pytest.mark.parametrize("read", [_stream, _slices, _read])
@pytest.mark.parametrize("ordered", [True, False])
async def test_no_request_follows_the_first_error(read: Any, ordered: bool) -> None:
    array = await filled(SpyStore(), **LONG)
    script = array.store.script = Failing(11, 0)
    async with nothing_left():
        with pytest.raises(az.Unavailable) as caught:
            await read(array, ordered=ordered)
    assert script.failed
    assert script.after == 0
    assert len(array.store.requests) < 150
    assert array.store.in_flight == 0
    error = caught.value
    assert (error.store, error.key, error.chunk) == ("spy+memory://", "c/11/0", (11, 0))
    assert error.reason == "on purpose"


@pytest.mark.parametrize("part", [False, True], ids=["whole", "part"])
async def test_no_write_follows_the_first_error(part: bool) -> None:
    array = await filled(SpyStore(), **LONG)
    script = array.store.script = Failing(11, 0)
    async with nothing_left():
        with pytest.raises(az.Unavailable) as caught:
            await (array[:, :2] if part else array).write(5)
    assert script.failed
    assert script.after == 0
    assert len(array.store.requests) < 150
    assert (caught.value.store, caught.value.key, caught.value.chunk) == ("spy+memory://", "c/11/0", (11, 0))


async def test_siblings_are_cancelled() -> None:
    """Those that wait on the network end at once, not when they are served."""
    array = await filled(SpyStore(), **LONG)
    cancelled = []

    async def script(request: Request) -> None:
        if request.key == chunk_key(7, 0):
            await asyncio.sleep(0.01)
            raise az.Unavailable("on purpose")
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            cancelled.append(request.key)
            raise

    array.store.script = script
    async with nothing_left(), asyncio.timeout(5):
        with pytest.raises(az.Unavailable):
            await _stream(array)
    assert len(cancelled) == len(array.store.requests) - 1 > 6


@pytest.mark.parametrize("kind", [SpyStore, SyncSpyStore])
@pytest.mark.parametrize("ordered", [True, False])
async def test_a_damaged_chunk_names_its_codec(kind: Any, ordered: bool) -> None:
    array = await filled(kind(), shape=(64, 4), chunks=(1, 4), codecs=["bytes", "crc32c"])
    key = chunk_key(11, 0)
    damaged = bytearray(array.store.inner.get_sync(key))
    damaged[3] ^= 1
    array.store.inner.set_sync(key, bytes(damaged))
    for read in (_read, _stream):
        async with nothing_left():
            with pytest.raises(az.AsyncZarrError) as caught:
                await read(array, ordered=ordered)
        error = caught.value
        assert (error.store, error.key, error.chunk) == (array.store.url, key, (11, 0))
        assert error.codec == "crc32c"
        assert key in str(error)


async def test_a_damaged_inner_chunk_is_named_in_the_grid_of_chunks() -> None:
    array = await filled(SyncSpyStore(), shape=(64, 4), chunks=(1, 4), shards=(16, 4), codecs=["bytes", "crc32c"])
    key = chunk_key(1, 0)
    damaged = bytearray(array.store.inner.get_sync(key))
    damaged[3 * 20 + 5] ^= 1
    array.store.inner.set_sync(key, bytes(damaged))
    with pytest.raises(az.AsyncZarrError) as caught:
        await array.read()
    assert (caught.value.key, caught.value.chunk, caught.value.codec) == (key, (19, 0), "crc32c")
    stream = array.stream_chunks(on_error="skip")
    assert len([chunk async for chunk in stream]) == 63
    assert [failure.index for failure in stream.failures] == [(19, 0)]


async def test_an_error_that_is_not_ours_is_not_hidden() -> None:
    """A store with a bug: it surfaces as it is, also where errors are skipped, and still ends everything."""
    array = await filled(SpyStore(), **LONG)
    for on_error in ("raise", "skip"):
        script = array.store.script = Failing(11, 0, error=lambda: KeyError("bug"))
        async with nothing_left():
            with pytest.raises(KeyError, match="bug"):
                await _stream(array, on_error=on_error)
        assert script.after == 0


async def test_errors_of_neighbours_in_one_batch() -> None:
    """All fetches of a batch fail at once, with eager tasks before the last of them is even made."""
    array = await filled(SpyStore(), **LONG)

    def script(request: Request) -> None:
        if request.key > chunk_key(1, 0):
            raise az.Unavailable(request.key)

    array.store.script = script
    for _ in range(5):
        async with nothing_left():
            with pytest.raises(az.Unavailable) as caught:
                await array.read()
        assert caught.value.key == caught.value.reason


async def test_an_error_in_a_shard_stops_its_other_parts() -> None:
    spec: dict[str, Any] = {"shape": (512, 64), "chunks": (1, 64), "shards": (64, 64), "codecs": ["bytes"]}
    array = await filled(SpyStore(), **spec)
    script = array.store.script = Failing(2, 0)
    async with nothing_left():
        with pytest.raises(az.Unavailable) as caught:
            await _stream(array)
    assert script.after == 0
    assert caught.value.key == chunk_key(2, 0)


@pytest.mark.parametrize("raised", [StopAsyncIteration, StopIteration, asyncio.CancelledError])
@pytest.mark.parametrize("where", ["thread", "loop"])
async def test_exceptions_with_a_meaning_do_not_end_a_stream_quietly(raised: Any, where: Any) -> None:
    array = await filled(SyncSpyStore())

    def function(chunk: az.Chunk) -> int:
        if chunk.index == (2, 2):
            raise raised
        return 0

    expected = asyncio.CancelledError if raised is asyncio.CancelledError else RuntimeError
    async with nothing_left():
        with pytest.raises(expected):
            await array.map_chunks(function, where=where)


@pytest.mark.parametrize("ordered", [True, False])
async def test_errors_in_callbacks(ordered: bool) -> None:
    array = await filled(SpyStore())
    array.store.inner.set_sync(chunk_key(2, 2), b"short")

    def bad(*args: Any) -> None:
        raise ZeroDivisionError

    for options in ({"on_error": bad}, {"progress": bad, "on_error": "skip"}, {"filter": bad}):
        async with nothing_left():
            stream = array.stream_chunks(ordered=ordered, **options)
            with pytest.raises(ZeroDivisionError):
                async for _ in stream:
                    pass
            assert stream.bytes_alive == 0


async def test_a_closed_store() -> None:
    array = await filled(SpyStore())
    stream = array.stream_chunks()
    await anext(stream)
    await array.store.aclose()
    with pytest.raises(az.StoreClosed):
        async for _ in array.stream_chunks():
            pass
    await stream.aclose()
    with pytest.raises(az.StoreClosed):
        await array.read()


async def test_only_not_found_is_missing() -> None:
    for error in (az.Forbidden("403"), az.AttemptTimeout("slow"), az.Truncated("short"), az.Throttled("slow down")):
        array = await filled(SpyStore())
        array.store.script = Failing(0, 0, error=lambda error=error: error)
        with pytest.raises(type(error)):
            await array.read()
        for missing in ("fill", "skip"):
            with pytest.raises(type(error)):
                await _stream(array, missing=missing)


async def test_a_body_cut_short_is_not_a_chunk() -> None:
    array = await filled(SpyStore(), codecs=["bytes"])
    value = array.store.inner.get_sync(chunk_key(0, 0))
    for cut in (0, 1, len(value) - 1):
        array.store.inner.set_sync(chunk_key(0, 0), bytes(value[:cut]))
        with pytest.raises(az.AsyncZarrError, match="c/0/0"):
            await array.read()
    array.store.inner.set_sync(chunk_key(0, 0), bytes(value) + b"x")
    with pytest.raises(az.CodecError):
        await array.read()


async def test_the_array_is_readable_after_an_error() -> None:
    array = await filled(SpyStore(), **LONG)
    array.store.script = Failing(11, 0)
    with pytest.raises(az.Unavailable):
        await array.read()
    array.store.script = None
    np.testing.assert_array_equal(await array.read(), np.arange(4000).reshape(1000, 4))


async def test_each_failed_chunk_of_a_shard_has_an_error_that_names_it():
    store = az.MemoryStore()
    array = await az.create_array(store, shape=(8, 8), dtype="u1", chunks=(2, 2), shards=(8, 8), codecs=["bytes"])
    await array.write(1)
    await store.set("c/0/0", b"too short for an index")
    async with array.stream_chunks(on_error="skip") as stream:
        assert [chunk async for chunk in stream] == []
    assert len(stream.failures) == 16
    assert [failure.error.chunk for failure in stream.failures] == [failure.index for failure in stream.failures]
    assert {failure.error.key for failure in stream.failures} == {"c/0/0"}


async def test_a_chunk_too_long_among_many_small_ones_is_named(tmp_path) -> None:
    """Files of small chunks are read several at a time, which must not blur whose fault it is."""
    array = await az.create_array(tmp_path / "a", shape=(64, 64), chunks=(8, 8), dtype="u1")
    await array.write(1)
    (tmp_path / "a" / "c" / "3" / "5").write_bytes(b"x" * 10**6)
    with pytest.raises(az.CodecError) as caught:
        await array.read()
    assert (caught.value.key, caught.value.chunk) == ("c/3/5", (3, 5))
