"""Many chunks or boxes, each summed up by a consumer and then forgotten."""

from __future__ import annotations

import time

import numpy as np

from .. import fixture
from ..layout import DTYPE, NDArray, Region
from .base import Work, Wrong

__all__ = ["Burst", "Random", "Stream", "Tenth"]

_BOX = 32
_STEP = 10


class _Sums(Work):
    """A consumer that sums; the sums of the values of the suite are exact in whatever order they are made."""

    sums: NDArray
    wanted: NDArray

    async def before(self) -> None:
        """Forget the sums."""
        await super().before()
        self.sums = np.full(len(self.wanted), np.nan, DTYPE)

    def take(self, number: int, data: NDArray) -> None:
        """Sum one chunk."""
        self.sums[number] = data.sum()

    async def check(self, result: None) -> None:
        """Every sum."""
        if not np.array_equal(self.sums, self.wanted):
            raise Wrong(f"{int((self.sums != self.wanted).sum())} of {len(self.wanted)} sums differ")


class Stream(_Sums):
    """Stream all chunks."""

    async def prepare(self) -> None:
        """Sums of all chunks."""
        await super().prepare()
        self.wanted = fixture.sums(self.folder, self.unit)

    async def run(self) -> None:
        """Also notes how long the first chunk took."""
        start, first = time.perf_counter(), 0.0

        def take(number: int, data: NDArray) -> None:
            nonlocal first
            first = first or time.perf_counter() - start
            self.take(number, data)

        await self.peer.stream(self.array, self.unit.grid, take)
        self.metrics["first"] = first


class Tenth(_Sums):
    """Read every tenth chunk."""

    async def prepare(self) -> None:
        """Sums of those chunks."""
        await super().prepare()
        grid = self.unit.grid
        self.numbers = range(0, int(np.prod(grid.counts)), _STEP)
        self.wanted = np.array([self.expected[grid.region(number)].sum() for number in self.numbers])

    async def run(self) -> None:
        """All of them."""
        await self.peer.read_chunks(self.array, self.unit.grid, self.numbers, self.take)


class Random(_Sums):
    """Read boxes of 32^3 elements at random places, eight at a time."""

    at_once = False

    async def prepare(self) -> None:
        """Places, and sums of the boxes."""
        await super().prepare()
        high = [size - _BOX for size in self.unit.grid.shape]
        corners = np.random.default_rng(11).integers(0, high, (self.unit.count, len(high))).tolist()
        self.regions: list[Region] = [tuple(slice(at, at + _BOX) for at in corner) for corner in corners]
        self.wanted = np.array([self.expected[region].sum() for region in self.regions])

    async def run(self) -> None:
        """All boxes."""
        await self.peer.read_many(self.array, self.regions, self.take, at_once=self.at_once)


class Burst(Random):
    """The same, all asked for at once."""

    at_once = True
