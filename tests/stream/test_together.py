"""Many small reads at the same time: each chunk once, each read with its own fate."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.codec import pool
from asynczarr.stream.read import MANY_WAITING
from tests.waiting import until

from .support import SyncSpyStore, filled, nothing_left

SPECS: dict[str, dict[str, Any]] = {
    "chunks": {"shape": (64, 64), "chunks": (8, 8), "dtype": "i4"},
    "shards": {"shape": (64, 64), "chunks": (4, 4), "shards": (32, 32), "dtype": "i4"},
    "one by one": {"shape": (64, 64), "chunks": (8, 8), "dtype": "i4", "codecs": ["bytes", "crc32c"]},
    "plain": {"shape": (64, 64), "chunks": (8, 8), "dtype": "i4", "codecs": ["bytes"]},
    "rectilinear": {"shape": (64, 64), "chunks": [[5, 59], [40, 24]], "dtype": "i4"},
}
BUSY = pool.pool_size() + MANY_WAITING
"""Reads that go ahead of those that are done together."""


class Gate:
    """Holds every request for a chunk until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()

    def __call__(self, request: object) -> None:
        assert self._open.wait(30)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()  # a test that failed leaves no thread behind


async def queued(array: az.Array, regions: list[Any]) -> list[asyncio.Task[Any]]:
    """Reads of the first element that keep the threads busy, then those of `regions`, which wait together."""
    ahead = [asyncio.create_task(array[0:1, 0:1].read()) for _ in range(BUSY)]
    tasks = [asyncio.create_task(array[region].read()) for region in regions]
    while pool.waiting() < MANY_WAITING + len(regions):
        await asyncio.sleep(0.001)
    return [*tasks, *ahead]


def boxes(count: int) -> list[tuple[slice, slice]]:
    corners = np.random.default_rng(5).integers(0, 50, (count, 2)).tolist()
    return [(slice(y, y + 14), slice(x, x + 14)) for y, x in corners]


@pytest.mark.every_loop
@pytest.mark.parametrize("spec", SPECS)
async def test_each_chunk_is_read_once(spec: str, gate: Gate) -> None:
    array = await filled(SyncSpyStore(), **SPECS[spec])
    expected = await array.read()
    array.store.script = gate
    array.store.forget()
    async with nothing_left():
        regions = boxes(60)
        tasks = await queued(array, regions)
        gate.open()
        found = await asyncio.gather(*tasks)
    for region, data in zip(regions, found, strict=False):
        np.testing.assert_array_equal(data, expected[region])
    asked = Counter((request.key, request.ranges) for request in array.store.requests)
    array.store.forget()
    await array[0:1, 0:1].read()
    for request in array.store.requests:  # what those asked for that went ahead
        del asked[request.key, request.ranges]
    assert asked
    assert set(asked.values()) == {1}


async def test_nobody_reads_what_was_stored_before_it_began(gate: Gate) -> None:
    array = await filled(SyncSpyStore(), **SPECS["plain"])
    array.store.script = gate
    tasks = await queued(array, boxes(30))
    for key in [key async for key in array.store.inner.list("c/")]:
        await array.store.inner.set(key, np.full((8, 8), -7, "<i4").tobytes())
    late = [asyncio.create_task(array[region].read()) for region in boxes(5)]
    await asyncio.sleep(0)
    gate.open()
    for data in await asyncio.gather(*late):
        assert (data == -7).all()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("spec", ["chunks", "shards", "one by one"])
async def test_only_those_fail_that_want_the_damaged_chunk(spec: str, gate: Gate) -> None:
    array = await filled(SyncSpyStore(), **SPECS[spec])
    expected = await array.read()
    key = "c/3/3" if "shards" not in SPECS[spec] else "c/1/1"
    await array.store.inner.set(key, b"\x00" * 40)
    array.store.script = gate
    regions = boxes(60)
    async with nothing_left():
        tasks = await queued(array, regions)
        gate.open()
        found = await asyncio.gather(*tasks, return_exceptions=True)
    size = 8 if spec != "shards" else 32
    number = int(key[-1])
    hit = [all(part.start < (number + 1) * size and part.stop > number * size for part in region) for region in regions]
    assert 0 < sum(hit) < len(hit)
    for region, data, fails in zip(regions, found, hit, strict=False):
        if fails:
            assert isinstance(data, az.CodecError)
            assert data.key == key
        else:
            np.testing.assert_array_equal(data, expected[region])
    errors = [error for error in found if isinstance(error, Exception)]
    assert len(set(map(id, errors))) == len(errors), "each its own: a traceback belongs to one task"


