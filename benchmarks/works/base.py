"""What all workloads have: an array to open before each run, and a check of what the run returned."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from .. import fixture
from ..layout import NDArray, Region
from ..peers.base import Array, Peer, Place
from ..units import Unit

__all__ = ["Work", "Wrong"]


class Wrong(Exception):
    """The result is not what the array holds; the run does not count."""


class Work:
    """One unit done by one peer.

    Args:
        unit: what to do.
        peer: by whom.
        source: the array (or group) on disk that was made for it.
        folder: where to write.
    """

    opens: ClassVar[bool] = True
    """Open the array before each run, so that no run profits from what an earlier one has cached."""

    def __init__(self, unit: Unit, peer: Peer, source: Path, folder: Path) -> None:
        self.unit = unit
        self.peer = peer
        self.source = source
        self.folder = folder
        self.metrics: dict[str, float] = {}
        self.place: Place = source
        self.array: Array = None

    @property
    def expected(self) -> NDArray:
        """What the array holds."""
        return fixture.expected(self.folder, self.unit.mebibytes)

    @property
    def whole(self) -> Region:
        """The region of the whole array."""
        return tuple(slice(0, size) for size in self.unit.grid.shape)

    async def prepare(self) -> None:
        """Once, before the first run."""
        if self.unit.store == "memory":
            self.place = await self.peer.memory(self.source)
        if self.unit.fresh and self.opens:
            # Imports, threads and buffers that any first read needs are not what the unit measures.
            array = await self.peer.open(self.place)
            await self.peer.read(array, self.unit.grid.region(0))
            await self.peer.close(array)

    async def before(self) -> None:
        """Before each run."""
        if self.opens:
            self.array = await self.peer.open(self.place, concurrency=self.unit.concurrency)

    async def run(self) -> Any:
        """What is measured."""
        raise NotImplementedError

    async def check(self, result: Any) -> None:
        """Compare what the run returned, or left behind.

        Raises:
            Wrong: it is not equal.
        """

    async def after(self) -> None:
        """After each run."""
        if self.array is not None:
            await self.peer.close(self.array)
            self.array = None
