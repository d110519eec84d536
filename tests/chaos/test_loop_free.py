"""C14: the event loop stays free. Blocking calls raise in every test (blockbuster); here it is CPU time."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.testing import FaultyStore

LIMIT = 0.05
"""Seconds of CPU that one callback of the loop may use."""

SHAPE = (2048, 2048)
LAYOUTS: dict[str, dict[str, Any]] = {
    "gzip, 8 MiB": {"chunks": (1024, 1024), "codecs": ["bytes", "gzip"]},
    "zstd and crc32c, 2 MiB": {"chunks": (512, 512), "codecs": ["bytes", "zstd", "crc32c"]},
    "shards of 8 MiB": {"chunks": (64, 64), "shards": (1024, 1024), "codecs": ["bytes", "zstd"]},
    "not compressed, 8 MiB": {"chunks": (1024, 1024), "codecs": ["bytes"]},
    "transposed and blosc, 8 MiB": {
        "chunks": (1024, 1024),
        "codecs": [{"name": "transpose", "configuration": {"order": [1, 0]}}, "bytes", "blosc"],
    },
}


@contextmanager
def _longest(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The most CPU time that one callback of the loop used. Not wall clock, which a busy machine stretches."""
    longest = [0.0]
    run = asyncio.events.Handle._run  # type: ignore[attr-defined]

    def timed(handle: Any) -> None:
        begin = time.thread_time()
        run(handle)
        longest[0] = max(longest[0], time.thread_time() - begin)

    gc.collect()
    gc.freeze()  # the garbage collector need not walk through all that pytest keeps alive
    try:
        with monkeypatch.context() as patch:
            patch.setattr(asyncio.events.Handle, "_run", timed)
            yield longest
    finally:
        gc.unfreeze()


def _store(kind: str, folder: Path) -> az.Store:
    return az.FilesystemStore(folder / "a") if kind == "files" else FaultyStore(az.MemoryStore())


@pytest.mark.parametrize("kind", ["files", "network"])
@pytest.mark.parametrize("layout", LAYOUTS)
async def test_no_callback_is_long(
    layout: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Any
) -> None:
    data = np.arange(SHAPE[0] * SHAPE[1], dtype="f8").reshape(SHAPE) % 1000
    array = await az.create_array(_store(kind, tmp_path), shape=SHAPE, dtype="f8", **LAYOUTS[layout])
    with _longest(monkeypatch) as longest:
        await array.write(data)
        await array[100:900, 100:900].write(data[100:900, 100:900])
        result = await array.read()
        async for chunk in array.stream_chunks(max_bytes=64 << 20):
            assert chunk.data.shape
        async for _ in array.stream_slices(0, 0, 600, 300):
            pass
    assert (result == data).all()
    assert 0 < longest[0] < LIMIT
    figure(
        "Longest callback of the event loop, 32 MiB written and read",
        f"{layout}, {kind}",
        **{"CPU ms": 1e3 * longest[0]},
    )


async def test_the_measure_sees_a_long_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    with _longest(monkeypatch) as longest:
        await asyncio.sleep(0)
        end = time.thread_time() + 1.2 * LIMIT
        while time.thread_time() < end:
            pass
        await asyncio.sleep(0)
    assert longest[0] > LIMIT
