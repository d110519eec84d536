"""Whole arrays and parts of shards, written and read back by a neutral reader."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from .. import fixture
from ..layout import NDArray, Region
from ..peers.base import Unsupported
from .base import Work, Wrong

__all__ = ["Partial", "Write"]

_BOX = 32


class Write(Work):
    """Write the whole array into an empty one by one call."""

    @property
    def target(self) -> Path:
        """Where the peer writes."""
        return self.folder / f"written-by-{self.peer.name}.zarr"

    async def prepare(self) -> None:
        """The values in memory, not mapped from a file."""
        if self.unit.durability == "full" and self.peer.name not in ("asynczarr", "tensorstore"):
            raise Unsupported("writes without fsync")
        self.values: NDArray = np.array(self.expected)

    async def before(self) -> None:
        """An empty array."""
        fixture.empty_array(self.target, self.unit.grid, self.unit.codec)
        self.place = await self.peer.memory(self.target) if self.unit.store == "memory" else self.target
        self.array = await self.peer.open(self.place, write=True, durability=self.unit.durability)

    async def run(self) -> NDArray | None:
        """Write all."""
        await self.peer.write(self.array, self.whole, self.values)
        return None

    async def check(self, result: NDArray | None) -> None:
        """Read back: files by tensorstore, memory as only the peer can."""
        if self.unit.store == "file":
            written = fixture.read_back(self.target)
        else:
            written = await self.peer.read(await self.peer.open(self.place), self.whole)
        if not fixture.equal(written, self.values):
            raise Wrong("the array that was written differs")

    async def after(self) -> None:
        """Leave nothing behind."""
        await super().after()
        shutil.rmtree(self.target, ignore_errors=True)


class Partial(Write):
    """Write boxes of 32^3 elements, off the grid of inner chunks, into an array of shards: one box a shard."""

    async def prepare(self) -> None:
        """Boxes, and the array with them in it."""
        await super().prepare()
        grid = self.unit.grid
        assert grid.shard is not None
        rng = np.random.default_rng(13)
        shards = list(np.ndindex(*(size // part for size, part in zip(grid.shape, grid.shard, strict=True))))
        self.regions: list[Region] = []
        for number in rng.choice(len(shards), min(self.unit.count, len(shards)), replace=False):
            start = [
                at * part + int(rng.integers(1, part - _BOX))
                for at, part in zip(shards[number], grid.shard, strict=True)
            ]
            self.regions.append(tuple(slice(at, at + _BOX) for at in start))
        self.boxes = [np.ascontiguousarray(-self.values[region]) for region in self.regions]
        for region, box in zip(self.regions, self.boxes, strict=True):
            self.values[region] = box

    async def before(self) -> None:
        """A copy of the array as it was."""
        shutil.rmtree(self.target, ignore_errors=True)
        shutil.copytree(self.source, self.target)
        self.array = await self.peer.open(self.target, write=True)

    async def run(self) -> None:
        """Write all boxes, eight at a time."""
        await self.peer.write_many(self.array, self.regions, self.boxes)
