"""Cache: few requests, bounded memory, never an answer older than the question, and one request for all who wait."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from asynczarr.errors import PreconditionFailed, StoreClosed, Unavailable
from asynczarr.middleware.cache import Cache
from asynczarr.store import MemoryStore
from asynczarr.testing import Fault, FaultyStore, StoreContract, VirtualClock
from asynczarr.types import ByteRange
from tests.contract.test_contract_limited import PlainStore

from .harness import INNERS, Held, Turns, cancel_everywhere, others, turns

VALUE = bytes(range(256)) * 4


class TestContract(StoreContract):
    @pytest.fixture(params=[(name, ttl) for name in INNERS for ttl in (0.0, 60.0, None)], ids=str)
    async def store(self, request):
        name, ttl = request.param
        async with Cache(INNERS[name](), max_bytes=20_000, ttl=ttl) as store:
            yield store
            assert store.used <= 20_000
            assert store._reads == {}
            assert not store._writing


def _verbs(inner):
    verbs = [request.verb for request in inner.calls]
    inner.calls.clear()
    return verbs


async def _store(**options):
    inner = Turns(MemoryStore())
    await inner.inner.set("k", VALUE)
    return inner, Cache(inner, **options)


async def test_a_kept_value_costs_a_head():
    inner, store = await _store()
    assert [bytes(await store.get("k")) for _ in range(3)] == [VALUE] * 3
    assert _verbs(inner) == ["get_ranges", "head", "head"]
    assert (store.hits, store.misses) == (2, 1)
    assert bytes(await store.get("k", ByteRange(10, 20))) == VALUE[10:20]  # a part of what is kept
    parts = await store.get_ranges("k", [ByteRange(-4), ByteRange(0, 2)])
    assert [bytes(data) for data in parts.data] == [VALUE[-4:], VALUE[:2]]
    assert (parts.size, parts.version) == (len(VALUE), (await inner.inner.head("k")).version)
    assert _verbs(inner) == ["head", "head"]


async def test_what_others_write_is_seen():
    inner, store = await _store()
    await store.get("k")
    await inner.inner.set("k", b"new")
    assert bytes(await store.get("k")) == b"new"
    await inner.inner.delete("k")
    assert await store.get("k") is None
    assert _verbs(inner) == ["get_ranges", "head", "get_ranges", "head", "get_ranges"]


async def test_within_its_time_a_value_costs_nothing():
    clock = VirtualClock()
    inner, store = await _store(ttl=10, clock=clock)
    await store.get("k")
    await inner.inner.set("k", b"new")
    await clock.advance(9.9)
    assert bytes(await store.get("k", ByteRange(0, 4))) == VALUE[:4]
    assert _verbs(inner) == ["get_ranges"]
    await clock.advance(0.2)
    assert bytes(await store.get("k")) == b"new"
    assert _verbs(inner) == ["head", "get_ranges"]
    await clock.advance(11)
    assert bytes(await store.get("k")) == b"new"
    assert bytes(await store.get("k")) == b"new"  # checked a moment ago
    assert _verbs(inner) == ["head"]


async def test_missing_keys_are_kept_for_their_time_only():
    clock = VirtualClock()
    inner, store = await _store(ttl=10, clock=clock)
    assert [await store.get("missing") for _ in range(3)] == [None] * 3
    assert await store.get_ranges("missing", [ByteRange(0, 1)]) is None
    assert _verbs(inner) == ["get_ranges"]
    await store.set("missing", b"here")
    assert bytes(await store.get("missing")) == b"here"
    await clock.advance(11)
    assert await store.get("never") is None
    await inner.inner.set("never", b"now")
    await clock.advance(11)
    assert bytes(await store.get("never")) == b"now"
    always = Cache(inner)
    _verbs(inner)
    assert [await always.get("nothing") for _ in range(2)] == [None, None]
    assert _verbs(inner) == ["get_ranges", "get_ranges"]


async def test_ranges_are_kept_and_completed_on_condition():
    inner, store = await _store()
    await store.get("k", ByteRange(0, 10))
    await store.get("k", ByteRange(0, 10))
    parts = await store.get_ranges("k", [ByteRange(0, 10), ByteRange(20, 30), ByteRange(30, 40)])
    assert [bytes(data) for data in parts.data] == [VALUE[:10], VALUE[20:30], VALUE[30:40]]
    assert inner.calls[2].ranges == (ByteRange(20, 30), ByteRange(30, 40))
    assert inner.calls[2].conditional
    assert _verbs(inner) == ["get_ranges", "head", "get_ranges"]
    await inner.inner.set("k", VALUE[::-1])
    parts = await store.get_ranges("k", [ByteRange(0, 10), ByteRange(50, 60)])
    assert [bytes(data) for data in parts.data] == [VALUE[::-1][:10], VALUE[::-1][50:60]]  # never mixed
    assert _verbs(inner) == ["get_ranges", "get_ranges"]


async def test_a_new_version_drops_the_parts_of_the_old_one():
    inner, store = await _store()
    await store.get("k", ByteRange(0, 10))
    await inner.inner.set("k", VALUE[::-1])
    await store.get("k", ByteRange(50, 60))
    assert bytes(await store.get("k", ByteRange(0, 10))) == VALUE[::-1][:10]


async def test_a_pinned_version():
    inner, store = await _store(ttl=None)
    await store.get("k")
    version = (await inner.inner.head("k")).version
    parts = await store.get_ranges("k", [ByteRange(0, 4)], if_version=version)
    assert bytes(parts.data[0]) == VALUE[:4]
    assert _verbs(inner) == ["get_ranges"]
    with pytest.raises(PreconditionFailed):
        await store.get_ranges("k", [ByteRange(0, 4)], if_version="another")
    await store.set("k", b"new")
    with pytest.raises(PreconditionFailed):
        await store.get_ranges("k", [ByteRange(0, 4)], if_version=version)


async def test_a_store_without_versions_is_cached_within_the_time_only():
    inner = Turns(PlainStore())
    store = Cache(inner)
    await store.set("k", VALUE)
    inner.calls.clear()
    for _ in range(2):
        await store.get("k")
    assert _verbs(inner) == ["get_ranges", "get_ranges"]
    store = Cache(inner, ttl=None)
    for _ in range(2):
        await store.get_ranges("k", [ByteRange(0, 1), ByteRange(1, 2)])
    await store.get_ranges("k", [ByteRange(0, 1), ByteRange(5, 6)])
    assert [request.ranges[1:] for request in inner.calls] == [(ByteRange(1, 2),), (ByteRange(5, 6),)]


async def test_many_callers_one_request():
    inner, store = await _store()
    values = await asyncio.gather(*(store.get("k") for _ in range(50)))
    assert {bytes(value) for value in values} == {VALUE}
    assert _verbs(inner) == ["get_ranges"]
    await asyncio.gather(*(store.get("k") for _ in range(50)))
    assert _verbs(inner) == ["head"]
    await asyncio.gather(*(store.get("k", ByteRange(n % 2, 5)) for n in range(50)))
    assert _verbs(inner) == ["head", "head"]


async def test_callers_do_not_share_a_list():
    _, store = await _store()
    one, two = await asyncio.gather(*(store.get_ranges("k", [ByteRange(0, 1)]) for _ in range(2)))
    one.data.clear()
    assert bytes(two.data[0]) == VALUE[:1]


async def test_an_error_goes_to_all_and_is_not_kept():
    inner = FaultyStore(MemoryStore(), [Fault("before", error=lambda: Unavailable("500"))])
    await inner.inner.set("k", VALUE)
    store = Cache(Turns(inner))
    errors = await asyncio.gather(*(store.get("k") for _ in range(10)), return_exceptions=True)
    assert {type(error) for error in errors} == {Unavailable}
    assert len({id(error) for error in errors}) == 10
    assert bytes(await store.get("k")) == VALUE
    assert inner.calls == {"get_ranges": 2}


async def test_a_cancelled_caller_leaves_the_others_alone():
    inner = Held(MemoryStore())
    await inner.inner.set("k", VALUE)
    store = Cache(inner)
    tasks = [asyncio.create_task(store.get("k")) for _ in range(3)]
    await inner.begun(1)
    tasks[0].cancel()
    await turns()
    assert tasks[0].cancelled()
    inner.let_go(0)
    assert [bytes(await task) for task in tasks[1:]] == [VALUE] * 2
    assert len(inner.calls) == 1


async def test_the_last_caller_takes_the_request_along_and_the_next_makes_its_own():
    inner = Held(MemoryStore())
    await inner.inner.set("k", VALUE)
    store = Cache(inner)
    tasks = [asyncio.create_task(store.get("k")) for _ in range(3)]
    await inner.begun(1)
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)
    late = asyncio.create_task(store.get("k"))
    await asyncio.wait(tasks)
    await inner.begun(2)
    assert inner.running == {1}
    inner.let_go(1)
    assert bytes(await late) == VALUE
    assert others() == set()


async def test_a_read_that_a_write_overtakes_is_not_kept_and_not_joined():
    inner = Held(MemoryStore())
    await inner.inner.set("k", b"old")
    store = Cache(inner, ttl=None)
    before = asyncio.create_task(store.get("k"))
    await inner.begun(1)
    write = asyncio.create_task(store.set("k", b"new"))
    await inner.begun(2)
    amid = asyncio.create_task(store.get("k"))
    await inner.begun(3)
    inner.let_go(2)
    assert bytes(await amid) == b"old"  # the write is not done yet
    inner.let_go(1)
    await write
    inner.let_go(0)
    await before
    after = asyncio.create_task(store.get("k"))
    await inner.begun(4)
    inner.let_go(3)
    assert bytes(await after) == b"new"
    assert [request.verb for request in inner.calls] == ["get_ranges", "set", "get_ranges", "get_ranges"]


async def test_amid_a_write_nothing_is_kept():
    """Who has seen the new value, by whatever way, is not shown the old one afterwards."""
    asked, done, answer = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        async def set(self, *args, **options):
            await asked.wait()
            version = self.set_sync(*args, **options)
            done.set()
            await answer.wait()
            return version

    inner = Slow()
    inner.set_sync("k", b"old")
    store = Cache(inner, ttl=None)
    write = asyncio.create_task(store.set("k", b"new"))
    await turns()
    assert await store.get("k") == b"old"
    asked.set()
    await done.wait()
    assert await store.get("k") == b"new"
    answer.set()
    await write


@pytest.mark.parametrize("kind", ["before", "after"])
async def test_a_failed_write_makes_the_cache_forget(kind):
    inner = FaultyStore(MemoryStore(), [Fault(kind, verbs=("set", "delete", "delete_many"), times=None)])
    await inner.inner.set("k", b"old")
    store = Cache(inner, ttl=None)
    for write in (lambda: store.set("k", b"new"), lambda: store.delete("k"), lambda: store.delete_many(["k"])):
        await store.get("k")
        with pytest.raises(Unavailable):
            await write()
        assert await store.get("k") == await inner.inner.get("k")
    assert inner.calls["get_ranges"] == 4


async def test_bytes_are_bounded_and_the_latest_stay():
    inner = Turns(MemoryStore())
    for number in range(10):
        await inner.inner.set(f"k/{number}", bytes(1000))
    store = Cache(inner, max_bytes=5500, ttl=None)
    for number in range(10):
        await store.get(f"k/{number}")
        await store.get("k/0")  # in use all the time
        assert store.used <= 5500
        assert len(store._values._entries) <= 4
    assert [request.key for request in inner.calls] == [f"k/{number}" for number in range(10)]
    inner.calls.clear()
    for number in (0, 9, 8, 7):
        await store.get(f"k/{number}")
    assert inner.calls == []
    await store.get("k/6")
    assert len(inner.calls) == 1
    await inner.inner.set("huge", bytes(5500))
    used = store.used
    for _ in range(2):
        await store.get("huge")
    assert store.used == used
    assert len(inner.calls) == 3


async def test_a_range_does_not_keep_the_whole_value_alive():
    store = Cache(MemoryStore(), ttl=None)
    await store.set("k", bytes(1 << 20))
    await store.get("k", ByteRange(0, 10))
    assert type(await store.get("k", ByteRange(0, 10))) is bytes
    assert store.used < 1000


async def test_cancellation_anywhere_leaves_nothing():
    inner, store = await _store(ttl=0)

    async def crowd():
        store.forget("k")
        await asyncio.gather(store.get("k"), store.get("k"), store.get("k", ByteRange(0, 2)), store.set("k", VALUE))
        await store.get("k")

    async def check():
        assert inner.inside == 0
        assert store._reads == {}
        assert not store._writing
        assert bytes(await store.get("k")) == VALUE

    assert await cancel_everywhere(crowd, check) >= 8


async def test_a_closed_cache_refuses_what_it_kept():
    store = Cache(MemoryStore(), ttl=None)
    await store.set("k", b"x")
    await store.get("k")
    await store.aclose()
    assert store.used == 0
    with pytest.raises(StoreClosed):
        await store.get("k")


def test_threads_with_a_loop_each_share_what_is_kept():
    inner = Turns(MemoryStore())
    store = Cache(inner, max_bytes=3000, ttl=None)
    wrong = []

    def work(number):
        async def run():
            for step in range(100):
                key = f"k/{(number + step) % 5}"
                if step % 10 == 0:
                    await store.set(key, key.encode() * 100)
                value = await store.get(key)
                if value is not None and bytes(value) != key.encode() * 100:
                    wrong.append(key)
                if store.used > 3000:
                    wrong.append("too much")

        asyncio.run(run())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert wrong == []
    assert store._reads == {}
    assert store.hits > 0
    assert store.hits + store.misses == 400


class CacheIsTransparent(RuleBasedStateMachine):
    """Whatever is read and written, through the cache or beside it: the answers are those of the store."""

    keys = st.sampled_from(["a", "b", "c/0"])
    ranges = st.one_of(
        st.none(),
        st.builds(lambda start, length: ByteRange(start, start + length), st.integers(0, 12), st.integers(0, 12)),
        st.builds(ByteRange, st.integers(-12, 12)),
    )

    def __init__(self):
        super().__init__()
        self.inner = MemoryStore()
        self.cache = Cache(self.inner, max_bytes=900)

    @rule(key=keys, value=st.binary(max_size=12), through=st.booleans())
    def write(self, key, value, through):
        asyncio.run((self.cache if through else self.inner).set(key, value))

    @rule(key=keys, through=st.booleans())
    def remove(self, key, through):
        asyncio.run((self.cache if through else self.inner).delete(key))

    @rule(key=keys, part=ranges)
    def read(self, key, part):
        got, wanted = asyncio.run(self.cache.get(key, part)), asyncio.run(self.inner.get(key, part))
        assert (None if got is None else bytes(got)) == (None if wanted is None else bytes(wanted))

    @rule(key=keys, parts=st.lists(ranges, max_size=3))
    def read_ranges(self, key, parts):
        ranges = [part or ByteRange() for part in parts]
        got = asyncio.run(self.cache.get_ranges(key, ranges))
        wanted = asyncio.run(self.inner.get_ranges(key, ranges))
        assert (got is None) == (wanted is None)
        if got is not None:
            assert [bytes(data) for data in got.data] == [bytes(data) for data in wanted.data]
            assert (got.version, got.size) == (wanted.version, wanted.size)

    @invariant()
    def bounded(self):
        assert self.cache.used <= 900


CacheIsTransparent.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestCacheIsTransparent = CacheIsTransparent.TestCase


@given(st.lists(st.tuples(st.sampled_from(["get", "set"]), st.integers(0, 3)), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_answer_is_older_than_its_question(operations):
    """Reads and writes at the same time: a read sees at least the last write that was done before it began."""

    async def run():
        done = 0
        begun = 0
        store = Cache(Turns(MemoryStore(), 2), ttl=None)
        await store.set("k", b"0")

        async def write(pause):
            nonlocal begun, done
            for _ in range(pause):
                await asyncio.sleep(0)
            async with lock:  # one writer, so that values only grow
                begun += 1
                await store.set("k", b"%d" % begun)
                done = begun

        async def read(pause):
            for _ in range(pause):
                await asyncio.sleep(0)
            least = done
            assert least <= int(bytes(await store.get("k"))) <= begun

        lock = asyncio.Lock()
        await asyncio.gather(*(write(pause * 2) if verb == "set" else read(pause * 3) for verb, pause in operations))
        assert int(bytes(await store.get("k"))) == done

    asyncio.run(run())


@pytest.mark.parametrize("wrong", [{"ttl": -1}, {"max_bytes": -1}])
def test_negative_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="cannot be"):
        Cache(MemoryStore(), **wrong)
