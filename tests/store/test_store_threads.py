"""Threads: bounded under cancellation, and nothing runs on after its caller was told of the end."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from contextvars import ContextVar

import anyio
import pytest

from asynczarr.threads import Threads
from tests.waiting import until


class Gauge:
    """Counts calls that run at the same time, and those that ended."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun = self.running = self.most = self.ended = 0

    def work(self, seconds: float) -> str:
        with self.lock:
            self.begun += 1
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(seconds)
        with self.lock:
            self.running -= 1
            self.ended += 1
        return "done"


async def by_task_cancel(threads, gauge):
    task = asyncio.create_task(threads.run(gauge.work, 0.1))
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_asyncio_timeout(threads, gauge):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await threads.run(gauge.work, 0.1)


async def by_anyio_scope(threads, gauge):
    with anyio.move_on_after(0.03) as scope:
        await threads.run(gauge.work, 0.1)
    assert scope.cancel_called


async def by_impatient_cancel(threads, gauge):
    task = asyncio.create_task(threads.run(gauge.work, 0.1))
    for _ in range(4):
        await asyncio.sleep(0.015)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.every_loop
@pytest.mark.parametrize("cancel", [by_task_cancel, by_asyncio_timeout, by_anyio_scope, by_impatient_cancel])
async def test_cancelled_means_finished(cancel):
    gauge = Gauge()
    await cancel(Threads(1), gauge)
    begun = gauge.begun  # 0 if the thread came too late
    for _ in range(2):
        assert (gauge.begun, gauge.running, gauge.ended) == (begun, 0, begun)
        await asyncio.sleep(0.02)


async def test_cancelled_in_the_queue_means_never_started():
    threads, gauge, release = Threads(1), Gauge(), threading.Event()
    first = asyncio.create_task(threads.run(release.wait, 60))
    second = asyncio.create_task(threads.run(gauge.work, 0))
    await until(lambda: threads.waiting)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    release.set()
    assert await first
    assert await threads.run(lambda: "the next") == "the next"
    assert gauge.begun == 0


async def test_the_bound_holds_under_timeouts():
    threads, gauge = Threads(2), Gauge()

    async def impatient():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await threads.run(gauge.work, 0.03)

    await asyncio.gather(*(impatient() for _ in range(12)))
    assert gauge.most <= 2
    assert gauge.running == 0
    assert await threads.run(gauge.work, 0) == "done"  # and no slot was lost


async def test_cancelled_at_every_step():
    threads = Threads(1)
    for steps in range(8):
        gauge = Gauge()
        task = asyncio.create_task(threads.run(gauge.work, 0.01))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        before = gauge.ended
        await asyncio.sleep(0.02)
        assert (gauge.running, gauge.ended) == (0, before)


async def test_errors_come_through():
    with pytest.raises(ZeroDivisionError):
        await Threads(1).run(lambda: 1 // 0)


def test_each_loop_has_its_own_slots():
    threads = Threads(1)
    for _ in range(2):
        assert asyncio.run(threads.run(lambda: 7)) == 7


def test_a_loop_that_is_closed_is_let_go():
    threads = Threads(1)

    async def work():
        await asyncio.gather(*(threads.run(lambda: 7) for _ in range(3)))
        return weakref.ref(asyncio.get_running_loop())

    loops = [asyncio.run(work()) for _ in range(3)]
    gc.collect()
    assert [loop() for loop in loops] == [None] * 3


def test_no_threads_make_no_sense():
    with pytest.raises(ValueError, match="at least one"):
        Threads(0)


@pytest.mark.parametrize("finish", [True, False], ids=["finished", "cancelled"])
async def test_idle_threads_keep_nothing_alive(finish):
    class Big:
        def work(self):
            time.sleep(0.02)

    threads = Threads(1)
    big = Big()
    alive = weakref.ref(big)
    task = asyncio.create_task(threads.run(big.work))
    if not finish:
        await asyncio.sleep(0.005)
        task.cancel()
    await asyncio.wait([task])
    del big, task
    await until(lambda: alive() is None)


@pytest.mark.every_loop
@pytest.mark.parametrize("steps", range(6))
async def test_who_cancels_every_task_of_the_loop_loses_no_slot(steps):
    threads, gauge = Threads(1), Gauge()
    calls = [asyncio.create_task(threads.run(gauge.work, 0.01)) for _ in range(3)]
    for _ in range(steps):
        await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.wait(calls)
    assert all(task.cancelled() for task in calls)
    before = gauge.ended
    await asyncio.sleep(0.02)
    assert (gauge.running, gauge.ended) == (0, before)
    assert threads.idle == 1
    assert await threads.run(gauge.work, 0) == "done"


async def test_a_thread_goes_on_with_the_next_call():
    threads = Threads(2)
    names = await asyncio.gather(
        *(threads.run(lambda: (time.sleep(0.001), threading.get_ident())[1]) for _ in range(50))
    )
    assert len(set(names)) == 2


async def test_each_call_has_the_context_of_its_caller():
    mark = ContextVar("mark", default=0)
    threads = Threads(1)

    async def call(number):
        mark.set(number)
        return await threads.run(mark.get)

    assert await asyncio.gather(*(asyncio.create_task(call(number)) for number in range(5))) == [0, 1, 2, 3, 4]
    assert mark.get() == 0
