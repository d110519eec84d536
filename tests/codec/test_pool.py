"""The pool bounds threads per loop and never abandons one."""

from __future__ import annotations

import asyncio
import threading
import time

import anyio
import pytest

from asynczarr.codec import pool


@pytest.fixture(autouse=True)
def restore():
    size = pool.pool_size()
    yield
    pool.set_pool_size(size)


async def _most_at_once(calls):
    lock, state = threading.Lock(), {"now": 0, "most": 0}

    def work():
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
        time.sleep(0.01)
        with lock:
            state["now"] -= 1

    await asyncio.gather(*(pool.run(work) for _ in range(calls)))
    return state["most"]


async def test_bounded_and_resizable():
    pool.set_pool_size(2)
    assert await _most_at_once(8) == 2
    pool.set_pool_size(3)
    assert await _most_at_once(9) == 3


async def test_result_and_error():
    assert await pool.run(int, "12") == 12
    with pytest.raises(ValueError, match="invalid literal"):
        await pool.run(int, "x")


async def test_cancellation_waits_for_the_thread():
    done, loop = threading.Event(), asyncio.get_running_loop()

    def work():
        loop.call_soon_threadsafe(scope.cancel)
        time.sleep(0.05)
        done.set()

    with anyio.CancelScope() as scope:
        await pool.run(work)
    assert scope.cancel_called
    assert done.is_set()


async def test_task_cancel_waits_for_the_thread_too():
    begun, done = threading.Event(), threading.Event()

    def work():
        begun.set()
        time.sleep(0.05)
        done.set()

    task = asyncio.create_task(pool.run(work))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


def test_one_limiter_a_loop():
    pool.set_pool_size(1)
    for _ in range(3):
        assert asyncio.run(_most_at_once(2)) == 1


def test_size():
    assert pool.pool_size() >= 1
    with pytest.raises(ValueError, match="at least one"):
        pool.set_pool_size(0)
    assert pool.pool_size() >= 1
