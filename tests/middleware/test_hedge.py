"""Hedge: a second request for slow reads only, few of them, the better answer, and nothing left; in virtual time."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.errors import ConnectionFailed, Unavailable
from asynczarr.middleware.base import Wrapper
from asynczarr.middleware.hedge import Hedge, _Latencies
from asynczarr.store import MemoryStore
from asynczarr.testing import StoreContract, VirtualClock
from asynczarr.types import ByteRange

from .harness import INNERS, Turns, cancel_everywhere, others


class TestContract(StoreContract):
    @pytest.fixture(params=INNERS)
    async def store(self, request):
        # Every read is hedged that does not answer at once.
        async with Hedge(INNERS[request.param](), least=1, quantile=0.01, extra=1.0) as store:
            yield store
            assert others() == set()


class Slow(Wrapper):
    """Answers call after call after the seconds that a test has laid down, or with an error."""

    def __init__(self, clock):
        super().__init__(MemoryStore())
        self.clock = clock
        self.plan = []
        self.calls = []
        self.running = 0
        self.cancelled = 0

    async def around(self, request, send):
        seconds, error = self.plan.pop(0) if self.plan else (1.0, None)
        self.calls.append((request.verb, self.clock.now()))
        self.running += 1
        try:
            await self.clock.sleep(seconds)
            if error is not None:
                raise error
            return await send()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1


async def _warm(clock, count=100, **options):
    """A store that has seen `count` heads of about a second, and may hedge at once."""
    inner = Slow(clock)
    store = Hedge(inner, least=100, clock=clock, **options)
    inner.plan = [(1 + number / 1000, None) for number in range(count)]
    tasks = [asyncio.create_task(store.head("k")) for _ in range(count)]
    await clock.advance(2)
    await asyncio.gather(*tasks)
    assert (store.hedges, len(inner.calls)) == (0, count)
    inner.calls.clear()
    return inner, store


async def test_a_slow_read_is_asked_for_again_and_the_loser_cancelled():
    clock = VirtualClock()
    inner, store = await _warm(clock)
    begun = clock.now()
    inner.plan = [(1000, None), (0.5, None)]
    task = asyncio.create_task(store.head("k"))
    await clock.advance(1.09)
    assert len(inner.calls) == 1
    await clock.advance(0.01)
    assert [at - begun for _, at in inner.calls] == pytest.approx([0, 1.095])  # p95 of 1.000 ... 1.099
    await clock.advance(0.5)
    assert await task is None
    assert (inner.running, inner.cancelled, store.hedges) == (0, 1, 1)
    assert others() == set()
    assert clock.sleeping == 0


async def test_the_first_may_still_win():
    clock = VirtualClock()
    inner, store = await _warm(clock)
    inner.plan = [(1.2, None), (1000, None)]
    task = asyncio.create_task(store.head("k"))
    await clock.advance(1.3)
    assert await task is None
    assert (len(inner.calls), inner.running, inner.cancelled) == (2, 0, 1)


async def test_nothing_is_hedged_before_enough_is_known():
    clock = VirtualClock()
    inner = Slow(clock)
    store = Hedge(inner, least=100, clock=clock)
    inner.plan = [(1000, None)]
    task = asyncio.create_task(store.head("k"))
    await clock.advance(1001)
    await task
    assert len(inner.calls) == 1


async def test_verbs_have_latencies_of_their_own_and_writes_are_never_hedged():
    clock = VirtualClock()
    inner, store = await _warm(clock)
    tasks = [asyncio.create_task(call) for _ in range(100) for call in (store.set("k", b""), store.delete("k"))]
    await clock.advance(2)
    await asyncio.gather(*tasks)
    inner.calls.clear()
    inner.plan = [(1000, None)] * 5

    async def listed():
        return [key async for key in store.list()]

    calls = (store.get("k"), store.get_ranges("k", [ByteRange()]), store.set("k", b""), store.delete("k"), listed())
    tasks = [asyncio.create_task(call) for call in calls]
    await clock.advance(1001)
    await asyncio.gather(*tasks)
    assert sorted(verb for verb, _ in inner.calls) == ["delete", "get", "get_ranges", "set"]


@pytest.mark.parametrize("second", [0.1, 50])
async def test_if_one_fails_the_other_counts(second):
    clock = VirtualClock()
    inner, store = await _warm(clock)
    inner.plan = [(20, ConnectionFailed("first")), (second, None)]
    task = asyncio.create_task(store.head("k"))
    await clock.advance(100)
    assert await task is None
    inner.plan = [(20, None), (second, ConnectionFailed("second"))]
    for _ in range(20):
        await _quick(store, inner, clock)
    inner.plan = [(20, None), (second, ConnectionFailed("second"))]
    task = asyncio.create_task(store.head("k"))
    await clock.advance(100)
    assert await task is None
    assert store.hedges == 2
    assert inner.running == 0


async def _quick(store, inner, clock):
    inner.plan.insert(0, (0.5, None))
    task = asyncio.create_task(store.head("k"))
    await clock.advance(0.5)
    await task


@pytest.mark.parametrize("second", [0.1, 50])
async def test_if_both_fail_the_first_error_is_raised(second):
    clock = VirtualClock()
    inner, store = await _warm(clock)
    inner.plan = [(20, Unavailable("first")), (second, Unavailable("second"))]
    task = asyncio.create_task(store.head("k"))
    await clock.advance(100)
    with pytest.raises(Unavailable, match="first"):
        await task
    assert others() == set()


async def test_an_error_before_the_hedge_is_raised_at_once():
    clock = VirtualClock()
    inner, store = await _warm(clock)
    inner.plan = [(0.5, Unavailable("first"))]
    task = asyncio.create_task(store.head("k"))
    await clock.advance(0.5)
    with pytest.raises(Unavailable):
        await task
    assert len(inner.calls) == 1


async def test_never_more_than_the_extra_share():
    clock = VirtualClock()
    inner = Slow(clock)
    store = Hedge(inner, least=20, extra=0.05, clock=clock)
    chance = random.Random(5)
    for number in range(300):
        # Ever slower: each read would be worth a hedge.
        inner.plan = [(1 + number + chance.random(), None)] * 2
        task = asyncio.create_task(store.head("k"))
        await clock.advance(1000)
        await task
        assert len(inner.calls) - (number + 1) == store.hedges <= 0.05 * (number + 1)
    assert store.hedges == 15


async def test_a_budget_pays():
    class Purse:
        tokens = 7

        def take(self, tokens):
            if self.tokens < tokens:
                return False
            self.tokens -= tokens
            return True

    purse = Purse()
    clock = VirtualClock()
    inner, store = await _warm(clock, budget=purse, cost=5, extra=1.0)
    for _ in range(3):
        inner.plan = [(10, None), (10, None)]
        task = asyncio.create_task(store.head("k"))
        await clock.advance(20)
        await task
    assert (store.hedges, purse.tokens, len(inner.calls)) == (1, 2, 4)


async def test_the_tail_is_cut():
    """1 % of the reads take 100 times as long: the slowest in a thousand then wait for the second request only."""
    clock = VirtualClock()
    times = {}
    for hedged in (False, True):
        inner = Slow(clock)
        store = Hedge(inner, clock=clock, extra=0.05 if hedged else 0.0)
        chance = random.Random(3)
        inner.plan = [(100.0 if chance.random() < 0.01 else 1 + chance.random() / 10, None) for _ in range(1100)]
        took = times[hedged] = []

        async def read(store=store, took=took):
            begun = clock.now()
            await store.head("k")
            took.append(clock.now() - begun)

        for _ in range(1000):
            task = asyncio.create_task(read())
            await clock.advance(101)
            await task
        took.sort()
    assert times[False][990] > 90
    assert times[True][990] < 2.3
    assert store.hedges <= 50


async def test_cancellation_anywhere_leaves_no_request():
    clock = VirtualClock()
    inner, store = await _warm(clock, extra=1.0)

    async def read():
        inner.plan = [(5, None), (5, None)]
        await store.head("k")

    async def check():
        assert (inner.running, clock.sleeping) == (0, 0)

    assert await cancel_everywhere(read, check, between=lambda: clock.advance(0.4)) >= 10


@pytest.mark.every_loop
async def test_cancelled_twice_while_the_loser_ends():
    class Stubborn(Turns):
        async def around(self, request, send):
            self.calls.append(request)
            self.inside += 1
            try:
                if len(self.calls) % 2:
                    await asyncio.sleep(1000)
                return await send()
            except asyncio.CancelledError:
                for _ in range(10):  # closing a connection takes its time
                    await asyncio.sleep(0)
                raise
            finally:
                self.inside -= 1

    inner = Stubborn(MemoryStore())
    store = Hedge(inner, least=1, extra=1.0)
    inner.calls.append("one too many: the next call answers at once")
    await store.head("k")
    task = asyncio.create_task(store.head("k"))
    while store.hedges == 0:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert inner.inside == 0
    assert others() == set()


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.integers(1, 20))
def test_the_quantile_is_that_of_the_latest(latencies, window):
    kept = _Latencies(0.95, window, 1)
    for number, seconds in enumerate(latencies, 1):
        kept.add(seconds)
        latest = sorted(latencies[max(0, number - window) : number])
        assert kept.slow() == latest[min(int(0.95 * len(latest)), len(latest) - 1)]


@pytest.mark.parametrize("wrong", [{"quantile": 1.0}, {"extra": 2.0}, {"least": 0}, {"window": 10}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="impossible"):
        Hedge(MemoryStore(), **wrong)
