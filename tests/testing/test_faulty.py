"""Each fault of FaultyStore does what its line in the table says, counts it, and does it again for the same seed."""

from __future__ import annotations

import asyncio

import pytest

from asynczarr.errors import (
    AttemptTimeout,
    ConnectionFailed,
    KeyInvalid,
    PreconditionFailed,
    StoreClosed,
    Throttled,
    Truncated,
    Unavailable,
)
from asynczarr.middleware import Resume
from asynczarr.store import MemoryStore
from asynczarr.testing import Fault, FaultyStore, StoreContract, VirtualClock
from asynczarr.types import ByteRange


class TestWithoutFaults(StoreContract):
    @pytest.fixture
    async def store(self):
        async with FaultyStore(MemoryStore()) as store:
            yield store
        assert store.injected.total() == 0


class TestWithStaleListingsPossible(StoreContract):
    @pytest.fixture
    async def store(self):
        async with FaultyStore(MemoryStore(), [Fault("stale", probability=0.0)]) as store:
            yield store


async def test_before_leaves_the_store_alone():
    store = FaultyStore(MemoryStore(), [Fault("before")])
    with pytest.raises(ConnectionFailed) as caught:
        await store.set("k", b"x")
    assert (caught.value.sent, caught.value.store, caught.value.key) == (True, "memory://", "k")
    assert await store.get("k") is None
    assert store.calls == {"set": 1, "get": 1}
    assert store.sent == {"get": 1}
    assert store.injected == {"before": 1}


async def test_after_is_done_and_looks_like_before():
    store = FaultyStore(MemoryStore(), [Fault("after")])
    with pytest.raises(ConnectionFailed) as caught:
        await store.set("k", b"x")
    assert caught.value.sent
    assert await store.get("k") == b"x"
    assert store.sent["set"] == 1


async def test_the_error_can_be_chosen():
    faults = [
        Fault("before", error=lambda: ConnectionFailed("refused", sent=False)),
        Fault("after", error=lambda: Unavailable("500")),
    ]
    store = FaultyStore(MemoryStore(), faults)
    with pytest.raises(ConnectionFailed) as caught:
        await store.head("k")
    assert not caught.value.sent
    with pytest.raises(Unavailable, match="500"):
        await store.head("k")


async def test_delay_waits_and_then_does_it():
    clock = VirtualClock()
    store = FaultyStore(MemoryStore(), [Fault("delay", seconds=3)], clock=clock)
    task = asyncio.create_task(store.set("k", b"x"))
    await clock.advance(2.9)
    assert not task.done()
    assert store.sent.total() == 0
    await clock.advance(0.2)
    assert await task is not None
    assert store.sent == {"set": 1}


async def test_a_storm_of_throttling_ends_by_time():
    clock = VirtualClock()
    storm = Fault("throttle", times=None, during=(1, 61), retry_after=2.5)
    store = FaultyStore(MemoryStore(), [storm], clock=clock)
    await store.get("k")
    await clock.advance(1)
    for _ in range(10):
        with pytest.raises(Throttled) as caught:
            await store.get("k")
        assert caught.value.retry_after == 2.5
    with pytest.raises(Throttled):
        [key async for key in store.list()]
    await clock.advance(60)
    await store.get("k")
    assert store.injected == {"throttle": 11}
    assert store.sent == {"get": 2}


async def test_truncate_says_nothing():
    store = FaultyStore(MemoryStore(), [Fault("truncate", times=3)], seed=1)
    await store.set("k", b"0123456789")
    value = await store.get("k")
    assert len(value) < 10
    assert bytes(value) == b"0123456789"[: len(value)]
    assert len(await store.get("k", ByteRange(2, 4))) < 2
    parts = await store.get_ranges("k", [ByteRange(0, 3), ByteRange(3, 6)])
    assert sorted(len(data) == 3 for data in parts.data) == [False, True]
    assert parts.size == 10
    await store.set("empty", b"")
    assert await store.get("missing") is None


async def test_cut_is_noticed():
    store = FaultyStore(MemoryStore(), [Fault("cut", verbs=("get", "list"), times=None)], seed=2)
    for number in range(100):
        await store.set(f"k/{number}", b"x")
    await store.set("k/0", b"0123456789")
    for _ in range(3):
        with pytest.raises(Truncated) as caught:
            await store.get("k/0", ByteRange(2))
        assert b"23456789".startswith(caught.value.received)
        assert caught.value.version == (await store.head("k/0")).version
    seen = []

    async def look():
        async for key in store.list():
            seen.append(key)

    with pytest.raises(ConnectionFailed):
        await look()
    assert 0 < len(seen) < 100


