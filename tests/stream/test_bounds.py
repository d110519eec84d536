"""Bytes, requests, threads and time are bounded, whatever the size of the array."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.codec import pool
from asynczarr.stream.decode import TOGETHER_BYTES
from asynczarr.stream.limits import MAX_REQUESTS
from tests.waiting import until

from .support import SpyStore, SyncSpyStore, blocking, filled, nothing_left, sleeping

CHUNK = 64 * 64 * 8
COST = 2 * CHUNK
"""What one chunk of the arrays here counts: encoded and decoded."""

LARGE: dict[str, Any] = {"shape": (1024, 1024), "chunks": (64, 64), "dtype": "f8", "codecs": ["bytes"]}
GZIP = ["bytes", {"name": "gzip", "configuration": {"level": 1}}]
MB = 2**20


@pytest.mark.every_loop
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("store", [lambda: SyncSpyStore(), lambda: SpyStore(script=sleeping(0))], ids=["sync", "async"])
async def test_no_more_than_the_budget_is_alive_while_the_consumer_sleeps(store: Any, ordered: bool) -> None:
    array = await filled(store(), **LARGE)
    for allowed in (1, 3 * COST, 20 * COST + 1):
        array.store.forget()
        stream = array.stream_chunks(max_bytes=allowed, ordered=ordered)
        taken = 0
        async with nothing_left(), stream:
            async for chunk in stream:
                taken += 1
                if taken < 12:
                    await asyncio.sleep(0.003)
                assert stream.bytes_alive <= max(allowed, COST)
                # Seen from the store: what it has handed out, and the consumer has not.
                assert (len(array.store.requests) - taken) * COST <= max(allowed, COST)
                del chunk
        assert taken == 256


@pytest.mark.parametrize("allowed", [1, 3 * COST, 10 * COST])
async def test_a_read_keeps_within_its_budget(allowed: int) -> None:
    array = await filled(SpyStore(), **LARGE)
    array.store.script = sleeping(0.0003)
    await array.read(max_bytes=allowed)
    assert array.store.peak == max(1, allowed // COST)


async def test_what_the_budget_counts_is_what_is_allocated() -> None:
    array = await filled(SpyStore(script=sleeping(0)), **LARGE)
    allowed = 24 * COST  # of 256
    stream = array.stream_chunks(max_bytes=allowed)
    await anext(stream)
    tracemalloc.start()
    try:
        for _ in range(60):
            await anext(stream)
            await asyncio.sleep(0.002)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await stream.aclose()
    assert peak < allowed + 2 * COST + 300_000


async def test_chunks_that_were_placed_are_gone_when_the_next_are_decoded() -> None:
    array = await filled(az.MemoryStore(), **{**LARGE, "shape": (1024, 2048), "chunks": (32, 64), "codecs": GZIP})
    out = np.empty(array.shape, array.dtype)
    await array.read(out=out)  # what is made once
    tracemalloc.start()
    try:
        await array.read(out=out, concurrency=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * TOGETHER_BYTES, "two portions of small chunks"


async def test_slices_count_the_chunks_they_are_read_from() -> None:
    array = await filled(SpyStore(script=sleeping(0)), **LARGE)
    slab = 64 * 1024 * 8
    for allowed in (1, 2 * slab, 6 * slab):
        tracemalloc.start()
        try:
            async for _ in array.stream_slices(0, max_bytes=allowed):
                await asyncio.sleep(0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < max(allowed, slab + allowed // 2) + slab + 2 * COST + 300_000


async def test_slices_read_one_slab_ahead() -> None:
    array = await filled(SpyStore(script=sleeping(0)), **LARGE)
    async with array.stream_slices(0, max_bytes=4 * 64 * 1024 * 8) as stream:
        await anext(stream)
        await until(lambda: array.store.count("get") == 2 * 16)
        await asyncio.sleep(0.05)
        assert array.store.count("get") == 2 * 16, "and no further"
    array.store.forget()
    async with array.stream_slices(0, max_bytes=64 * 1024 * 8) as stream:
        await anext(stream)
        await asyncio.sleep(0.05)
        assert array.store.count("get") == 16


@pytest.mark.every_loop
async def test_two_streams_in_one_task_with_tiny_budgets() -> None:
    """Each may always take one chunk, so neither waits for what the other holds."""
    for store in (SyncSpyStore(), SpyStore(script=sleeping(0))):
        array = await filled(store)
        async with nothing_left(), asyncio.timeout(10):
            first, second = array.stream_chunks(max_bytes=1), array.stream_slices(0, max_bytes=1)
            pairs = 0
            async for chunk in first:
                item = await anext(second)
                assert item.index == pairs
                assert chunk.data.size
                pairs += 1
            await second.aclose()
        assert pairs == 16


async def test_a_chunk_larger_than_the_budget() -> None:
    array = await filled(SpyStore(), shape=(8, 1000), chunks=(1, 1000))
    async with asyncio.timeout(5):
        seen = [chunk.index async for chunk in array.stream_chunks(max_bytes=7)]
        np.testing.assert_array_equal(await array.read(max_bytes=7), np.arange(8000).reshape(8, 1000))
    assert seen == [(row, 0) for row in range(8)]
    assert array.store.peak == 1


@pytest.mark.parametrize("bad", [{"max_bytes": 0}, {"concurrency": 0}])
async def test_limits_that_allow_nothing_are_refused(bad: dict[str, int]) -> None:
    array = await filled(az.MemoryStore())
    with pytest.raises(ValueError, match=r"positive|at least 1"):
        await array.read(**bad)
    with pytest.raises(ValueError, match=r"positive|at least 1"):
        await anext(array.stream_chunks(**bad))


# Requests and threads.


@pytest.mark.every_loop
async def test_requests_in_flight_are_bounded_for_all_readers_together() -> None:
    array = await filled(SpyStore(), shape=(64, 64))
    array.store.script = sleeping(0.002)
    results = await asyncio.gather(*[array.read() for _ in range(8)])
    for result in results:
        np.testing.assert_array_equal(result, results[0])
    assert array.store.peak <= MAX_REQUESTS
    assert array.store.peak > MAX_REQUESTS // 2
    await asyncio.gather(*[array[...].write(1) for _ in range(8)])
    assert array.store.peak <= MAX_REQUESTS


@pytest.mark.parametrize("concurrency", [1, 2, 4, 10])
@pytest.mark.parametrize("timeout", [None, 5.0])
async def test_concurrency_is_the_number_of_requests_in_flight(concurrency: int, timeout: float | None) -> None:
    """Also where many tiny chunks share a thread hop."""
    array = await filled(SpyStore(), shape=(64, 64))
    array.store.script = sleeping(0.0003)
    await array.read(concurrency=concurrency, timeout=timeout)
    assert array.store.peak <= concurrency
    assert array.store.peak > concurrency // 2
    array.store.forget()
    async for _ in array.stream_chunks(concurrency=concurrency, timeout=timeout):
        pass
    assert array.store.peak <= concurrency
    assert array.store.peak > concurrency // 2


async def test_threads_are_bounded_for_all_readers_together() -> None:
    array = await filled(SyncSpyStore(), **LARGE)
    array.store.script = blocking(0.0005)
    await asyncio.gather(*[array.read(concurrency=8) for _ in range(4)])
    assert 1 < array.store.peak <= pool.pool_size()


# 10^8 chunks.

N = 10**8
HUGE: dict[str, dict[str, Any]] = {
    "1-d": {"shape": 4 * N, "chunks": 4},
    "2-d": {"shape": (4 * 10**4, 10**4), "chunks": (4, 1)},
    "sharded": {"shape": 4 * N, "chunks": 4, "shards": 64},
    "beyond 2^63": {"shape": (2**62, 2**62), "chunks": (1, 1)},
}


@pytest.mark.parametrize("spec", HUGE)
@pytest.mark.parametrize("store", [az.MemoryStore, SpyStore], ids=["memory", "async"])
async def test_the_first_of_very_many_chunks(store: Any, spec: str) -> None:
    warm = await filled(store())
    await anext(warm.stream_chunks())
    array = await az.create_array(store(), dtype="u1", **HUGE[spec])
    best = min([await _first_chunk(array) for _ in range(8)])
    assert best < 1, "to walk over millions of chunks takes longer, however quick the machine is"
    tracemalloc.start()
    try:
        stream = array.stream_chunks()
        for _ in range(500):
            await anext(stream)
        view = array[(slice(None, None, -1),) * array.ndim]
        await anext(view.stream_chunks())
        await stream.aclose()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * MB


async def _first_chunk(array: az.Array) -> float:
    """Seconds of CPU time: nothing on the way waits for anything, and another process on the machine does not count."""
    begin = time.process_time()
    async with array.stream_chunks() as stream:
        chunk = await anext(stream)
        took = time.process_time() - begin
    assert chunk.missing
    assert stream.total >= N // 16
    return took


@pytest.mark.parametrize("spec", ["1-d", "sharded"])
@pytest.mark.parametrize("store", [az.MemoryStore, SpyStore], ids=["memory", "async"])
async def test_a_filter_that_rejects_very_many_chunks_does_not_keep_the_loop(store: Any, spec: str) -> None:
    """Nor does it delay the chunks that were found, nor can it not be cancelled."""
    array = await az.create_array(store(), dtype="u1", **HUGE[spec])
    wanted = {(5,), (60_000,)}
    asked = most = 0

    def keep(index: tuple[int, ...]) -> bool:
        nonlocal asked
        asked += 1
        return index in wanted

    async def watch() -> None:
        """How often the filter is called between two turns of the loop, which unlike time does not depend on luck."""
        nonlocal most
        while True:
            before = asked
            await asyncio.sleep(0)
            most = max(most, asked - before)

    async with nothing_left():
        heartbeat = asyncio.ensure_future(watch())
        async with array.stream_chunks(filter=keep) as stream:
            assert (await anext(stream)).index == (5,)
            assert asked < 5000
            assert (await anext(stream)).index == (60_000,)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await anext(stream)
        heartbeat.cancel()
        await asyncio.wait([heartbeat])
        assert 0 < most < 5000
        assert stream.bytes_alive == 0


async def test_a_filter_that_rejects_everything() -> None:
    array = await az.create_array(az.MemoryStore(), shape=20_000, chunks=1, dtype="u1")
    stream = array.stream_chunks(filter=lambda index: False)
    assert [chunk async for chunk in stream] == []
    assert stream.done == 0


# 10 GiB.

VIRTUAL = """
    import asyncio, sys, time
    from pathlib import Path
    import numpy as np
    import asynczarr as az
    from tests_stream_support import SpyStore, VirtualStore

    def peak_rss():  # not ru_maxrss, which a process inherits from the one that started it
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    async def main():
        plain, store = az.MemoryStore(), VirtualStore()
        spec = {"shape": (10 * 1024, 1024, 1024), "chunks": (1, 1024, 1024), "dtype": "u1", "codecs": ["bytes", "zstd"]}
        first = await az.create_array(plain, **spec)
        await first[0].write(np.arange(2**20, dtype="u1").reshape(1024, 1024))
        store.value = bytes(await plain.get("c/0/0/0"))
        array = await az.create_array(store, **spec)
        if sys.argv[1] == "async":
            array = await az.open_array(SpyStore(store))
        before = peak_rss()
        chunks = total = alive = 0
        begin = time.perf_counter()
        stream = array.stream_chunks(max_bytes=64 * 2**20)
        async for chunk in stream:
            chunks += 1
            total += chunk.data.nbytes
            if chunks == 100:
                await asyncio.sleep(0.2)  # time enough to read ahead as far as the budget allows
            alive = max(alive, stream.bytes_alive)
            assert chunk.data[0, 0, 5] == 5 and not chunk.missing
        took = time.perf_counter() - begin
        grown = peak_rss() - before
        print(chunks, total, alive, round(grown, 1), round(took, 2))

    asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak resident memory is read from /proc")
@pytest.mark.parametrize("kind", ["memory", "async"])
async def test_ten_gibibytes_through_64_mebibytes(kind: str, tmp_path: Path) -> None:
    """Real zstd chunks, decoded; peak resident memory is that of the process."""
    script = tmp_path / "stream.py"
    script.write_text(textwrap.dedent(VIRTUAL))
    (tmp_path / "tests_stream_support.py").write_text((Path(__file__).parent / "support.py").read_text())
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), kind, stdout=subprocess.PIPE, env=_environment()
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    chunks, total, alive, grown, took = output.split()
    print(f"10 GiB from {kind}: peak RSS +{grown.decode()} MiB, {took.decode()} s")
    assert (int(chunks), int(total)) == (10 * 1024, 10 * 2**30)
    assert int(alive) <= 64 * MB
    assert int(alive) > 60 * MB or kind == "memory", "two threads read ahead, and no more"
    assert float(grown) < 100


def _environment() -> dict[str, str]:
    import os

    root = Path(az.__file__).parents[1]
    return {**os.environ, "PYTHONPATH": f"{root}"}
