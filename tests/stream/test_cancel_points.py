"""Every operation, cancelled at every turn of the event loop until it completes: nothing is left, nothing is torn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

import asynczarr as az
from asynczarr.codec import pool
from asynczarr.stream.limits import MAX_REQUESTS, _state

from .support import SpyStore, nothing_left, sleeping

SHAPE, SPEC = (8, 8), {"shape": (8, 8), "dtype": "i4", "codecs": ["bytes"]}
LAYOUTS: dict[str, dict[str, Any]] = {"chunks": {"chunks": (4, 4)}, "shards": {"chunks": (2, 4), "shards": (4, 4)}}
OLD, NEW = 1, 2


async def _read(array: az.Array) -> None:
    assert (await array.read(max_bytes=500) == OLD).all()


async def _stream(array: az.Array) -> None:
    async with array.stream_chunks(max_bytes=500) as stream:
        async for chunk in stream:
            assert (chunk.data == OLD).all()


async def _completed(array: az.Array) -> None:
    async with array.stream_chunks(ordered=False, timeout=10) as stream:
        async for chunk in stream:
            assert (chunk.data == OLD).all()


async def _slices(array: az.Array) -> None:
    async with array.stream_slices(1) as stream:
        async for each in stream:
            assert (each.data == OLD).all()


async def _map(array: az.Array) -> None:
    async def value(chunk: az.Chunk) -> int:
        await asyncio.sleep(0)
        return int(chunk.data.max())

    assert set(await array.map_chunks(value, where="loop")) == {OLD}


async def _write(array: az.Array) -> None:
    await array.write(NEW, max_bytes=500)


async def _write_part(array: az.Array) -> None:
    await array[1:7, 1:7].write(NEW)


async def _write_stream(array: az.Array) -> None:
    size = array.chunks[0]
    items = [((slice(row, row + size), slice(None)), np.full((size, 8), NEW, "i4")) for row in range(0, 8, size)]

    async def source() -> Any:
        for item in items:
            await asyncio.sleep(0)
            yield item

    await array.write_stream(source(), max_bytes=300)


async def _copy(array: az.Array) -> None:
    target = SpyStore(script=sleeping(0))
    target.name = "target"
    await az.copy(array, target, chunks=(3, 3), codecs=["bytes", "gzip"])


READS = {each.__name__: each for each in (_read, _stream, _completed, _slices, _map, _copy)}
WRITES = {each.__name__: each for each in (_write, _write_part, _write_stream)}


async def _cancelled_at_turn(turn: int, operation: Callable[[], Awaitable[None]], by_scope: bool) -> bool:
    """Run it and cancel it at a turn of the loop; whether it completed before."""
    loop = asyncio.get_running_loop()
    done = False

    async def run() -> None:
        nonlocal done
        with scope:
            await operation()
            done = True

    scope = anyio.CancelScope()
    task = asyncio.ensure_future(run())

    def tick(left: int) -> None:
        if left:
            loop.call_soon(tick, left - 1)
        elif by_scope:
            scope.cancel()
        else:
            task.cancel()

    tick(turn)
    await asyncio.wait([task])
    if not task.cancelled():
        await task
    return done


def _check_nothing_held(store: Any) -> None:
    state = _state(store)
    assert (state.locks, state.first) == ({}, {})
    assert state.requests._value == MAX_REQUESTS
    assert pool.idle() == pool.pool_size()


@pytest.mark.every_loop
@pytest.mark.parametrize(("layout", "by_scope"), [("chunks", True), ("chunks", False), ("shards", False)])
@pytest.mark.parametrize("name", {**READS, **WRITES})
async def test_cancelled_at_every_turn(name: str, layout: str, by_scope: bool) -> None:
    operation = {**READS, **WRITES}[name]
    turn = 0
    done = False
    while not done:
        store = SpyStore()
        array = await az.create_array(store, **SPEC, **LAYOUTS[layout])
        await array.write(OLD)
        store.script = sleeping(0)
        async with nothing_left():
            done = await _cancelled_at_turn(turn, lambda array=array: operation(array), by_scope)
        assert store.in_flight == 0
        _check_nothing_held(store)
        store.script = None
        await _check_old_or_new(array, whole=name == "_write")
        turn += 1
        assert turn < 2000
    assert turn > 2


async def _check_old_or_new(array: az.Array, *, whole: bool) -> None:
    result = await array.read()
    assert set(np.unique(result).tolist()) <= {OLD, NEW}
    step = 4
    for row in range(0, 8, step):
        for column in range(0, 8, step):
            block = result[row : row + step, column : column + step]
            assert not whole or len(np.unique(block)) == 1, "each stored object is old or new"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["_stream", "_write", "_write_part", "_write_stream"])
async def test_cancelled_at_every_moment_on_disk(name: str, layout: str, tmp_path: Path) -> None:
    """Here threads are at work: they finish what they do before the cancellation is felt."""
    done = False
    wait = 0.0
    while not done:
        root = tmp_path / f"{wait}"
        store = az.FilesystemStore(root, durability="none")
        array = await az.create_array(store, **SPEC, **LAYOUTS[layout])
        await array.write(OLD)
        async with nothing_left():
            task = asyncio.ensure_future({**READS, **WRITES}[name](array))
            await asyncio.wait([task], timeout=wait)
            task.cancel()
            await asyncio.wait([task])
            done = not task.cancelled()
            if done:
                await task
        _check_nothing_held(store)
        before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        await _check_old_or_new(array, whole=name == "_write")
        await asyncio.sleep(0.002)  # a write that went on in the background would land now
        assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
        assert list(root.rglob(".asynczarr.*")) == []
        assert len(before) == 5
        wait = wait * 1.3 + 0.0001
        assert wait < 5
