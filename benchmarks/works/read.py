"""Whole arrays, and long thin slabs."""

from __future__ import annotations

import numpy as np

from .. import fixture
from ..layout import NDArray, Region
from .base import Work, Wrong

__all__ = ["Read", "Slab"]

_SLABS = 8
_WIDTH = 4


class Read(Work):
    """Read the whole array by one call."""

    async def run(self) -> NDArray:
        """The array."""
        return await self.peer.read(self.array, self.whole)

    async def check(self, result: NDArray) -> None:
        """Every element."""
        if not fixture.equal(result, self.expected):
            raise Wrong("the array differs")


class Slab(Work):
    """Read slabs along the whole slow axis, four elements wide along the others, one after the other."""

    def _regions(self) -> list[Region]:
        grid = self.unit.grid
        corners = np.random.default_rng(7).integers(0, grid.shape[1] - _WIDTH, (_SLABS, 2)).tolist()
        return [(slice(0, grid.shape[0]), slice(y, y + _WIDTH), slice(x, x + _WIDTH)) for y, x in corners]

    async def run(self) -> list[NDArray]:
        """All slabs."""
        return [await self.peer.read(self.array, region) for region in self._regions()]

    async def check(self, result: list[NDArray]) -> None:
        """Every element."""
        for region, slab in zip(self._regions(), result, strict=True):
            if not np.array_equal(slab, self.expected[region]):
                raise Wrong(f"the slab at {region} differs")
