"""Nothing takes longer than it may."""

from __future__ import annotations

import asyncio

import pytest

from asynczarr.errors import AttemptTimeout, ConnectionFailed, DeadlineExceeded, Unavailable
from asynczarr.middleware import AttemptDeadline, Deadline, Retry, RetryBudget
from asynczarr.middleware.deadline import time_left
from asynczarr.store import MemoryStore
from asynczarr.store.answer import answer_awaited, answer_begins
from asynczarr.types import ByteRange

from .kit import Scripted, after, policy, take, virtual

MIB = 2**20


def now():
    return asyncio.get_running_loop().time()


async def forever(send):
    await asyncio.get_running_loop().create_future()


def answers(head, size, body):
    """Answer as a server does that needs `head` seconds to begin and `body` seconds for `size` bytes."""

    async def play(send):
        await asyncio.sleep(head)
        answer_begins(size)
        await asyncio.sleep(body)
        return await send()

    return play


CALLS = {
    "head": (lambda store: store.head("k"), 10),
    "delete": (lambda store: store.delete("k"), 10),
    "get": (lambda store: store.get("k"), 10 + 64),  # taken for 16 MiB
    "get a part": (lambda store: store.get("k", ByteRange(0, 10)), 25),
    "get a large part": (lambda store: store.get("k", ByteRange(0, 8 * MIB)), 10 + 32),
    "get a tail": (lambda store: store.get("k", ByteRange(5)), 10 + 64),
    "get_ranges": (lambda store: store.get_ranges("k", [ByteRange(0, 4 * MIB), ByteRange(-4 * MIB)]), 10 + 32),
    "set": (lambda store: store.set("k", b"x"), 25),
    "set much": (lambda store: store.set("k", bytes(8 * MIB)), 10 + 32),
    "delete_many": (lambda store: store.delete_many([str(number) for number in range(1000)]), 10 + 100),
}


@pytest.mark.parametrize("call", CALLS)
@virtual
async def test_an_attempt_ends(call):
    do, seconds = CALLS[call]
    store, begun = Scripted(forever), now()
    with pytest.raises(AttemptTimeout) as caught:
        await do(AttemptDeadline(store))
    assert now() - begun == pytest.approx(seconds, abs=0.1)
    assert caught.value.sent  # it may have arrived
    assert caught.value.store == "memory://"
    assert len(store.calls) == 1
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("call", CALLS)
@virtual
async def test_an_attempt_that_is_just_in_time(call):
    do, seconds = CALLS[call]
    await do(AttemptDeadline(Scripted(after(seconds - 0.01))))


@virtual
async def test_head_and_body_are_limited_one_after_the_other():
    store = Scripted(answers(9.9, 100, 14.9), forever, answers(1, 100, 16), answers(9, 8 * MIB, 31.9), forever)
    ours = AttemptDeadline(store)
    await ours.get("k")
    for seconds in (10, 1 + 15):  # now it is known that this store says when an answer begins
        begun = now()
        with pytest.raises(AttemptTimeout):
            await ours.get("k")
        assert now() - begun == pytest.approx(seconds)
    await ours.get("k")
    begun = now()
    with pytest.raises(AttemptTimeout):
        await ours.get("k", ByteRange(0, 100 * MIB))
    assert now() - begun == pytest.approx(10)
    assert store.calls == ["get"] * 5


DOCUMENT = ByteRange(0, 64 * MIB + 1)
"""As a metadata document is read that may have 64 MiB, and has one KiB."""


async def silent(send):
    """A server from which no byte comes, asked by a store that tells how far it is."""
    answer_awaited()
    await forever(send)


@virtual
async def test_a_range_that_is_asked_for_is_no_promise():
    store, begun = Scripted(silent, silent), now()
    await store.inner.set("k", b"v")
    assert await Retry(AttemptDeadline(store), policy=policy()).get_ranges("k", [DOCUMENT])
    assert store.calls == ["get_ranges"] * 3
    assert now() - begun == pytest.approx(2 * 10 + 0.025 + 0.05)
    for ask, seconds in ((DOCUMENT, 120), (None, 120)):
        begun = now()
        with pytest.raises(DeadlineExceeded):
            await Deadline(Scripted(silent)).get("k", ask)
        assert now() - begun == pytest.approx(seconds)


@virtual
async def test_a_store_that_does_not_tell_gets_more_time_only_when_it_needs_it():
    store = Scripted(forever, forever, after(1000), after(200), forever, forever)
    ours, spent = AttemptDeadline(store), []
    await store.inner.set("k", bytes(200))
    for _ in range(3):
        begun = now()
        with pytest.raises(AttemptTimeout):
            await ours.get("k", ByteRange(0, 100 * MIB))
        spent.append(now() - begun)
    assert spent == pytest.approx([10 + 64, 10 + 128, 10 + 256])
    await ours.get("k", ByteRange(0, 100 * MIB))  # a slow line, on which the fourth attempt succeeds
    for ask in (DOCUMENT, ByteRange(0, 100)):
        begun = now()
        with pytest.raises(AttemptTimeout):
            await ours.get("k", ask)
        spent.append(now() - begun)
    assert spent[3:] == pytest.approx([10 + 256, 25], abs=0.1)
    for _ in range(50):
        await ours.get("k", ByteRange(0, 100))
    store.script = [forever]
    begun = now()
    with pytest.raises(AttemptTimeout):
        await ours.get("k", DOCUMENT)
    assert now() - begun == pytest.approx(10 + 64)


