"""The engine around chunks that cost nothing: what one job, hop, chunk or box takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import asynczarr as az
from asynczarr.codec import pool
from asynczarr.stream.budget import ByteBudget
from asynczarr.stream.window import Window
from benchmarks.layout import DTYPE, Grid
from benchmarks.synthetic import SyntheticStore

_JOBS = 1000


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def _store() -> SyntheticStore:
    return SyntheticStore(Grid((256 * _JOBS,), (256,)), np.zeros(256, DTYPE))


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "as completed"])
def test_job_in_a_window(benchmark: BenchmarkFixture, runner: asyncio.Runner, ordered: bool) -> None:
    async def job() -> None:
        """Nothing."""

    async def jobs() -> None:
        window: Window[None] = Window(slots=8, budget=ByteBudget(2**20), ordered=ordered)
        for _ in range(_JOBS):
            while not window.admits(1):
                window.budget.release((await window.pop())[1])
            window.launch(job(), 1)
        while window:
            window.budget.release((await window.pop())[1])

    benchmark.extra_info["per"] = _JOBS
    benchmark(lambda: runner.run(jobs()))


def test_hop_to_a_thread(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    async def hops() -> None:
        for _ in range(100):
            await pool.run(int)

    benchmark.extra_info["per"] = 100
    benchmark(lambda: runner.run(hops()))


def test_chunk_of_a_stream(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    async def stream() -> int:
        async with az.open_array(_store()) as array:
            return len([0 async for _ in array.stream_chunks()])

    benchmark.extra_info["per"] = _JOBS
    assert benchmark(lambda: runner.run(stream())) == _JOBS


def test_chunk_of_a_read(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    async def read() -> int:
        async with az.open_array(_store()) as array:
            return len(await array.read())

    benchmark.extra_info["per"] = _JOBS
    assert benchmark(lambda: runner.run(read())) == 256 * _JOBS


def test_read_of_one_small_chunk(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    async def reads() -> None:
        async with az.open_array(_store()) as array:
            for number in range(100):
                await array[256 * number : 256 * (number + 1)].read()

    benchmark.extra_info["per"] = 100
    benchmark(lambda: runner.run(reads()))


def test_open(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    store = _store()

    async def opens() -> None:
        for _ in range(100):
            await az.open_array(store)

    benchmark.extra_info["per"] = 100
    benchmark(lambda: runner.run(opens()))
