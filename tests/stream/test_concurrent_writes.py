"""Concurrent writes of parts of one chunk or shard: nobody's part is lost, in one process and across two."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.stream.limits import _state

from . import writers
from .support import Request, SpyStore, SyncSpyStore, nothing_left, sleeping

LAYOUTS: dict[str, dict[str, Any]] = {
    "one chunk": {"shape": 10, "chunks": 10},
    "one shard": {"shape": 10, "chunks": 2, "shards": 10},
    "one shard, compressed": {"shape": 10, "chunks": 5, "shards": 10, "codecs": ["bytes", "zstd", "crc32c"]},
}


async def _create(where: Any, layout: str) -> az.Array:
    return await az.create_array(where, dtype="i4", **LAYOUTS[layout])


@pytest.mark.every_loop
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["memory", "blocking", "async", "filesystem"])
async def test_ten_of_ten_survive(kind: str, layout: str, tmp_path: Path) -> None:
    stores = {
        "memory": az.MemoryStore,
        "blocking": lambda: SyncSpyStore(script=lambda request: time.sleep(0.0003)),
        "async": lambda: SpyStore(script=sleeping(0.0003)),
        "filesystem": lambda: az.FilesystemStore(tmp_path, durability="none"),
    }
    array = await _create(stores[kind](), layout)
    async with nothing_left():
        await asyncio.gather(*[array[n].write(n + 1) for n in range(10)])
    assert (await array.read()).tolist() == list(range(1, 11))
    assert _state(array.store).locks == {}


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_ten_of_ten_by_ten_arrays(layout: str, tmp_path: Path) -> None:
    """Opened ten times, with ten stores that know nothing of each other: the compare-and-swap decides."""
    await _create(tmp_path, layout)
    arrays = [await az.open_array(tmp_path, mode="r+", store_options={"durability": "none"}) for _ in range(10)]
    await asyncio.gather(*[array[n].write(n + 1) for n, array in enumerate(arrays)])
    for array in arrays:
        assert (await array.read()).tolist() == list(range(1, 11))


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_ten_of_ten_across_event_loops(layout: str) -> None:
    """Locks belong to a loop, so between loops in threads only the store's compare-and-swap helps."""
    array = await _create(az.MemoryStore(), layout)

    def write(n: int) -> None:
        asyncio.run(array[n].write(n + 1))

    await asyncio.gather(*[asyncio.to_thread(write, n) for n in range(10)])
    assert (await array.read()).tolist() == list(range(1, 11))


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["one chunk", "one shard"])
async def test_two_processes_lose_nothing(layout: str, tmp_path: Path) -> None:
    spec = {"one chunk": {"shape": 100, "chunks": 100}, "one shard": {"shape": 100, "chunks": 10, "shards": 100}}
    await az.create_array(tmp_path, dtype="i4", **spec[layout])
    for patience in (1.0, 4.0, 16.0):  # a busy machine takes its time to start processes
        with writers.Server() as first, writers.Server() as second:
            begin = time.time() + patience
            first.start("write_every", str(tmp_path), 0, 2, begin)
            second.start("write_every", str(tmp_path), 1, 2, begin)
            together = time.time() < begin
            assert (first.wait(), second.wait()) == (0, 0)
        if together:
            break
        await (await az.open_array(tmp_path, mode="r+")).write(0)
    assert together, "the processes did not start at the same time"
    async with az.open_array(tmp_path) as array:
        assert (await array.read()).tolist() == list(range(1, 101))


async def test_a_stream_and_a_write_share_a_shard() -> None:
    array = await az.create_array(
        SpyStore(script=sleeping(0.0003)), shape=64, chunks=2, shards=64, dtype="i4", codecs=["bytes"]
    )
    even = [(slice(n, n + 1), [n]) for n in range(0, 64, 2)]
    odd = [((slice(n, n + 1),), [n]) for n in range(1, 64, 2)]
    await asyncio.gather(
        array.write_stream([((where,), value) for where, value in even], max_bytes=1), array.write_stream(odd)
    )
    assert (await array.read()).tolist() == list(range(64))