async def test_nobody_is_forgotten_when_a_round_cannot_be_made(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    array = await filled(SyncSpyStore(), **SPECS["chunks"])
    array.store.script = gate
    monkeypatch.setattr("asynczarr.stream.together._round", broken)
    async with nothing_left(), asyncio.timeout(20):
        tasks = await queued(array, boxes(20))
        gate.open()
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in found[:20]] == [MemoryError] * 20


async def test_missing_chunks_are_the_fill_value(gate: Gate) -> None:
    array = await filled(SyncSpyStore(), **SPECS["chunks"])
    expected = await array.read()
    await array.store.inner.delete("c/3/3")
    expected[24:32, 24:32] = 0
    array.store.script = gate
    regions = boxes(40)
    tasks = await queued(array, regions)
    gate.open()
    for region, data in zip(regions, await asyncio.gather(*tasks), strict=False):
        np.testing.assert_array_equal(data, expected[region])


@pytest.mark.every_loop
async def test_who_leaves_takes_nobody_along(gate: Gate) -> None:
    """Cancelled before its turn, or in the middle of it; nothing is written into a result afterwards."""
    array = await filled(SyncSpyStore(), **SPECS["chunks"])
    expected = await array.read()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    turn = Gate()

    def script(request: Any) -> None:
        gate(request)
        if request.key not in ("c/0/0",):
            loop.call_soon_threadsafe(begun.set)
            turn(request)

    array.store.script = script
    regions = boxes(40)
    outs = [np.full((14, 14), -1, "i4") for _ in regions]
    async with nothing_left():
        ahead = [asyncio.create_task(array[0:1, 0:1].read()) for _ in range(BUSY)]
        tasks = [asyncio.create_task(array[region].read(out=out)) for region, out in zip(regions, outs, strict=True)]
        while pool.waiting() < MANY_WAITING + len(regions):
            await asyncio.sleep(0.001)
        for task in tasks[:10]:
            task.cancel()
        await until(lambda: all(task.cancelled() for task in tasks[:10]))  # what waits is gone though the gate is shut
        gate.open()
        await begun.wait()
        for task in tasks[10:20]:
            task.cancel()
        await asyncio.sleep(0.01)
        held = [task for task in tasks[10:20] if not task.done()]
        turn.open()
        for task in tasks[:20]:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        left = [out.copy() for out in outs[:20]]
        await asyncio.gather(*tasks[20:], *ahead)
        for before, after in zip(left, outs, strict=False):
            np.testing.assert_array_equal(before, after)
    assert held, "a thread was in the middle of some of them, which waited for it"
    for region, out in zip(regions[20:], outs[20:], strict=True):
        np.testing.assert_array_equal(out, expected[region])


def test_loops_in_several_threads_share_a_round() -> None:
    store = az.MemoryStore()
    expected = np.arange(64 * 64, dtype="i4").reshape(64, 64)
    opened: list[az.Array] = []

    async def make() -> None:
        array = await az.create_array(store, **SPECS["chunks"])
        await array.write(expected)
        spy = SyncSpyStore(store)
        opened.append(await az.open_array(spy))

    asyncio.run(make())
    wrong: list[object] = []

    async def work(seed: int) -> None:
        for _ in range(5):
            regions = boxes(150)[seed::2]
            found = await asyncio.gather(*[opened[0][region].read() for region in regions])
            wrong.extend(
                region for region, data in zip(regions, found, strict=True) if (data != expected[region]).any()
            )

    threads = [threading.Thread(target=asyncio.run, args=(work(seed),)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)
