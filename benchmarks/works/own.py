"""How the cost of asynczarr grows: with the number of chunks, with the size of the array, until the first chunk."""

from __future__ import annotations

import asyncio
import struct
import time
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

import asynczarr as az

from ..layout import DTYPE, Grid, NDArray
from ..synthetic import SyntheticStore
from .base import Work, Wrong
from .budget import BUDGET

__all__ = ["Chunks", "Cuts", "First", "FirstOf", "Size"]

_SMALL_CHUNK = 256
_PAUSE = 0.2


class First(Work):
    """The first chunk of a stream, and in turn the bare minimum: read its bytes and decompress them."""

    async def run(self) -> NDArray:
        """Both."""
        start = time.perf_counter()
        bare = _bare(self.source, self.unit.grid)
        middle = time.perf_counter()
        stream = self.array.stream_chunks()
        chunk = await anext(stream)
        self.metrics = {"seconds": time.perf_counter() - middle, "bare": middle - start}
        await stream.aclose()
        if not np.array_equal(bare, chunk.data):
            raise Wrong("the chunk differs")
        data: NDArray = chunk.data
        return data

    async def check(self, result: NDArray) -> None:
        """Against the values."""
        if not np.array_equal(result, self.expected[self.unit.grid.region(0)]):
            raise Wrong("the first chunk differs")


def _bare(folder: Path, grid: Grid) -> NDArray:
    with (folder / "c" / "0" / "0" / "0").open("rb", buffering=0) as file:
        if grid.shard is None:
            data = file.read()
        else:
            entries = prod(outer // inner for outer, inner in zip(grid.shard, grid.chunk, strict=True))
            file.seek(-16 * entries - 4, 2)
            offset, length = struct.unpack("<QQ", file.read(16))
            file.seek(offset)
            data = file.read(length)
    return np.frombuffer(zstandard.ZstdDecompressor().decompress(data), DTYPE).reshape(grid.chunk)


class _Synthetic(Work):
    opens = False
    chunk: tuple[int, ...]
    shape: tuple[int, ...]

    async def prepare(self) -> None:
        """An array of equal chunks; one small stream for imports and threads."""
        self.value = np.arange(prod(self.chunk), dtype=DTYPE).reshape(self.chunk) % 97
        self.sum = float(self.value.sum(dtype="float64"))
        tenth = (max(self.shape[0] // 10, self.chunk[0]) // self.chunk[0] * self.chunk[0], *self.shape[1:])
        await self._opened(tenth if self.unit.count <= 10**4 else (self.chunk[0] * 100, *self.shape[1:]))
        await self.run()
        await self._opened(self.shape)

    async def before(self) -> None:
        """A new array object."""
        await self._opened(self.shape)

    async def _opened(self, shape: tuple[int, ...]) -> None:
        self.array = await az.open_array(SyntheticStore(Grid(shape, self.chunk), self.value))

    async def after(self) -> None:
        """Nothing to close."""

    async def run(self) -> Any:
        """Stream everything."""
        count = 0
        async with self.array.stream_chunks(max_bytes=BUDGET) as chunks:
            async for chunk in chunks:
                count += chunk.data.shape == self.chunk
        return count

    async def check(self, result: Any) -> None:
        """All chunks came."""
        number = prod(self.shape) // prod(self.chunk)
        self.metrics["per_chunk"] = number
        if result != number:
            raise Wrong(f"{result} chunks, not {number}")


class Chunks(_Synthetic):
    """Stream ever more chunks of 1 KiB."""

    async def prepare(self) -> None:
        """A row of chunks."""
        self.chunk, self.shape = (_SMALL_CHUNK,), (_SMALL_CHUNK * self.unit.count,)
        await super().prepare()


class FirstOf(Chunks):
    """The first of ever more chunks."""

    async def run(self) -> int:
        """One chunk, and away."""
        start = time.perf_counter()
        stream = self.array.stream_chunks()
        await anext(stream)
        self.metrics = {"seconds": time.perf_counter() - start}
        await stream.aclose()
        return self.unit.count

    async def check(self, result: int) -> None:
        """There is nothing to compare."""


class Cuts(_Synthetic):
    """Read an array of one size cut into ever more chunks."""

    async def prepare(self) -> None:
        """64 MiB, less what does not divide."""
        elements = self.unit.mebibytes * 2**20 // DTYPE.itemsize
        self.chunk = (elements // self.unit.count,)
        self.shape = (self.chunk[0] * self.unit.count,)
        await super().prepare()

    async def run(self) -> NDArray:
        """The whole array."""
        data: NDArray = await self.array.read()
        return data

    async def check(self, result: NDArray) -> None:
        """Every chunk."""
        self.metrics["per_chunk"] = self.unit.count
        if not bool((result.reshape(-1, *self.chunk) == self.value).all()):
            raise Wrong("the array differs")


class Size(_Synthetic):
    """Stream ever larger arrays within one budget; the consumer pauses once, so that read-ahead fills the budget."""

    async def prepare(self) -> None:
        """Chunks of 1 MiB."""
        grid = self.unit.grid
        self.chunk, self.shape = grid.chunk, grid.shape
        await super().prepare()

    async def run(self) -> int:
        """Everything, with one pause."""
        count = 0
        async with self.array.stream_chunks(max_bytes=BUDGET) as chunks:
            async for chunk in chunks:
                count += chunk.data.shape == self.chunk
                if count == 1:
                    await asyncio.sleep(_PAUSE)
        return count
