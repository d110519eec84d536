"""What a second look cures: a chunk that cannot be decoded, and a change whose outcome nobody knows."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import asynczarr as az
from asynczarr.errors import CodecError, OutcomeUnknown, Unavailable
from asynczarr.middleware import Cache, Limit, Wrapper
from asynczarr.stream.limits import MAX_REQUESTS

from .support import SpyStore

DATA = np.arange(64, dtype="int32").reshape(8, 8)


class Flipping(Wrapper):
    """The first `times` reads of a key come with a bit turned."""

    def __init__(self, inner, key, times):
        super().__init__(inner)
        self.key, self.times = key, times

    async def get(self, key, byte_range=None):
        return self._flipped(key, await self.inner.get(key, byte_range))

    async def get_ranges(self, key, ranges, *, if_version=None):
        parts = await self.inner.get_ranges(key, ranges, if_version=if_version)
        return parts and az.Parts([self._flipped(key, data) for data in parts.data], parts.version, parts.size)

    def _flipped(self, key, data):
        if key != self.key or self.times == 0 or not data:
            return data
        self.times -= 1
        return bytes([data[0] ^ 1]) + bytes(data[1:])


async def stored(**options):
    spy = SpyStore()
    codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    array = await az.create_array(
        spy, shape=DATA.shape, dtype=DATA.dtype, chunks=options.pop("chunks", (4, 4)), codecs=codecs, **options
    )
    await array.write(DATA)
    spy.forget()
    return spy


@pytest.mark.parametrize("shards", [None, (8, 8)])
async def test_a_chunk_that_is_right_the_second_time(shards):
    spy = await stored(shards=shards)
    key = "c/0/0" if shards else "c/0/1"
    array = await az.open_array(Flipping(spy, key, 1))
    assert np.array_equal(await array.read(), DATA)
    assert spy.count("get", "get_ranges") == (3 if shards else 5), "one chunk more, and of a shard its index"


@pytest.mark.parametrize("cost", ["inline", "threads"])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
async def test_a_stream_goes_on_after_it_and_sees_each_chunk_once(on_error, cost, monkeypatch):
    if cost == "threads":
        monkeypatch.setattr("asynczarr.stream.load.INLINE_BYTES", 0)
    spy = await stored()
    array = await az.open_array(Flipping(spy, "c/1/0", 1))
    seen = [chunk.index async for chunk in array.stream_chunks(on_error=on_error)]
    assert sorted(seen) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert spy.count("get") == 5


async def test_a_chunk_that_stays_wrong_is_read_twice():
    spy = await stored()
    array = await az.open_array(Flipping(spy, "c/0/1", 2))
    with pytest.raises(CodecError) as caught:
        await array.read()
    assert (caught.value.key, caught.value.chunk) == ("c/0/1", (0, 1))
    assert [request.key for request in spy.requests].count("c/0/1") == 2
    array = await az.open_array(Flipping(spy, "c/0/1", 2))
    stream = array.stream_chunks(on_error="skip")
    assert sorted([chunk.index async for chunk in stream]) == [(0, 0), (1, 0), (1, 1)]
    assert [failure.index for failure in stream.failures] == [(0, 1)]


async def test_what_a_cache_keeps_is_not_the_second_look():
    spy = await stored()
    cache = Cache(Flipping(spy, "c/0/1", 1), ttl=None)
    array = await az.open_array(cache)
    assert np.array_equal(await array.read(), DATA)
    assert [request.key for request in spy.requests].count("c/0/1") == 2
    assert np.array_equal(await array.read(), DATA)
    assert [request.key for request in spy.requests].count("c/0/1") == 2


class Doubtful(Wrapper):
    """Writes land, and the first `times` answers are lost for good."""

    def __init__(self, inner, times):
        super().__init__(inner)
        self.times = times

    async def set(self, key, value, **conditions):
        version = await self.inner.set(key, value, **conditions)
        if key.startswith("c/") and self.times:
            self.times -= 1
            raise OutcomeUnknown("nobody knows")
        return version


async def test_a_change_of_a_part_is_put_on_top_of_what_it_may_have_done():
    spy = await stored()
    array = await az.open_array(Doubtful(spy, 2), mode="r+")
    await array[1:3, 1:3].write(-1)
    expected = DATA.copy()
    expected[1:3, 1:3] = -1
    assert spy.count("set") == 3
    assert spy.count("get_ranges") == 3
    assert np.array_equal(await array.read(), expected)


async def test_it_gives_up_where_nobody_ever_knows():
    array = await az.open_array(Doubtful(await stored(), 100), mode="r+")
    with pytest.raises(OutcomeUnknown):
        await array[1:3, 1:3].write(-1)
    assert array.store.times == 96


async def test_whole_chunks_are_left_to_the_caller():
    """There is nothing to read: the write as a whole may be made again."""
    spy = await stored()
    array = await az.open_array(Doubtful(spy, 1), mode="r+")
    with pytest.raises(OutcomeUnknown):
        await array.write(DATA)


class Pausing(Wrapper):
    """As a retry does: keys of the first row fail and are waited for, in here, for good."""

    waiting = 0

    async def get(self, key, byte_range=None):
        if key.startswith("c/0/"):
            self.waiting += 1
            await asyncio.Event().wait()
        return await self.inner.get(key, byte_range)


@pytest.mark.parametrize("limited", [True, False])
async def test_pauses_between_attempts_hold_no_slot_of_a_store_that_limits_itself(limited):
    width = MAX_REQUESTS + 8
    spy = SpyStore()
    array = await az.create_array(spy, shape=(2, width), dtype="u1", chunks=(1, 1))
    await array.write(np.ones((2, width), "u1"))
    store = Pausing(Limit(spy) if limited else spy)
    array = await az.open_array(store)
    stuck = asyncio.ensure_future(array[0].read(concurrency=width))
    while store.waiting < (width if limited else MAX_REQUESTS):
        await asyncio.sleep(0.01)
    try:
        async with asyncio.timeout(5 if limited else 0.2):
            assert (await array[1].read()).all()
            assert limited
    except TimeoutError:
        assert not limited
    finally:
        stuck.cancel()
        await asyncio.wait([stuck])


async def test_other_errors_are_not_asked_about_again():
    def fail(request):
        raise Unavailable("down")

    spy = await stored()
    spy.script = fail
    array = await az.open_array(spy)
    with pytest.raises(Unavailable):
        await array[0:4, 0:4].read()
    assert spy.count("get") == 1
