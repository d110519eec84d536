"""One chunk through its codec chain."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from asynczarr.codec.chain import CodecChain
from asynczarr.codec.of_array import chain_for
from benchmarks.layout import CHUNKS, CODECS, DTYPE, Grid
from benchmarks.micro.arrays import metadata_of


def _chain(codec: str, layout: str) -> CodecChain:
    return chain_for(metadata_of(Grid.of(layout, 32), codec), CHUNKS[layout])


def _chunk(layout: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    steps = np.random.default_rng(0).integers(-48, 48, CHUNKS[layout])
    return (np.cumsum(steps, axis=2) / 16).astype(DTYPE)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("layout", ["16K", "128K"])
def test_decode(benchmark: BenchmarkFixture, codec: str, layout: str) -> None:
    chain, chunk = _chain(codec, layout), _chunk(layout)
    assert np.array_equal(benchmark(chain.decode, bytes(chain.encode(chunk))), chunk)


@pytest.mark.parametrize("codec", CODECS)
def test_encode(benchmark: BenchmarkFixture, codec: str) -> None:
    chain, chunk = _chain(codec, "128K"), _chunk("128K")
    assert np.array_equal(chain.decode(benchmark(chain.encode, chunk)), chunk)
