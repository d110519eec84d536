"""A listing that breaks goes on: no name twice, none lost, in whatever order the store lists."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynczarr.errors import ConnectionFailed, Forbidden, Throttled, Unavailable
from asynczarr.middleware import Retry, RetryBudget
from asynczarr.store import MemoryStore

from .kit import Scripted, policy, take, virtual


class Shuffled(MemoryStore):
    """Lists in another order each time."""

    def __init__(self, seed=0):
        super().__init__()
        self.order = random.Random(seed)
        self.open = 0

    async def list(self, prefix=""):
        self.open += 1
        try:
            names = [name async for name in super().list(prefix)]
            self.order.shuffle(names)
            for name in names:
                await asyncio.sleep(0)
                yield name
        finally:
            self.open -= 1


async def filled(store, count):
    for number in range(count):
        await store.set(f"a/{number}", b"")
    return [f"a/{number}" for number in range(count)]


async def drain(names):
    return [name async for name in names]


@pytest.mark.parametrize("store", [MemoryStore, Shuffled])
@virtual
async def test_it_goes_on_where_it_broke(store):
    names = await filled(inner := store(), 100)
    scripted = Scripted((10, ConnectionFailed("1")), (0, Unavailable("2")), (50, Throttled("3")), inner=inner)
    assert sorted(await drain(Retry(scripted, policy=policy()).list())) == sorted(names)
    assert scripted.calls == ["list"] * 4
    scripted.script = [(10, ConnectionFailed("1"))]
    assert sorted(await drain(Retry(scripted, policy=policy()).list_dir("a/"))) == sorted(map(str, range(100)))
    assert scripted.calls[4:] == ["list_dir"] * 2


@virtual
async def test_attempts_count_from_the_last_progress():
    """Two dozen breaks are survived, since each time some names more arrive; six without progress are the end."""
    names = await filled(inner := MemoryStore(), 240)
    scripted = Scripted(*((number, ConnectionFailed("no")) for number in range(10, 240, 10)), inner=inner)
    assert sorted(await drain(Retry(scripted, policy=policy()).list())) == sorted(names)
    assert scripted.calls == ["list"] * 24
    scripted.script = [(10, ConnectionFailed(str(number))) for number in range(9)]
    got = []
    with pytest.raises(ConnectionFailed, match="5") as caught:
        await take(Retry(scripted, policy=policy()).list(), got)
    assert len(got) == 10
    assert caught.value.attempts == 6
    assert scripted.calls[24:] == ["list"] * 6


@virtual
async def test_what_does_not_pass_ends_it():
    scripted = Scripted((0, Forbidden("no")))
    with pytest.raises(Forbidden):
        await drain(Retry(scripted, policy=policy()).list())
    scripted.script = [(0, Unavailable("no")), Forbidden("no")]
    with pytest.raises(Forbidden):
        await drain(Retry(scripted, policy=policy()).list())
    assert scripted.calls == ["list"] * 3


@virtual
async def test_names_that_come_and_go_meanwhile():
    inner = MemoryStore()
    await filled(inner, 10)
    scripted = Scripted((5, ConnectionFailed("no")), inner=inner)
    got = []
    async for name in Retry(scripted, policy=policy()).list():
        got.append(name)
        if len(got) == 5:
            await inner.delete("a/0")
            await inner.delete("a/9")
            await inner.set("a/05", b"")
    assert sorted(got) == sorted([*(f"a/{number}" for number in range(9)), "a/05"])


@virtual
async def test_what_is_not_remembered_by_name_is_compared():
    names = await filled(inner := MemoryStore(), 100)
    scripted = Scripted((80, ConnectionFailed("no")), (95, ConnectionFailed("no")), inner=inner)
    assert await drain(Retry(scripted, policy=policy(), remember=10).list()) == sorted(names)
    assert scripted.calls == ["list"] * 3


@pytest.mark.parametrize("change", ["more", "fewer", "another order"])
@virtual
async def test_it_says_so_where_it_cannot_go_on(change):
    inner = Shuffled() if change == "another order" else MemoryStore()
    await filled(inner, 100)
    scripted = Scripted((80, ConnectionFailed("no")), inner=inner)
    got = []

    async def meddle():
        if len(got) == 80 and change == "more":
            await inner.set("a/500", b"")
        if len(got) == 80 and change == "fewer":
            await inner.delete_many([f"a/{number}" for number in (50, *range(60, 100))])

    with pytest.raises(Unavailable, match="has changed since"):
        await take(Retry(scripted, policy=policy(), remember=10).list(), got, meddle)
    assert len(got) == len(set(got)) == 80


@settings(max_examples=50)
@given(
    count=st.integers(0, 60),
    breaks=st.lists(st.integers(0, 60), max_size=5),
    seed=st.integers(0, 9),
    remember=st.integers(0, 70),
)
def test_any_breaks(count, breaks, seed, remember):
    """Whatever breaks: each name once, all of them or an error."""

    @virtual
    async def run():
        inner = Shuffled(seed)
        names = await filled(inner, count)
        scripted = Scripted(*((number, ConnectionFailed("no")) for number in breaks), inner=inner)
        got = []
        try:
            async for name in Retry(scripted, policy=policy(), remember=remember).list():
                got.append(name)
        except Unavailable as error:
            if remember >= count:
                raise AssertionError("it must go on") from error
        else:
            assert sorted(got) == sorted(names)
        assert len(got) == len(set(got))
        assert inner.open == 0

    run()


@virtual
async def test_left_early_nothing_stays_open():
    inner = Shuffled()
    await filled(inner, 20)
    names = Retry(Scripted((5, ConnectionFailed("no")), inner=inner), policy=policy()).list()
    for _ in range(10):
        await anext(names)
    assert inner.open == 1
    await names.aclose()
    assert inner.open == 0


@virtual
async def test_cancelled_at_every_turn():
    for moment in range(100):
        inner = Shuffled()
        budget = RetryBudget()
        await filled(inner, 5)
        scripted = Scripted((2, ConnectionFailed("1")), (3, ConnectionFailed("2")), inner=inner)
        retry = Retry(scripted, policy=policy(budget=budget, rand=lambda: 0.0))
        task = asyncio.create_task(drain(retry.list()))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert inner.open == 0
        assert len(asyncio.all_tasks()) == 1
        assert 500 - 28 <= budget.tokens <= 500
        if not task.cancelled():
            assert len(task.result()) == 5
            return
    raise AssertionError("it never ended")