@virtual
async def test_several_requests_of_one_call():
    async def play(send):
        for size, head, body in ((100, 9, 14), (20 * MIB, 9, 70), (100, 9, 14)):
            answer_awaited()
            await asyncio.sleep(head)
            answer_begins(size)
            await asyncio.sleep(body)
        return await send()

    async def together(send):
        answer_awaited()
        answer_awaited()
        answer_begins(20 * MIB)
        await asyncio.sleep(5)
        answer_begins(100)
        await asyncio.sleep(70)  # the first body is not held to the time of the second
        return await send()

    store = Scripted(play, together)
    ours = Deadline(AttemptDeadline(store), total=200)
    await ours.get("k")
    await ours.get("k", DOCUMENT)
    assert store.calls == ["get"] * 2


@virtual
async def test_an_answer_that_begins_outside_of_an_attempt_is_nobodys():
    answer_begins(10)

    async def leaves_a_task(send):
        later.append(asyncio.create_task(begins_late()))
        return await send()

    async def begins_late():
        await asyncio.sleep(1)
        answer_begins(10)  # in the context of an attempt that is over

    later = []
    await AttemptDeadline(Scripted(leaves_a_task)).get("k")
    await later[0]


@virtual
async def test_a_silent_attempt_is_tried_again():
    store = Scripted(forever, forever)
    await store.inner.set("k", b"v")
    assert await Retry(AttemptDeadline(store), policy=policy()).get("k", ByteRange(0, 1)) == b"v"
    assert store.calls == ["get"] * 3
    assert store.times[1] - store.times[0] == pytest.approx(25 + 0.025)


@virtual
async def test_all_attempts_together_end_with_the_last_cause():
    store = Scripted(*[forever] * 99)
    chosen = policy(budget=RetryBudget(10**6), attempts=99, rand=lambda: 0.0)
    begun = now()
    with pytest.raises(DeadlineExceeded) as caught:
        await Deadline(Retry(AttemptDeadline(store), policy=chosen), total=105).head("k")
    assert now() - begun == pytest.approx(105)
    assert isinstance(caught.value.__cause__, AttemptTimeout)
    assert (caught.value.store, caught.value.key) == ("memory://", "k")
    assert caught.value.elapsed == pytest.approx(105)
    assert len(store.calls) == 11
    assert len(asyncio.all_tasks()) == 1


@virtual
async def test_the_default_total_and_what_large_values_get():
    for size, seconds in ((1, 120), (15 * MIB, 120), (100 * MIB, 800)):
        begun = now()
        with pytest.raises(DeadlineExceeded) as caught:
            await Deadline(Scripted(forever)).set("k", bytes(size))
        assert now() - begun == pytest.approx(seconds)
        assert isinstance(caught.value.__cause__, TimeoutError)


@virtual
async def test_a_large_answer_gets_its_time_when_it_begins():
    for size, seconds in ((15 * MIB, 120), (100 * MIB, 800)):
        store = Scripted(answers(1, size, 10_000))
        begun = now()
        with pytest.raises(DeadlineExceeded):
            await Deadline(store).get("k")
        assert now() - begun == pytest.approx(seconds)
    store = Scripted(answers(1, 100 * MIB, 390))
    await Deadline(AttemptDeadline(store)).get("k")
    assert store.calls == ["get"]


@virtual
async def test_timeouts_of_others_are_not_taken_for_it():
    for error in (AttemptTimeout("theirs"), DeadlineExceeded("theirs"), TimeoutError("theirs")):

        async def raises(send, error=error):
            raise error

        with pytest.raises(type(error), match="theirs") as caught:
            await Deadline(AttemptDeadline(Scripted(raises))).get("k")
        assert caught.value is error


@virtual
async def test_a_callers_timeout_is_the_callers():
    store = Scripted(forever)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(5):
            await Deadline(AttemptDeadline(store)).get("k")
    assert not isinstance(caught.value, Unavailable | AttemptTimeout | DeadlineExceeded)


@virtual
async def test_deadlines_nest_and_are_known_below():
    left = []

    async def look(send):
        left.append(time_left())
        return await send()

    store = Scripted(look, look)
    await Deadline(Deadline(store, total=100), total=30).get("k")
    await Deadline(Deadline(store, total=30), total=100).get("k")
    assert left == pytest.approx([30, 30])
    assert time_left() == float("inf")


@virtual
async def test_each_step_of_a_listing_has_its_time():
    class Slow(MemoryStore):
        async def list(self, prefix=""):
            for pause in self.pauses:
                await asyncio.sleep(pause)
                yield "k"

    store = Slow()
    store.pauses = [24] * 10
    assert len([name async for name in Deadline(AttemptDeadline(store)).list()]) == 10
    store.pauses = [24, 26, 24]
    got = []
    with pytest.raises(AttemptTimeout):
        await take(AttemptDeadline(store).list(), got, lambda: asyncio.sleep(1000))  # the consumer's time is its own
    assert got == ["k"]
    store.pauses = [24, 121]
    with pytest.raises(DeadlineExceeded):
        await take(Deadline(store).list(), got)


@virtual
async def test_cancelled_at_every_turn():
    for moment in range(30):
        store = Scripted(ConnectionFailed("no"), after(0))
        chosen = policy(rand=lambda: 0.0)
        task = asyncio.create_task(Deadline(Retry(AttemptDeadline(store), policy=chosen)).get("k"))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None
        assert len(asyncio.all_tasks()) == 1
        if not task.cancelled():
            return
    raise AssertionError("it never ended")
