"""A broken body goes on from its last byte, and only if it is still the same value."""

from __future__ import annotations

import asyncio
import random

import pytest

from asynczarr.errors import ConnectionFailed, IntegrityError, Truncated, Unavailable
from asynczarr.middleware import Checksum, Resume, Retry, RetryBudget
from asynczarr.types import ByteRange, Parts

from .kit import Scripted, policy, virtual

VALUE = bytes(random.Random(4).randbytes(10_000))


def cut(arrived, error=Truncated, *, knows=True):
    """Break off after that many bytes."""

    async def play(send):
        answer = await send()
        data = answer.data[0] if isinstance(answer, Parts) else answer
        broken = error("broken off")
        raise broken.keep(bytes(data[:arrived]), play.version) if knows else broken

    play.version = None
    return play


async def scripted(*script):
    store = Scripted(*script)
    version = await store.inner.set("k", VALUE)
    for line in script:
        line.version = version
    return store


@pytest.mark.parametrize("error", [Truncated, ConnectionFailed])
@pytest.mark.parametrize("part", [ByteRange(), ByteRange(100), ByteRange(100, 9000), ByteRange(100, 20_000)])
@virtual
async def test_the_rest_is_asked_for(part, error):
    store = await scripted(cut(1000, error), cut(500, error), cut(1, error))
    assert await Resume(store, policy=policy()).get("k", part) == part.of(VALUE)
    assert store.calls == ["get", *["get_ranges"] * 3]
    store = await scripted(cut(1000, error), cut(500, error))
    parts = await Resume(store, policy=policy()).get_ranges("k", [part])
    assert (parts.data[0], parts.version, parts.size) == (part.of(VALUE), (await store.head("k")).version, 10_000)
    assert store.calls == ["get_ranges"] * 3 + ["head"]


@virtual
async def test_only_what_is_missing_is_asked_for():
    store = await scripted(cut(9_990))
    asked = []
    send = store.inner.get_ranges

    async def spy(key, ranges, *, if_version=None):
        asked.append((list(ranges), if_version))
        return await send(key, ranges, if_version=if_version)

    store.inner.get_ranges = spy
    await Resume(store, policy=policy()).get("k")
    assert asked == [([ByteRange(9_990)], (await store.head("k")).version)]


@pytest.mark.parametrize(
    ("first", "part"),
    [(cut(0), None), (cut(5, knows=False), None), (cut(5), ByteRange(-100))],
    ids=["nothing arrived", "no version", "a suffix"],
)
@virtual
async def test_where_it_cannot_go_on_the_error_passes(first, part):
    store = await scripted(first)
    with pytest.raises(Truncated) as caught:
        await Resume(store, policy=policy()).get("k", part)
    assert store.calls == ["get"]
    assert caught.value.received == b""  # an error keeps no megabytes alive


@virtual
async def test_several_ranges_begin_anew():
    store = await scripted(cut(5))
    with pytest.raises(Truncated):
        await Resume(store, policy=policy()).get_ranges("k", [ByteRange(0, 10), ByteRange(20, 30)])
    assert store.calls == ["get_ranges"]


@virtual
async def test_another_value_is_never_glued_on():
    store = await scripted(cut(5000))

    async def overwritten(send):
        await store.inner.set("k", bytes(10_000))
        return await send()

    store.script += [overwritten]
    with pytest.raises(Truncated):
        await Resume(store, policy=policy()).get("k")
    assert store.calls == ["get", "get_ranges"]
    retrying = Retry(Resume(store, policy=policy()), policy=policy())
    store = await scripted(cut(5000))
    store.script += [overwritten]
    retrying = Retry(Resume(store, policy=policy()), policy=policy())
    assert await retrying.get("k") == bytes(10_000)
    assert store.calls == ["get", "get_ranges", "get"]


@virtual
async def test_a_deleted_value_is_not_half_read():
    store = await scripted(cut(5000))

    async def deleted(send):
        await store.inner.delete("k")
        return await send()

    store.script += [deleted]
    assert await Retry(Resume(store, policy=policy()), policy=policy()).get("k") is None
    assert store.calls == ["get", "get_ranges", "get"]


@virtual
async def test_continuations_end():
    store = await scripted(*(cut(10) for _ in range(9)))
    with pytest.raises(Truncated):
        await Resume(store, times=3, policy=policy()).get("k")
    assert store.calls == ["get", "get_ranges", "get_ranges", "get_ranges"]
    store = await scripted(cut(10), cut(0), cut(10))
    with pytest.raises(Truncated):
        await Resume(store, times=3, policy=policy()).get("k")
    assert store.calls == ["get", "get_ranges"]  # no progress, no patience


@virtual
async def test_the_budget_pays():
    budget = RetryBudget(20)
    store = await scripted(cut(10))
    await Resume(store, policy=policy(budget=budget)).get("k")
    assert budget.tokens == 20
    store = await scripted(cut(10), cut(10), cut(10))
    with pytest.raises(Truncated):
        await Resume(store, policy=policy(budget=budget)).get("k")
    assert budget.tokens == 6
    assert store.calls == ["get", "get_ranges"]


@virtual
async def test_other_failures_of_the_rest_pass():
    store = await scripted(cut(10))
    store.script += [Unavailable("no")]
    with pytest.raises(Unavailable, match="no"):
        await Resume(store, policy=policy()).get("k")


@virtual
async def test_what_does_not_add_up_is_wrong():
    store = await scripted(cut(10))

    async def too_much(send):
        parts = await send()
        return Parts([bytes(parts.data[0]) + b"x"], parts.version, parts.size)

    store.script += [too_much]
    with pytest.raises(IntegrityError):
        await Resume(store, policy=policy()).get("k")


@virtual
async def test_cancelled_at_every_turn():
    for moment in range(30):
        store = await scripted(cut(10), cut(10))
        task = asyncio.create_task(Checksum(Resume(store, policy=policy())).get("k"))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.result() == VALUE
        if not task.cancelled():
            return
    raise AssertionError("it never ended")
