"""TokenBucket: never more than the rate allows, in order, changed while somebody waits; all in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.middleware.bucket import TokenBucket
from asynczarr.testing import VirtualClock

from .harness import cancel_everywhere, others, turns


def _passing(bucket, clock, number, passed, tokens=1.0):
    async def one(name):
        await bucket.take(tokens)
        passed.append((name, clock.now()))

    return [asyncio.create_task(one(name)) for name in range(number)]


async def test_a_burst_and_then_the_rate():
    clock = VirtualClock()
    bucket = TokenBucket((5, 1), clock=clock)
    passed = []
    tasks = _passing(bucket, clock, 20, passed)
    await clock.advance(0)
    assert [name for name, _ in passed] == [0, 1, 2, 3, 4]
    await clock.advance(3.01)
    await asyncio.gather(*tasks)
    assert [name for name, _ in passed] == list(range(20))
    assert [at for _, at in passed[5:]] == pytest.approx([0.2 * step for step in range(1, 16)])


@given(
    st.integers(1, 20),
    st.sampled_from([0.1, 1, 60]),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), min_size=1, max_size=20),
)
def test_in_no_time_more_than_the_rate_allows(n, seconds, arrivals):
    async def run():
        clock = VirtualClock()
        bucket = TokenBucket((n, seconds), clock=clock)
        passed = []
        tasks = []
        for pause, number in arrivals:
            tasks += _passing(bucket, clock, number, passed)
            await clock.advance(pause)
        await clock.advance(seconds * len(tasks) / n + 1)
        await asyncio.gather(*tasks)
        times = [at for _, at in passed]
        for first in range(len(times)):
            for last in range(first, len(times)):
                assert last - first + 1 <= n + (times[last] - times[first]) * n / seconds + 1e-6

    asyncio.run(run())


async def test_the_rate_is_changed_while_somebody_waits():
    clock = VirtualClock()
    bucket = TokenBucket((1, 1000), clock=clock)
    passed = []
    tasks = _passing(bucket, clock, 3, passed)
    await clock.advance(1)
    assert len(passed) == 1
    bucket.rate = (1, 2)
    assert bucket.rate == (1, 2)
    await clock.advance(2)
    assert len(passed) == 2
    bucket.rate = None
    await turns()
    assert [at for _, at in passed[1:]] == [pytest.approx(3, abs=0.01)] * 2
    await asyncio.gather(*tasks)
    assert others() == set()


async def test_a_pause_holds_everybody():
    clock = VirtualClock()
    for rate in (None, (100, 1)):
        bucket = TokenBucket(rate, clock=clock)
        bucket.pause(5)
        bucket.pause(2)
        passed = []
        begun = clock.now()
        tasks = _passing(bucket, clock, 3, passed)
        await clock.advance(4.9)
        assert passed == []
        await clock.advance(0.2)
        await asyncio.gather(*tasks)
        assert [at - begun for _, at in passed] == pytest.approx([5] * 3)


async def test_more_than_the_bucket_holds_passes_and_is_paid_for():
    clock = VirtualClock()
    bucket = TokenBucket((10, 1), clock=clock)
    await bucket.take(30)
    task = asyncio.create_task(bucket.take(1))
    await clock.advance(2.05)
    assert not task.done()
    await clock.advance(0.1)
    assert task.done()


async def test_cancellation_anywhere_takes_nothing_and_leaves_nothing():
    clock = VirtualClock()
    bucket = TokenBucket((1, 1), clock=clock)

    async def wait():
        await asyncio.gather(bucket.take(), bucket.take())

    async def check():
        assert others() == set()
        await clock.advance(1000)
        async with asyncio.timeout(5):
            await bucket.take()  # a full bucket, and nobody holds the turn
        await clock.advance(1000)

    assert await cancel_everywhere(wait, check, between=lambda: clock.advance(0.1)) >= 3


async def test_who_is_cancelled_lets_the_next_one_pass():
    clock = VirtualClock()
    bucket = TokenBucket((1, 1), clock=clock)
    passed = []
    tasks = _passing(bucket, clock, 4, passed)
    await clock.advance(0.5)
    tasks[1].cancel()
    tasks[2].cancel()
    await clock.advance(0.5)
    assert passed == [(0, 0.0), (3, pytest.approx(1))]


@pytest.mark.parametrize("rate", [(0, 1), (1, 0), (-1, 1)])
def test_a_rate_is_positive(rate):
    with pytest.raises(ValueError, match="positive"):
        TokenBucket(rate)
    with pytest.raises(ValueError, match="positive"):
        TokenBucket((1, 1)).rate = rate
