"""Coalesce: reads of one turn become one request, each caller gets its bytes, and nothing is mixed or left."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.errors import PreconditionFailed, Unavailable
from asynczarr.middleware.coalesce import Coalesce
from asynczarr.store import MemoryStore
from asynczarr.testing import Fault, FaultyStore, StoreContract
from asynczarr.types import ByteRange

from .harness import INNERS, Held, Turns, cancel_everywhere, others, turns

VALUE = bytes(range(256)) * 40


class TestContract(StoreContract):
    @pytest.fixture(params=INNERS)
    async def store(self, request):
        async with Coalesce(INNERS[request.param](), gap=8) as store:
            yield store
            assert store._open == {}


async def _store(**options):
    inner = Turns(MemoryStore())
    await inner.inner.set("k", VALUE)
    return inner, Coalesce(inner, **options)


@pytest.mark.every_loop
async def test_one_request_for_all_of_a_turn():
    inner, store = await _store(gap=10, max_size=1000)
    ranges = [ByteRange(0, 10), ByteRange(20, 30), ByteRange(41, 50), ByteRange(5000, 5100), ByteRange(0, 10)]
    values = await asyncio.gather(*(store.get("k", part) for part in ranges))
    assert [bytes(value) for value in values] == [VALUE[part.start : part.stop] for part in ranges]
    assert [(one.verb, one.ranges) for one in inner.calls] == [
        ("get_ranges", (ByteRange(0, 30), ByteRange(41, 50), ByteRange(5000, 5100)))
    ]


async def test_get_and_get_ranges_and_open_ranges_together():
    inner, store = await _store(gap=0)
    first, parts, last, rest = await asyncio.gather(
        store.get("k", ByteRange(0, 4)),
        store.get_ranges("k", [ByteRange(4, 8), ByteRange(-3), ByteRange(2, 6)]),
        store.get("k", ByteRange(-3)),
        store.get("k", ByteRange(10_000)),
    )
    assert bytes(first) == VALUE[:4]
    assert [bytes(data) for data in parts.data] == [VALUE[4:8], VALUE[-3:], VALUE[2:6]]
    assert (parts.size, parts.version) == (len(VALUE), (await store.head("k")).version)
    assert (bytes(last), bytes(rest)) == (VALUE[-3:], VALUE[10_000:])
    assert inner.calls[0].ranges == (ByteRange(0, 8), ByteRange(-3), ByteRange(10_000))
    assert len(inner.calls) == 2  # and the head


async def test_what_has_no_company_is_asked_as_it_is():
    inner, store = await _store()
    assert bytes(await store.get("k", ByteRange(3, 6))) == VALUE[3:6]
    assert bytes(await store.get("k")) == VALUE
    assert await store.get("missing", ByteRange(3, 6)) is None
    assert [(one.verb, one.key, one.ranges) for one in inner.calls] == [
        ("get", "k", (ByteRange(3, 6),)),
        ("get", "k", ()),
        ("get", "missing", (ByteRange(3, 6),)),
    ]


async def test_keys_and_versions_are_kept_apart():
    inner, store = await _store()
    await inner.inner.set("j", b"other")
    version = (await inner.inner.head("k")).version
    results = await asyncio.gather(
        store.get("k", ByteRange(0, 1)),
        store.get("k", ByteRange(1, 2)),
        store.get("j", ByteRange(0, 1)),
        store.get_ranges("k", [ByteRange(0, 1)], if_version=version),
        store.get_ranges("k", [ByteRange(0, 1)], if_version="another"),
        return_exceptions=True,
    )
    assert [bytes(value) for value in results[:3]] == [VALUE[:1], VALUE[1:2], b"o"]
    assert isinstance(results[4], PreconditionFailed)
    assert len(inner.calls) == 4


async def test_another_turn_is_another_request():
    inner = Held(MemoryStore())
    await inner.inner.set("k", VALUE)
    store = Coalesce(inner)
    first = asyncio.create_task(store.get("k", ByteRange(0, 1)))
    await inner.begun(1)
    second = asyncio.create_task(store.get("k", ByteRange(1, 2)))
    await inner.begun(2)
    inner.let_go(0)
    inner.let_go(1)
    assert [bytes(await task) for task in (first, second)] == [VALUE[:1], VALUE[1:2]]


async def test_nobody_gets_an_answer_older_than_the_question():
    _, store = await _store()

    async def write_and_read(number):
        await store.set("k", b"%03d" % number)
        return int(bytes(await store.get("k", ByteRange(0, 3))))

    answers = await asyncio.gather(*(write_and_read(number) for number in range(20)))
    assert all(answer >= number for number, answer in enumerate(answers))


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 50)), min_size=1, max_size=20), st.integers(0, 40))
def test_every_caller_gets_its_slice(bounds, gap):
    async def run():
        inner = Turns(MemoryStore())
        await inner.inner.set("k", VALUE[:256])
        store = Coalesce(inner, gap=gap, max_size=100)
        ranges = [ByteRange(start, start + length) for start, length in bounds]
        values = await asyncio.gather(*(store.get("k", part) for part in ranges))
        assert [bytes(value) for value in values] == [VALUE[:256][part.start : part.stop] for part in ranges]
        assert len(inner.calls) == 1

    asyncio.run(run())


async def test_an_error_is_everybodys_and_each_has_its_own():
    inner = FaultyStore(MemoryStore(), [Fault("before", error=lambda: Unavailable("500"))])
    await inner.inner.set("k", VALUE)
    store = Coalesce(inner)
    calls = [store.get("k", ByteRange(number, number + 1)) for number in range(3)]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in errors] == [Unavailable] * 3
    assert len({id(error) for error in errors}) == 3
    assert {error.key for error in errors} == {"k"}
    assert inner.calls == {"get_ranges": 1}


async def test_a_cancelled_caller_leaves_the_others_alone():
    inner = Held(MemoryStore())
    await inner.inner.set("k", VALUE)
    store = Coalesce(inner)
    tasks = [asyncio.create_task(store.get("k", ByteRange(number, number + 1))) for number in range(3)]
    await inner.begun(1)
    tasks[0].cancel()
    await turns()
    assert tasks[0].cancelled()
    assert inner.running == {0}
    inner.let_go(0)
    assert [bytes(await task) for task in tasks[1:]] == [VALUE[1:2], VALUE[2:3]]
    assert len(inner.calls) == 1


async def test_the_last_caller_takes_the_request_along():
    inner = Held(MemoryStore())
    store = Coalesce(inner)
    tasks = [asyncio.create_task(store.get("k", ByteRange(number, number + 1))) for number in range(3)]
    await inner.begun(1)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert inner.running == set()
    assert others() == set()


async def test_cancellation_anywhere_leaves_nothing():
    inner, store = await _store()

    async def crowd():
        await asyncio.gather(*(store.get("k", ByteRange(number, number + 1)) for number in range(3)))

    async def check():
        assert inner.inside == 0
        assert store._open == {}

    assert await cancel_everywhere(crowd, check) >= 5


def test_two_loops_share_a_store():
    inner = Turns(MemoryStore())
    store = Coalesce(inner)
    for number in range(2):

        async def run(number=number):
            await store.set("k", VALUE)
            values = await asyncio.gather(*(store.get("k", ByteRange(n, n + 1)) for n in range(5)))
            assert b"".join(values) == VALUE[:5]
            assert len(inner.calls) == 2 * (number + 1)

        asyncio.run(run())


@pytest.mark.parametrize("wrong", [{"gap": -1}, {"max_size": -1}])
def test_negative_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="negative"):
        Coalesce(MemoryStore(), **wrong)
