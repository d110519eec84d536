"""ChunkCache: a chunk is of one version of one value of one store, and all of them fit."""

from __future__ import annotations

import asyncio
import gc
import random
import threading

import numpy as np
import pytest

from asynczarr.errors import Unavailable
from asynczarr.middleware.chunk_cache import ChunkCache
from asynczarr.store import MemoryStore
from asynczarr.testing import VirtualClock

from .harness import others, turns


def chunk(value, size=100):
    return np.full(size, value, "uint8")


def test_a_chunk_is_found_by_all_that_makes_it():
    cache = ChunkCache()
    one, two = MemoryStore(), MemoryStore()
    cache.put(one, "c/0", "v1", chunk(1))
    cache.put(one, "c/0", "v1", chunk(2), coords=(0, 1))
    cache.put(one, "c/0", "v1", chunk(3), form="<i4")
    assert cache.get(one, "c/0", "v1")[0] == 1
    assert cache.get(one, "c/0", "v1", (0, 1))[0] == 2
    assert cache.get(one, "c/0", "v1", form="<i4")[0] == 3
    for other in (
        cache.get(two, "c/0", "v1"),
        cache.get(one, "c/1", "v1"),
        cache.get(one, "c/0", "v2"),
        cache.get(one, "c/0", "v1", (1, 1)),
        cache.get(one, "c/0", None),
    ):
        assert other is None
    assert (cache.hits, cache.misses) == (3, 5)


def test_one_version_at_a_time():
    cache = ChunkCache()
    store = MemoryStore()
    cache.put(store, "k", "v1", chunk(1), (0,))
    cache.put(store, "k", "v1", chunk(1), (1,))
    used = cache.used
    cache.put(store, "k", "v2", chunk(2), (0,))
    assert cache.used < used
    assert cache.get(store, "k", "v1", (1,)) is None
    cache.seen(store, "k", "v2")
    assert cache.get(store, "k", "v2", (0,))[0] == 2
    cache.seen(store, "k", None)
    assert not cache.holds(store, "k")
    assert cache.used == 0


async def test_a_version_is_believed_for_its_time():
    clock = VirtualClock()
    cache = ChunkCache(ttl=10, clock=clock)
    store = MemoryStore()
    assert cache.version(store, "k") is None
    cache.put(store, "k", "v1", chunk(1))
    assert cache.version(store, "k") == "v1"
    await clock.advance(9)
    cache.seen(store, "k", "v1")
    await clock.advance(9)
    assert cache.version(store, "k") == "v1"
    await clock.advance(2)
    assert cache.version(store, "k") is None
    assert cache.holds(store, "k")
    always, never = ChunkCache(ttl=None, clock=clock), ChunkCache(clock=clock)
    for cache in (always, never):
        cache.put(store, "k", "v1", chunk(1))
    await clock.advance(1e9)
    assert always.version(store, "k") == "v1"
    assert never.version(store, "k") is None


async def test_what_was_asked_for_tells_the_age_of_an_answer():
    clock = VirtualClock()
    cache = ChunkCache(ttl=10, clock=clock)
    store = MemoryStore()
    first = cache.asked("k")
    await clock.advance(6)
    cache.put(store, "k", "v2", chunk(2), asked=cache.asked("k"))
    assert cache.put(store, "k", "v1", chunk(1), asked=first).flags.writeable  # late, and older than what is kept
    assert cache.version(store, "k") == "v2"
    await clock.advance(6)
    assert not cache.fresh("k", first)
    cache.put(store, "k", "v2", chunk(2), (1,), asked=cache.asked("k"))  # the version is as new as this
    await clock.advance(6)
    assert cache.version(store, "k") == "v2"
    asked = cache.asked("k")
    assert cache.fresh("k", asked)
    cache.discard(store, "k")
    assert not cache.fresh("k", asked)
    assert cache.put(store, "k", "v2", chunk(2), asked=asked).flags.writeable
    assert not cache.holds(store, "k")


def test_all_below_a_prefix_is_discarded():
    cache = ChunkCache(ttl=None)
    store, other = MemoryStore(), MemoryStore()
    for where in (store, other):
        for key in ("a/c/0", "a/c/1", "ab/c/0"):
            cache.put(where, key, "v", chunk(1))
    asked = cache.asked("a/c/2")
    cache.discard_below(store, "a/")
    kept = [(where, key) for where in (store, other) for key in ("a/c/0", "a/c/1", "ab/c/0") if cache.holds(where, key)]
    assert kept == [(store, "ab/c/0"), (other, "a/c/0"), (other, "a/c/1"), (other, "ab/c/0")]
    assert not cache.fresh("a/c/2", asked)


def test_bytes_are_bounded():
    cache = ChunkCache(max_bytes=10_000)
    store = MemoryStore()
    for number in range(100):
        cache.put(store, f"k/{number}", "v", chunk(number, 1000))
        assert cache.get(store, "k/0", "v") is not None  # in use all the time
        assert cache.used <= 10_000
    kept = [number for number in range(100) if cache.holds(store, f"k/{number}")]
    assert kept == [0, *range(94, 100)]
    large = chunk(1, 20_000)
    assert cache.put(store, "large", "v", large) is large
    assert large.flags.writeable
    assert not cache.holds(store, "large")
    cache.discard(store, "k/0")
    cache.clear()
    assert (cache.used, cache.holds(store, "k/99")) == (0, False)


