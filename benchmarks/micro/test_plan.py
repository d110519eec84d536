"""Planning: from a selection to batches of fetches. Figures are for one chunk, of random boxes for one box."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from asynczarr.selection import Selection, basic
from asynczarr.stream.plan import BATCH_BYTES, Batch, batches, fetches
from asynczarr.stream.stored import StoredArray
from benchmarks.micro.arrays import stored_of


def _drain(array: StoredArray, selection: Selection) -> int:
    planned = batches(fetches(array, selection.project(array.axes)), target=BATCH_BYTES, ramp=False)
    return sum(len(fetch.pieces) for batch in planned for fetch in batch.fetches)


@pytest.mark.parametrize("layout", ["16K", "16K/8M"])
def test_whole(benchmark: BenchmarkFixture, layout: str) -> None:
    array = stored_of(layout, 64)
    benchmark.extra_info["per"] = 4096
    assert benchmark(_drain, array, basic((), array.shape)) == 4096


def test_every_third_element(benchmark: BenchmarkFixture) -> None:
    array = stored_of("16K", 64)
    benchmark.extra_info["per"] = 4096
    assert benchmark(_drain, array, basic((slice(None, None, 3),) * 3, array.shape)) == 4096


@pytest.mark.parametrize("layout", ["128K", "128K/8M"])
def test_random_box(benchmark: BenchmarkFixture, layout: str) -> None:
    array = stored_of(layout, 64)
    corners = np.random.default_rng(0).integers(1, 200, (100, 3)).tolist()

    def boxes() -> None:
        for corner in corners:
            box = basic(tuple(slice(at, at + 32) for at in corner), array.shape)
            deque(fetches(array, box.project(array.axes)), 0)

    benchmark.extra_info["per"] = len(corners)
    benchmark(boxes)


def test_first_batch_of_a_million(benchmark: BenchmarkFixture) -> None:
    array = stored_of("16K", 2**14)
    selection = basic((), array.shape)

    def first() -> Batch:
        return next(batches(fetches(array, selection.project(array.axes)), target=BATCH_BYTES, ramp=True))

    assert benchmark(first).fetches
