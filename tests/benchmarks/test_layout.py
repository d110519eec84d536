"""The arrays of the suite are what it says they are."""

from __future__ import annotations

import json
from math import prod

import numpy as np
import pytest

from asynczarr.metadata.node import ArrayMetadata
from asynczarr.metadata.v3 import parse_node
from benchmarks import fixture
from benchmarks.layout import CODECS, Grid, document


@pytest.mark.parametrize(("layout", "mebibytes"), [("1M", 16), ("16K", 8), ("4K", 2), ("128K/8M", 32)])
def test_portions_hold_every_chunk_once(layout, mebibytes):
    grid = Grid.of(layout, mebibytes)
    array = np.arange(prod(grid.shape)).reshape(grid.shape)
    seen = []
    for portion in grid.portions():
        for number, where in grid.pieces(portion):
            assert np.array_equal(array[portion][where], array[grid.region(number)])
            seen.append(number)
    assert sorted(seen) == list(range(prod(grid.counts)))


def test_numbers_and_indexes_of_chunks_belong_together():
    grid = Grid.of("16K", 8)
    assert all(grid.number(grid.index(number)) == number for number in range(prod(grid.counts)))


def test_portions_are_whole_shards_of_at_least_eight_mebibytes():
    for layout in ("1M", "4K", "16K/8M"):
        grid = Grid.of(layout, 64)
        depths = [portion[0].stop - portion[0].start for portion in grid.portions()]
        assert all(depth % (grid.shard or grid.chunk)[0] == 0 for depth in depths)
        assert all(depth * prod(grid.shape[1:]) * 4 >= 8 * 2**20 for depth in depths)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("layout", ["16K", "128K/8M"])
def test_documents_are_valid(layout, codec):
    grid = Grid.of(layout, 32)
    metadata = parse_node(json.dumps(document(grid, codec)).encode(), "zarr.json", strict=True)
    assert isinstance(metadata, ArrayMetadata)
    assert metadata.shape == grid.shape


def test_sums_are_exact_in_any_order(folder):
    values = fixture.expected(folder, 16)
    grid = Grid.of("1M", 16)
    for number in range(prod(grid.counts)):
        chunk = values[grid.region(number)]
        assert chunk.sum() == np.ascontiguousarray(chunk).sum() == chunk.sum(axis=0).sum() == chunk.sum(dtype="float64")


def test_equal_finds_one_element():
    one = np.zeros((40, 8), "f4")
    other = one.copy()
    assert fixture.equal(one, other)
    other[33, 7] = 1
    assert not fixture.equal(one, other)
    assert not fixture.equal(one, other[:-1])