def test_what_is_kept_is_read_only_and_its_own():
    cache = ChunkCache()
    store = MemoryStore()
    mine = cache.put(store, "k", "v", chunk(1))
    with pytest.raises(ValueError, match="read-only"):
        mine[0] = 2
    whole = np.zeros((1000, 10), "int32", order="F")
    part = whole[:10]
    kept = cache.put(store, "part", "v", part)
    assert kept.base is None
    whole[:] = 7
    assert not cache.get(store, "part", "v").any()
    assert cache.used < 2000


@pytest.mark.parametrize("values", [np.array(["a", None], object), chunk(1)])
def test_what_cannot_be_counted_or_named_is_not_kept(values):
    cache = ChunkCache()
    version = "v" if values.dtype == object else None
    assert cache.put(MemoryStore(), "k", version, values) is values
    assert values.flags.writeable
    assert cache.used == 0


def test_stores_are_not_kept_alive():
    cache = ChunkCache(max_bytes=2000)
    store = MemoryStore()
    cache.put(store, "k", "v", chunk(1, 1000))
    del store
    gc.collect()
    other = MemoryStore()
    for number in range(3):
        cache.put(other, f"k/{number}", "v", chunk(number, 1000))
    assert len(cache._stores) == 1
    assert cache.used <= 2000
    assert cache.get(other, "k/2", "v")[0] == 2


def test_threads():
    cache = ChunkCache(max_bytes=5000)
    stores = [MemoryStore(), MemoryStore()]
    wrong = []

    def work(seed):
        chance = random.Random(seed)
        for _ in range(2000):
            number, version = chance.randrange(20), chance.randrange(3)
            store = stores[number % 2]
            found = cache.get(store, f"{number}", f"{version}")
            if found is not None and found[0] != number * 3 + version:
                wrong.append(number)
            match chance.randrange(4):
                case 0:
                    cache.discard(store, f"{number}")
                case 1:
                    cache.seen(store, f"{number}", f"{version}")
                case _:
                    cache.put(store, f"{number}", f"{version}", chunk(number * 3 + version))
            if cache.used > 5000:
                wrong.append("too much")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert cache.hits > 0
    # The books agree: what the index knows is what is kept.
    slots = {slot for values in cache._stores.values() for value in values.values() for slot in value.slots}
    assert slots == set(cache._lru._entries)


@pytest.mark.parametrize("wrong", [{"ttl": -1}, {"max_bytes": -1}])
def test_negative_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="cannot be"):
        ChunkCache(**wrong)


class Reader:
    """Reads a chunk when it is let go, and counts."""

    def __init__(self):
        self.begun = self.ended = 0
        self.gate = asyncio.Event()
        self.error = None

    async def __call__(self):
        self.begun += 1
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            return chunk(self.begun)
        finally:
            self.ended += 1


async def test_a_chunk_is_read_once_for_all_who_ask_meanwhile():
    cache, store, read = ChunkCache(), MemoryStore(), Reader()
    asked = [asyncio.create_task(cache.load(store, "c/0", "v1", read)) for _ in range(5)]
    other = asyncio.create_task(cache.load(store, "c/0", "v2", read))
    unknown = [asyncio.create_task(cache.load(store, "c/0", None, read)) for _ in range(2)]
    await turns()
    assert read.begun == 1 + 1 + 2
    read.gate.set()
    found = await asyncio.gather(*asked)
    assert {id(one) for one in found} == {id(found[0])}
    assert not found[0].flags.writeable
    await asyncio.gather(other, *unknown)
    assert await cache.load(store, "c/0", "v2", read) is await other
    assert read.begun == 4
    assert others() == set()


@pytest.mark.parametrize("leaves", [[0], [1], [0, 1]])
async def test_who_is_cancelled_leaves_the_reading_to_the_others(leaves):
    cache, store, read = ChunkCache(), MemoryStore(), Reader()
    asked = [asyncio.create_task(cache.load(store, "c/0", "v1", read)) for _ in range(2)]
    await turns()
    for number in leaves:
        asked[number].cancel()
    await asyncio.wait([asked[number] for number in leaves])
    assert (read.begun, read.ended) == (1, 1 if len(leaves) == 2 else 0)
    if len(leaves) == 2:
        assert others() == set()
        asked = [asyncio.create_task(cache.load(store, "c/0", "v1", read))]
        await turns()
    read.gate.set()
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in done].count(np.ndarray) == 1
    assert read.begun == len(leaves)
    assert others() == set()


async def test_an_error_is_everybodys_and_not_kept():
    cache, store, read = ChunkCache(), MemoryStore(), Reader()
    read.error = Unavailable("no")
    read.gate.set()
    failed = await asyncio.gather(*(cache.load(store, "c/0", "v1", read) for _ in range(3)), return_exceptions=True)
    assert {type(error) for error in failed} == {Unavailable}
    assert len({id(error) for error in failed}) == 3
    read.error = None
    assert (await cache.load(store, "c/0", "v1", read))[0] == read.begun == 2


async def test_what_is_not_kept_is_shared_all_the_same():
    cache, store, read = ChunkCache(10), MemoryStore(), Reader()
    read.gate.set()
    one, two = await asyncio.gather(*(cache.load(store, "c/0", "v1", read) for _ in range(2)))
    assert one is two
    assert not one.flags.writeable
    await cache.load(store, "c/0", "v1", read)
    assert read.begun == 2
