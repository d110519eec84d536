"""Limit: never more in flight than allowed, first come first served, nothing left after a cancellation."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.middleware.endpoint import endpoint
from asynczarr.middleware.limit import Limit
from asynczarr.store import MemoryStore
from asynczarr.testing import StoreContract
from asynczarr.types import ByteRange

from .harness import INNERS, Held, Turns, cancel_everywhere, turns


class TestContract(StoreContract):
    @pytest.fixture(params=INNERS)
    async def store(self, request):
        async with Limit(INNERS[request.param](), requests=3, max_bytes=1000) as store:
            yield store
            assert store.in_flight == (0, 0)


@pytest.mark.every_loop
async def test_never_more_requests_than_allowed():
    inner = Turns(MemoryStore(), 3)
    store = Limit(inner, requests=5)
    await asyncio.gather(*(store.head(f"k/{number}") for number in range(50)))
    assert (len(inner.calls), inner.most) == (50, 5)
    assert store.in_flight == (0, 0)


async def test_all_stores_of_an_endpoint_share_the_count():
    shelf = Turns(MemoryStore("shared_count"), 3)
    one, two = Limit(shelf, requests=5), Limit(shelf, requests=2)
    other = Limit(shelf, requests=4, share="another")
    await asyncio.gather(*(store.head(f"{number}") for number in range(20) for store in (one, one)))
    assert shelf.most == 5
    shelf.most = 0
    await asyncio.gather(*(store.head(f"{number}") for number in range(20) for store in (one, two)))
    assert shelf.most <= 5  # the stricter one waits until there are few enough, and nobody overtakes it
    shelf.most = 0
    await asyncio.gather(*(store.head(f"{number}") for number in range(20) for store in (one, other)))
    assert shelf.most == 9


async def test_one_around_another_waits_for_nothing_of_its_own():
    shelf = Turns(MemoryStore("nested"), 3)
    inside = Limit(shelf, requests=2, max_bytes=100)
    both = [Limit(Turns(Limit(inside, requests=3)), requests=4), Limit(inside, requests=1, share="memory://nested")]
    await shelf.inner.set("k", b"x" * 100)
    async with asyncio.timeout(5):
        await asyncio.gather(*(both[0].get("k", ByteRange(0, 100)) for _ in range(20)))
        assert (len(shelf.calls), shelf.most) == (20, 1)  # the bytes of one
        await asyncio.gather(*(store.head("k") for _ in range(20) for store in (both[0], inside)))
        assert (len(shelf.calls), shelf.most) == (60, 2)  # together
        shelf.most = 0
        await asyncio.gather(*(both[1].head("k") for _ in range(20)))
        assert (len(shelf.calls), shelf.most) == (80, 1)  # the stricter one outside
    assert [store.in_flight for store in (inside, *both)] == [(0, 0)] * 3


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://bucket/a/b", "s3://bucket"),
        ("https://host:9000/a?x=y", "https://host:9000"),
        ("file:///data/a", "file:///data/a"),
        ("memory://", "memory://"),
        ("memory://name", "memory://name"),
        ("odd", "odd"),
    ],
)
def test_endpoint(url, name):
    assert endpoint(url) == name


class Peak(Turns):
    """Remembers the most bytes asked for at once."""

    def __init__(self, inner):
        super().__init__(inner, 2)
        self.bytes = self.peak = self.alone = 0

    async def around(self, request, send):
        size = request.size + sum(part.length for part in request.ranges)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)
        try:
            return await super().around(request, send)
        finally:
            self.bytes -= size


@given(st.lists(st.integers(0, 100), min_size=1, max_size=40), st.integers(1, 150), st.integers(1, 10))
def test_bytes_are_bounded_and_everybody_gets_in_in_order(sizes, max_bytes, requests):
    async def run():
        inner = Peak(MemoryStore("bounded"))
        store = Limit(inner, requests=requests, max_bytes=max_bytes)
        await asyncio.gather(*(store.get(f"k/{n}", ByteRange(0, size)) for n, size in enumerate(sizes)))
        assert [request.key for request in inner.calls] == [f"k/{n}" for n in range(len(sizes))]
        assert inner.most <= requests
        assert inner.peak <= max(max_bytes, *sizes)
        assert store.in_flight == (0, 0)

    asyncio.run(run())


async def test_a_large_request_is_not_starved():
    inner = Held(MemoryStore())
    store = Limit(inner, requests=10, max_bytes=100)
    calls = [asyncio.create_task(store.get("small", ByteRange(0, 60)))]
    calls += [asyncio.create_task(store.get("large", ByteRange(0, 1000)))]
    calls += [asyncio.create_task(store.get("late", ByteRange(0, 1))) for _ in range(3)]
    await turns()
    assert [request.key for request in inner.calls] == ["small"]
    inner.let_go(0)
    await turns()
    assert [request.key for request in inner.calls] == ["small", "large"]
    assert store.in_flight == (1, 1000)
    inner.let_go(1)
    await turns()
    assert len(inner.calls) == 5
    for number in (2, 3, 4):
        inner.let_go(number)
    await asyncio.gather(*calls)
    assert store.in_flight == (0, 0)


async def test_who_is_cancelled_in_the_queue_makes_room():
    inner = Held(MemoryStore())
    store = Limit(inner, requests=10, max_bytes=100)
    first = asyncio.create_task(store.get("a", ByteRange(0, 50)))
    large = asyncio.create_task(store.get("b", ByteRange(0, 100)))
    small = asyncio.create_task(store.get("c", ByteRange(0, 50)))
    await turns()
    large.cancel()
    await turns()
    assert [request.key for request in inner.calls] == ["a", "c"]
    inner.let_go(0)
    inner.let_go(1)
    await asyncio.gather(first, small)
    assert store.in_flight == (0, 0)


async def test_cancelled_in_the_moment_of_admission():
    inner = Held(MemoryStore())
    store = Limit(inner, requests=1)

    async def first_one():
        await store.head("a")
        second.cancel()  # its turn has just come, but it has not run yet

    first = asyncio.create_task(first_one())
    second = asyncio.create_task(store.head("b"))
    third = asyncio.create_task(store.head("c"))
    await turns()
    inner.let_go(0)
    await first
    await turns()
    assert second.cancelled()
    assert [request.key for request in inner.calls] == ["a", "c"]
    inner.let_go(1)
    await third
    assert store.in_flight == (0, 0)


async def test_cancellation_anywhere_leaves_no_token():
    inner = Turns(MemoryStore(), 2)
    store = Limit(inner, requests=2, max_bytes=100)
    await inner.inner.set("k", b"x" * 100)

    async def crowd():
        await asyncio.gather(
            *(store.get("k", ByteRange(0, 60)) for _ in range(3)), store.head("k"), store.set("j", b"x" * 200)
        )

    async def check():
        await turns(3)
        assert store.in_flight == (0, 0)
        assert inner.inside == 0
        async with asyncio.timeout(5):
            await store.get("k", ByteRange(0, 100))

    assert await cancel_everywhere(crowd, check) > 10


async def test_an_error_gives_its_room_back():
    store = Limit(MemoryStore(), requests=1)
    await store.inner.aclose()
    for _ in range(3):
        with pytest.raises(Exception, match="closed"):
            await store.get("k")
    assert store.in_flight == (0, 0)


async def test_what_is_not_known_is_estimated_and_trued_up():
    inner = Held(MemoryStore())
    store = Limit(inner, max_bytes=10_000, estimate=100)
    await inner.inner.set("k", b"x" * 5000)
    read = asyncio.create_task(store.get("k"))
    await inner.begun(1)
    assert store.in_flight == (1, 100)
    inner.let_go(0)
    await read
    assert store.estimate == 5000  # at once
    ranges = asyncio.create_task(store.get_ranges("k", [ByteRange(0, 10), ByteRange(4000)]))
    await inner.begun(2)
    assert store.in_flight == (1, 5010)
    inner.let_go(1)
    await ranges
    assert store.estimate == 4600  # slowly
    missing = asyncio.create_task(store.get("missing"))
    await inner.begun(3)
    inner.let_go(2)
    assert await missing is None
    assert store.estimate == 4600


async def test_a_listing_holds_no_slot_between_its_steps():
    store = Limit(MemoryStore(), requests=1)
    for number in range(5):
        await store.set(f"k/{number}", b"x")
    async with asyncio.timeout(5):
        seen = [(key, await store.get(key)) async for key in store.list("k/")]
    assert len(seen) == 5


async def test_each_loop_has_its_own_count():
    shelf = MemoryStore()
    held = Held(shelf)
    store = Limit(held, requests=1, share="loops")
    mine = asyncio.create_task(store.head("k"))
    await held.begun(1)
    answers = []

    def elsewhere():
        async def run():
            answers.append(await Limit(shelf, requests=1, share="loops").set("k", b"x"))

        asyncio.run(run())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join, 10)
    assert len(answers) == 1
    held.let_go(0)
    await mine
    assert store.in_flight == (0, 0)


@pytest.mark.parametrize("wrong", [{"requests": 0}, {"max_bytes": 0}])
def test_no_room_at_all_is_refused(wrong):
    with pytest.raises(ValueError, match="at least one"):
        Limit(MemoryStore(), **wrong)