async def test_what_was_received_of_a_cut_answer_is_of_use():
    whole = bytes(range(256)) * 100
    store = FaultyStore(MemoryStore(), [Fault("cut", times=3)], seed=4)
    await store.set("k", whole)
    assert await Resume(store).get("k") == whole
    assert store.calls == {"set": 1, "get": 1, "get_ranges": 3}
    store = FaultyStore(store, [Fault("cut", times=2)], seed=5)
    parts = await Resume(store).get_ranges("k", [ByteRange(5, 6000)])
    assert bytes(parts.data[0]) == whole[5:6000]
    assert store.calls == {"get_ranges": 3}


async def test_flip_is_one_bit():
    store = FaultyStore(MemoryStore(), [Fault("flip", times=2)], seed=3)
    await store.set("k", bytes(100))
    assert sum(byte.bit_count() for byte in await store.get("k")) == 1
    parts = await store.get_ranges("k", [ByteRange(0, 5), ByteRange(-5)])
    assert sum(byte.bit_count() for data in parts.data for byte in data) == 1
    assert await store.get("k") == bytes(100)  # what is stored is right


async def test_duplicate_makes_a_false_conflict():
    store = FaultyStore(MemoryStore(), [Fault("duplicate", verbs=("set",), times=2)])
    old = await store.inner.set("k", b"old")
    with pytest.raises(PreconditionFailed):
        await store.set("k", b"new", if_version=old)
    assert await store.get("k") == b"new"
    assert store.sent["set"] == 2
    version = await store.set("k", b"again")
    info = await store.head("k")
    assert info.version == version
    assert store.sent["set"] == 4


async def test_late_lands_after_the_answer():
    clock = VirtualClock()
    store = FaultyStore(MemoryStore(), [Fault("late", seconds=5)], clock=clock)
    value = bytearray(b"mine")
    with pytest.raises(AttemptTimeout) as caught:
        await store.set("k", value)
    value[:] = b"else"
    assert caught.value.sent
    await store.set("k", b"newer")
    await clock.advance(4)
    assert await store.get("k") == b"newer"
    await clock.advance(1)
    await store.settle()
    assert await store.get("k") == b"mine"
    await store.aclose()


async def test_closing_loses_late_writes():
    inner = MemoryStore("test_closing_loses_late_writes")
    store = FaultyStore(inner, [Fault("late", seconds=1000)])
    with pytest.raises(AttemptTimeout):
        await store.set("k", b"x")
    await store.aclose()
    assert len(asyncio.all_tasks()) == 1
    assert await MemoryStore("test_closing_loses_late_writes").get("k") is None
    with pytest.raises(StoreClosed):
        await store.get("k")


async def test_a_stale_listing_misses_the_latest_writes():
    store = FaultyStore(MemoryStore(), [Fault("stale", writes=3, times=2)])
    await store.set("a/old", b"")
    await store.set("a/gone", b"")
    await store.set("a/old", b"2")  # overwritten: never new
    await store.set("b/new", b"")
    await store.delete("a/gone")
    assert [key async for key in store.list()] == ["a/gone", "a/old"]
    assert [name async for name in store.list_dir()] == ["a/"]
    assert [key async for key in store.list()] == ["a/old", "b/new"]
    with pytest.raises(KeyInvalid):
        await store.set("../x", b"")


async def test_a_fault_chooses_its_calls():
    only = Fault("before", verbs=("get",), keys="c/*", after=1, times=2)
    store = FaultyStore(MemoryStore(), [only])

    async def fails(key):
        try:
            await store.get(key)
        except ConnectionFailed:
            return True
        return False

    assert [await fails(key) for key in ("c/0", "zarr.json", "c/1", "c/2", "c/3")] == [False, False, True, True, False]
    assert [(one.verb, one.key, one.number, one.kind) for one in store.history] == [
        ("get", "c/1", 0, "before"),
        ("get", "c/2", 0, "before"),
    ]


async def _history(seed, order):
    faults = [Fault("before", probability=0.3, times=None), Fault("flip", probability=0.3, times=None)]
    store = FaultyStore(MemoryStore(), faults, seed=seed)
    for key in order:
        await asyncio.gather(store.get(key), return_exceptions=True)
    return sorted(store.history)


async def test_the_same_seed_gives_the_same_faults_in_any_order(monkeypatch):
    keys = [f"c/{number % 10}" for number in range(100)]
    first = await _history(7, keys)
    assert first == await _history(7, keys)
    assert first == await _history(7, sorted(keys))
    assert first != await _history(8, keys)
    assert 30 < len(first) < 70
    monkeypatch.setenv("ASYNCZARR_SEED", "7")
    assert first == await _history(None, keys)
    monkeypatch.delenv("ASYNCZARR_SEED")
    drawn = FaultyStore(MemoryStore())
    assert f"seed={drawn.seed}" in repr(drawn)


async def test_hostile_keys_are_refused_first():
    store = FaultyStore(MemoryStore(), [Fault("delay")])
    with pytest.raises(KeyInvalid):
        await store.get("../x")