@pytest.mark.every_loop
async def test_a_race_is_lost_and_won_by_trying_again() -> None:
    """Somebody else writes between our read and our write, ten times."""
    array = await _create(SpyStore(), "one chunk")
    rival = await az.open_array(array.store.inner, mode="r+")
    lost = 0

    async def interfere(request: Request) -> None:
        nonlocal lost
        if request.verb == "set" and lost < 5:
            lost += 1
            await rival[lost].write(100 + lost)

    array.store.script = interfere
    await array[0].write(1)
    assert (await array.read()).tolist() == [1, *range(101, 106), 0, 0, 0, 0]
    assert array.store.count("set") == 6


async def test_writers_of_one_chunk_queue_instead_of_colliding() -> None:
    array = await _create(SpyStore(script=sleeping(0.0003)), "one chunk")
    await asyncio.gather(*[array[n].write(n + 1) for n in range(10)])
    assert array.store.count("set") == 10
    assert array.store.count("get_ranges") == 10


async def test_without_compare_and_swap_one_process_still_loses_nothing() -> None:
    for kind in (SpyStore, SyncSpyStore):
        array = await _create(kind(cas=False, create=False), "one shard")
        await asyncio.gather(*[array[n].write(n + 1) for n in range(10)])
        assert (await array.read()).tolist() == list(range(1, 11))
        await asyncio.gather(array.write(5), *[array[n].write(n + 1) for n in range(10)])
        assert set((await array.read()).tolist()) <= {5, *range(1, 11)}


async def test_readers_see_old_or_new_chunks() -> None:
    """While a chunk is written again and again, nobody reads half of it."""
    array = await az.create_array(
        SpyStore(script=sleeping(0)), shape=(8, 64), chunks=(4, 64), shards=(8, 64), dtype="i4"
    )
    stop = False

    async def write() -> None:
        for value in range(1, 60):
            await array.write(np.full((8, 64), value))

    async def read() -> None:
        while not stop:
            result = await array.read()
            assert len(np.unique(result[:4])) == 1
            assert len(np.unique(result)) == 1, "both chunks are in one shard, of which an old or a new state is read"

    readers = [asyncio.ensure_future(read()) for _ in range(3)]
    await write()
    stop = True
    await asyncio.gather(*readers)


async def test_erasing_while_others_write() -> None:
    """Chunks that become all fill value are deleted only if nobody has written them meanwhile."""
    store = SpyStore(script=sleeping(0.0002))
    await az.create_array(store, shape=10, chunks=10, dtype="i4")
    array = await az.open_array(store, mode="r+", options=az.NodeOptions(write_empty_chunks=False))
    for _ in range(10):
        await array[0].write(1)
        await asyncio.gather(array[0].write(0), *[array[n].write(n) for n in range(1, 10)])
        assert (await array.read()).tolist() == list(range(10))
        await asyncio.gather(*[array[n].write(0) for n in range(10)])
        assert await array.nchunks_stored() == 0


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_erasing_where_deletion_knows_no_condition(layout: str) -> None:
    """What becomes all fill value is then stored as such: an unconditional deletion could take what others wrote."""
    store = SpyStore(script=sleeping(0.0002), cas_delete=False)
    await _create(store, layout)
    array = await az.open_array(store, mode="r+", options=az.NodeOptions(write_empty_chunks=False))
    for _ in range(10):
        await array[0].write(1)
        await asyncio.gather(array[0].write(0), *[array[n].write(n) for n in range(1, 10)])
        assert (await array.read()).tolist() == list(range(10))
        await asyncio.gather(*[array[n].write(0) for n in range(10)])
        await array[3].write(0)
        assert (await array.read()).tolist() == [0] * 10
    assert store.count("set") > 0 == store.count("delete")
