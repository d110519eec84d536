"""Shards of 4096 inner chunks: the index, taking apart, putting together, and merging ranges."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from asynczarr.codec.sharding import ShardLayout
from asynczarr.types import BytesLike, Coords
from benchmarks.micro.arrays import stored_of


@pytest.fixture
def layout() -> ShardLayout:
    shard = stored_of("16K/8M", 32).shard
    assert shard is not None
    return shard


@pytest.fixture
def chunks(layout: ShardLayout) -> dict[Coords, BytesLike]:
    return {tuple(map(int, coords)): bytes(1 + sum(coords)) for coords in np.ndindex(*layout.counts)}


def test_join(benchmark: BenchmarkFixture, layout: ShardLayout, chunks: dict[Coords, BytesLike]) -> None:
    benchmark.extra_info["per"] = prod(layout.counts)
    assert layout.split(benchmark(layout.join, chunks)) == chunks


def test_split(benchmark: BenchmarkFixture, layout: ShardLayout, chunks: dict[Coords, BytesLike]) -> None:
    benchmark.extra_info["per"] = prod(layout.counts)
    assert benchmark(layout.split, layout.join(chunks)) == chunks


def test_decode_index(benchmark: BenchmarkFixture, layout: ShardLayout, chunks: dict[Coords, BytesLike]) -> None:
    shard = layout.join(chunks)
    index = layout.index_range.of(shard)
    benchmark.extra_info["per"] = prod(layout.counts)
    assert len(list(benchmark(layout.decode_index, index, len(shard)).stored())) == len(chunks)
