"""Metadata documents to records and back, and keys of chunks."""

from __future__ import annotations

import json

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from asynczarr.metadata.v3 import parse_document, parse_node, to_document
from benchmarks.layout import Grid, document
from benchmarks.micro.arrays import metadata_of, stored_of, text_of


@pytest.mark.parametrize("layout", ["128K", "128K/8M"])
def test_parse_array(benchmark: BenchmarkFixture, layout: str) -> None:
    grid = Grid.of(layout, 64)
    assert benchmark(parse_node, text_of(grid), "zarr.json") == metadata_of(grid)


def test_write_array(benchmark: BenchmarkFixture) -> None:
    grid = Grid.of("128K/8M", 64)
    assert parse_document(benchmark(to_document, metadata_of(grid))) == metadata_of(grid)


def test_bind_codecs(benchmark: BenchmarkFixture) -> None:
    assert benchmark(stored_of, "128K/8M", 64).shard is not None


def test_parse_consolidated_1000(benchmark: BenchmarkFixture) -> None:
    array = document(Grid.of("128K", 64), "zstd")
    inline = {"kind": "inline", "must_understand": False, "metadata": {f"a{number}": array for number in range(1000)}}
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}, "consolidated_metadata": inline}
    text = json.dumps(group).encode()

    def parse() -> int:
        consolidated = getattr(parse_node(text, "zarr.json"), "consolidated", {})
        return sum(entry is not None for entry in consolidated.values())

    assert benchmark(parse) == 1000


def test_chunk_key(benchmark: BenchmarkFixture) -> None:
    assert benchmark(stored_of("128K", 64).key, (1, 2, 3)) == "c/1/2/3"
