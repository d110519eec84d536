"""The parts of the engine by themselves: window, budget, gather, limits, coverage of an object by patches."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import asynczarr as az
from asynczarr.selection import basic
from asynczarr.stream.budget import ByteBudget
from asynczarr.stream.edit import Edit, Patch
from asynczarr.stream.limits import _state, first_alone, key_lock
from asynczarr.stream.load import gather
from asynczarr.stream.window import Window

from .support import nothing_left

pytestmark = pytest.mark.every_loop


async def _value(value: Any, seconds: float = 0.0) -> Any:
    await asyncio.sleep(seconds)
    return value


async def _after(turns: int, value: Any) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    return value


async def _at_once(value: Any) -> Any:
    if isinstance(value, BaseException):
        raise value
    return value


async def _error(seconds: float, error: BaseException | None = None) -> None:
    await asyncio.sleep(seconds)
    raise error or ZeroDivisionError


def _window(slots: int = 10, limit: int = 100, *, ordered: bool = True) -> Window[Any]:
    return Window(slots=slots, budget=ByteBudget(limit), ordered=ordered)


async def test_order() -> None:
    for ordered, expected in ((True, [0, 1, 2]), (False, [2, 1, 0])):
        window = _window(ordered=ordered)
        async with nothing_left():
            for number in range(3):
                window.launch(_after(10 - 4 * number, number), 1)
            assert [(await window.pop())[0] for _ in range(3)] == expected
            assert len(window) == 0


async def test_slots_and_bytes() -> None:
    window = _window(slots=4, limit=100)
    async with nothing_left():
        assert window.admits(1000, slots=40), "alone, everything is admitted"
        window.launch(_value(1), 60, slots=3)
        assert window.admits(40)
        assert not window.admits(41)
        assert not window.admits(1, slots=2)
        assert await window.pop() == (1, 60)
        assert not window.admits(41), "popped, but not released"
        window.budget.release(60)
        assert window.admits(100, slots=4)
    assert (window.budget.used, window.budget.peak) == (0, 60)


@pytest.mark.parametrize("ordered", [True, False])
async def test_the_first_error_cancels_the_rest(ordered: bool) -> None:
    window = _window(ordered=ordered)
    async with nothing_left():
        window.launch(_value(0, 100), 1)
        window.launch(_error(0.001), 1)
        window.launch(_error(0.001, KeyError()), 1)
        with pytest.raises((ZeroDivisionError, KeyError)):
            await window.pop()
        assert window.budget.used == 0
        assert len(window) == 0
        assert not window.admits(1)
        with pytest.raises(StopAsyncIteration):
            await window.pop()


@pytest.mark.parametrize("ordered", [True, False])
async def test_jobs_that_never_wait(ordered: bool) -> None:
    """Under eager tasks they are done before they are launched, so to say."""
    window = _window(ordered=ordered)
    async with nothing_left():
        for number in range(5):
            window.launch(_at_once(number), 1)
        assert sorted([(await window.pop())[0] for _ in range(5)]) == list(range(5))
        window.launch(_at_once(ZeroDivisionError()), 1)
        with pytest.raises(ZeroDivisionError):
            await window.pop()


async def test_a_closed_window_admits_nothing() -> None:
    window = _window()
    window.launch(_value(1, 100), 1)
    await window.aclose()
    await window.aclose()
    assert not window.admits(1)
    assert window.budget.used == 0


async def test_cancelled_jobs_of_others() -> None:
    """Somebody cancels all tasks of the loop, as a shutdown does: the consumer hears of it, and nothing hangs."""
    for ordered in (True, False):
        window = _window(ordered=ordered)
        before = asyncio.all_tasks()
        window.launch(_value(1, 100), 1)
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - before:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(window.pop(), 30)
        await window.aclose()
        assert window.budget.used == 0


def test_budget() -> None:
    with pytest.raises(ValueError, match="positive"):
        ByteBudget(0)
    budget = ByteBudget(10)
    assert budget.admits(11)
    budget.take(4)
    assert budget.admits(6)
    assert not budget.admits(7)


async def test_gather() -> None:
    async with nothing_left():
        assert await gather([]) == []
        assert await gather([_value(1)]) == [1]
        assert await gather([_value(1, 0.01), _value(2), _at_once(3)]) == [1, 2, 3]
        with pytest.raises(ZeroDivisionError):
            await gather([_value(1, 100), _error(0.001), _value(2)])
        with pytest.raises(ZeroDivisionError):
            await gather([_at_once(ZeroDivisionError()), _value(1, 100), _at_once(2)])


async def test_a_timeout_around_a_failed_gather_is_still_a_timeout() -> None:
    """asyncio.TaskGroup of Python 3.11 and 3.12 leaves its caller half cancelled, and this timeout unrecognised."""

    async def fail_and_go_on() -> None:
        with pytest.raises(ZeroDivisionError):
            await gather([_value(1, 100), _error(0.001)])
        await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await fail_and_go_on()


async def test_key_locks_are_fair_and_forgotten() -> None:
    store = az.MemoryStore()
    order: list[int] = []

    async def hold(number: int) -> None:
        async with key_lock(store, "k"):
            order.append(number)
            await asyncio.sleep(0)

    async with nothing_left():
        tasks = [asyncio.ensure_future(hold(number)) for number in range(6)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        await asyncio.wait(tasks)
    assert order == [0, 1, 2, 4, 5]
    assert _state(store).locks == {}


async def test_first_alone() -> None:
    store = az.MemoryStore()
    log: list[str] = []

    async def enter(name: str) -> None:
        async with first_alone(store, "k"):
            log.append(f"+{name}")
            await asyncio.sleep(0.005)
            log.append(f"-{name}")

    async with nothing_left():
        await asyncio.gather(enter("a"), enter("b"), enter("c"))
        assert log == ["+a", "-a", "+b", "+c", "-b", "-c"]
        first = asyncio.ensure_future(enter("x"))
        second = asyncio.ensure_future(enter("y"))
        await asyncio.sleep(0.001)
        first.cancel()
        await asyncio.wait([first, second])
        assert log[-2:] == ["+y", "-y"], "the one that was cancelled keeps nobody waiting"
    assert _state(store).first == {}


@given(st.data())
async def test_coverage(data: st.DataObject) -> None:
    """Whether an edit is whole is what marking every element says."""
    shape = data.draw(st.sampled_from([(7,), (10, 6), (4, 5, 3)]))
    chunks = data.draw(st.sampled_from([tuple(n + 2 for n in shape), shape, tuple(-(-n // 2) for n in shape)]))
    array = (await az.create_array(az.MemoryStore(), shape=shape, chunks=chunks, dtype="u1")).stored
    patches: dict[Any, list[Patch]] = {}
    seen = np.zeros(shape, bool)
    for _ in range(data.draw(st.integers(1, 12))):
        region = tuple(
            data.draw(st.integers(0, n - 1))
            if data.draw(st.integers(0, 7)) == 0
            else slice(
                *sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))),
                data.draw(st.sampled_from([1, 1, 1, 2, -1])),
            )
            for n in shape
        )
        seen[region] = True
        selection = basic(region, shape)
        for part in selection.project(array.axes):
            patches.setdefault(part.coords, []).append(Patch(part, np.zeros(selection.shape, "u1")))
    for coords, parts in patches.items():
        region = tuple(
            slice(axis.start(c), axis.start(c) + axis.size(c)) for axis, c in zip(array.axes, coords, strict=True)
        )
        assert Edit(array, coords, parts[0].part.shape, parts).whole == seen[region].all()
