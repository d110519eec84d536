"""Throttle: free until the service complains, then as fast as the service bears, and free again; in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.errors import Throttled, Unavailable
from asynczarr.middleware.base import Wrapper
from asynczarr.middleware.throttle import CubicRate, Throttle
from asynczarr.store import MemoryStore
from asynczarr.testing import Fault, FaultyStore, StoreContract, VirtualClock

from .harness import INNERS, Turns, cancel_everywhere, others


class TestContract(StoreContract):
    @pytest.fixture(params=INNERS)
    async def store(self, request):
        async with Throttle(INNERS[request.param]()) as store:
            yield store
            assert store.rate is None


class Service(Wrapper):
    """Bears so many requests a second; asks to slow down beyond."""

    def __init__(self, clock, bears):
        super().__init__(MemoryStore())
        self.clock = clock
        self.bears = bears
        self.good = []
        self.refused = []

    async def around(self, request, send):
        now = self.clock.now()
        if sum(now - at < 1 for at in self.good) >= self.bears:
            self.refused.append(now)
            raise Throttled("slow down")
        self.good.append(now)
        return await send()


async def _work(store, clock, seconds, workers=20):
    """Workers that ask as fast as they may, and try again at once when refused."""

    async def work():
        while True:
            with suppress(Throttled):
                await store.head("k")
            await clock.sleep(0.1)  # what a request takes

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    for _ in range(int(seconds * 10)):
        await clock.advance(0.1)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_it_finds_what_the_service_bears():
    clock = VirtualClock()
    bare = Service(clock, 50)
    await _work(bare, clock, 10)
    held = Service(clock, 50)
    store = Throttle(held, clock=clock)
    await _work(store, clock, 40)
    assert len(bare.refused) >= 2.9 * len(bare.good)  # 200 a second on a service that bears 50
    later = [at for at in held.refused if at > 15]
    served = [at for at in held.good if at > 15]
    assert len(served) >= 0.6 * 50 * 35
    assert len(later) <= 0.1 * len(served)


async def test_a_storm_is_met_with_few_requests_and_forgotten_afterwards():
    clock = VirtualClock()
    storm = Fault("throttle", during=(1, 61), times=None)
    inner = FaultyStore(MemoryStore(), [storm], clock=clock)
    store = Throttle(inner, clock=clock)
    await _work(store, clock, 1)
    calm = inner.calls.total()
    await _work(store, clock, 60)
    assert inner.injected["throttle"] <= 0.2 * calm  # 60 s of it cost less than a fifth of a calm second
    assert store.rate is not None
    await _work(store, clock, 20)
    assert store.rate is None  # within 20 s
    before = inner.calls.total()
    await _work(store, clock, 1)
    assert inner.calls.total() - before >= 0.9 * calm


async def test_those_who_waited_do_not_stampede_a_service_that_recovers():
    """100 callers a second, whatever becomes of their calls: 30 s of refusals leave a queue of 3,000."""
    clock = VirtualClock()
    inner = Service(clock, 10**9)
    inner.inner = FaultyStore(MemoryStore(), [Fault("throttle", during=(1, 31), times=None)], clock=clock)
    store, tasks, rates = Throttle(inner, clock=clock), [], []
    for _ in range(1500):
        before = len(inner.good)
        tasks += [asyncio.create_task(store.head("k")) for _ in range(10)] if clock.now() < 60 else []
        await clock.advance(0.1)
        rates.append(len(inner.good) - before)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {type(None), Throttled}
    assert sum(map(bool, outcomes)) <= 30
    assert len(inner.good) == len(tasks)
    assert 13 <= max(rates) <= 17  # in 0.1 s: 1.5 times as many as come, also when the hold ends
    assert sum(rates[410:420]) >= 130  # 10 s after the storm
    assert store.rate is None


async def test_a_hold_that_began_with_one_request_does_not_keep_a_crowd_slow():
    clock = VirtualClock()
    inner = FaultyStore(MemoryStore(), [Fault("throttle")], clock=clock)
    store = Throttle(inner, clock=clock)
    with pytest.raises(Throttled):
        await store.head("k")
    await _work(store, clock, 15)  # 200 a second
    assert inner.calls["head"] >= 600
    assert store.rate is None


async def test_complaints_of_one_moment_cut_once():
    inner = FaultyStore(MemoryStore(), [Fault("throttle", times=64)])
    store = Throttle(Turns(inner))
    errors = await asyncio.gather(*(store.head(f"{number}") for number in range(64)), return_exceptions=True)
    assert {type(error) for error in errors} == {Throttled}
    assert inner.calls["head"] == 64
    assert store.rate == pytest.approx(0.7 * 64)


async def test_retry_after_lets_nothing_start():
    clock = VirtualClock()
    inner = FaultyStore(
        MemoryStore(), [Fault("throttle", retry_after=8), Fault("throttle", retry_after=1e6)], clock=clock
    )
    store = Throttle(inner, clock=clock)
    with pytest.raises(Throttled):
        await store.head("k")
    second = asyncio.create_task(store.head("k"))
    await clock.advance(7.9)
    assert inner.calls["head"] == 1
    await clock.advance(0.2)
    assert inner.calls["head"] == 2
    with pytest.raises(Throttled):
        await second
    third = asyncio.create_task(store.head("k"))
    await clock.advance(20)  # not a million seconds
    assert third.done()
    assert inner.calls["head"] == 3


async def test_other_errors_change_nothing():
    inner = FaultyStore(MemoryStore(), [Fault("before", error=lambda: Unavailable("500"))])
    store = Throttle(inner)
    with pytest.raises(Unavailable):
        await store.head("k")
    assert store.rate is None


async def test_stores_of_an_endpoint_share_the_rate():
    inner = FaultyStore(MemoryStore("one_rate"), [Fault("throttle")])
    one, two = Throttle(inner), Throttle(MemoryStore("one_rate"))
    other = Throttle(MemoryStore("another_rate"))
    alone = Throttle(MemoryStore("one_rate"), share="alone")
    with pytest.raises(Throttled):
        await one.head("k")
    assert one.rate == two.rate == pytest.approx(0.7)
    assert other.rate is None
    assert alone.rate is None


async def test_cancellation_anywhere_leaves_nothing():
    clock = VirtualClock()
    inner = FaultyStore(MemoryStore(), [Fault("throttle", times=None, probability=0.5)], seed=1, clock=clock)
    store = Throttle(inner, clock=clock)

    async def crowd():
        await asyncio.gather(*(store.head(f"{number}") for number in range(4)), return_exceptions=True)

    async def check():
        assert others() == set()
        await clock.advance(100)

    assert await cancel_everywhere(crowd, check, between=lambda: clock.advance(0.2)) >= 2


async def test_a_listing_waits_its_turn_too():
    clock = VirtualClock()
    inner = FaultyStore(MemoryStore(), [Fault("throttle", verbs=("list",))], clock=clock)
    await inner.set("k", b"")
    store = Throttle(inner, clock=clock)
    with pytest.raises(Throttled):
        [key async for key in store.list()]
    assert store.rate is not None

    async def listed():
        return [key async for key in store.list()]

    task = asyncio.create_task(listed())
    await clock.advance(10)
    assert await task == ["k"]


@given(st.floats(0.1, 1e5), st.lists(st.floats(0.01, 30), max_size=20))
def test_the_curve(measured, cuts):
    rate = CubicRate()
    rate.cut(0.0, measured)
    now = 0.0
    for pause in cuts:
        before = rate.rate
        rate.grow(now + pause, 2 * measured)
        assert before <= rate.rate <= max(before, 2 * measured)  # it only grows
        now += pause
        rate.cut(now, measured)
        assert 0.5 <= rate.rate <= max(0.5, 0.7 * measured)
    rate.grow(now + 1000, 2 * measured)
    assert rate.rate == max(0.5, 2 * measured)
