"""Opening arrays, and walking groups."""

from __future__ import annotations

from typing import Any

from ..fixture import TREE_ARRAYS
from .base import Work, Wrong

__all__ = ["Open", "Tree"]


class Open(Work):
    """Open an array; the time of one of many in a row."""

    opens = False

    async def run(self) -> list[Any]:
        """Open them."""
        arrays = []
        for _ in range(self.unit.count):
            array = await self.peer.open(self.place)
            await self.peer.close(array)
            arrays.append(array)
        return arrays

    async def check(self, result: list[Any]) -> None:
        """They have the right shape."""
        self.metrics["divide"] = len(result)
        if any(tuple(array.shape) != self.unit.grid.shape for array in result):
            raise Wrong("the shape differs")


class Tree(Work):
    """List the 1000 arrays of a group with their shapes."""

    opens = False

    async def run(self) -> dict[str, tuple[int, ...]]:
        """Paths and shapes."""
        return await self.peer.tree(self.source, consolidated=self.unit.layout == "consolidated")

    async def check(self, result: dict[str, tuple[int, ...]]) -> None:
        """All of them."""
        names = {f"array{number:04}" for number in range(TREE_ARRAYS)}
        if result.keys() != names or any(len(shape) != 3 for shape in result.values()):
            raise Wrong(f"{len(result)} arrays, not {TREE_ARRAYS}")
