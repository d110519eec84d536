"""What the suite asks of a library; one subclass a library, with the settings that serve it best.

Regions are tuples of slices. ``take(number, data)`` gives a result to its consumer, which may be called by any thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from ..layout import Grid, NDArray, Region

__all__ = ["IN_FLIGHT", "SLABS", "Array", "Peer", "Place", "Take", "Unsupported", "files_below"]

Array: TypeAlias = Any
"""An opened array of the library."""

Place: TypeAlias = Any
"""A folder, or a store in memory of the library."""

Take: TypeAlias = Callable[[int, NDArray], None]

IN_FLIGHT = 8
"""Small reads and writes at the same time, for every peer alike."""

SLABS = 2
"""Slabs in flight in the loops of peers that have no stream of chunks."""


class Unsupported(Exception):
    """The library cannot do this, or not on equal terms."""


class Peer(ABC):
    """A library, set up for best speed on equal terms."""

    name: ClassVar[str]
    settings: ClassVar[str]
    """What was set and why, one line for the report."""

    @abstractmethod
    async def open(
        self, place: Place, *, write: bool = False, concurrency: int | None = None, durability: str = "none"
    ) -> Array:
        """Open the array at a place, forgetting everything of earlier ones."""

    @abstractmethod
    async def read(self, array: Array, region: Region) -> NDArray:
        """Read one region by the fastest call."""

    @abstractmethod
    async def write(self, array: Array, region: Region, data: NDArray) -> None:
        """Write one region by the fastest call."""

    @abstractmethod
    async def read_many(self, array: Array, regions: Sequence[Region], take: Take, *, at_once: bool = False) -> None:
        """Read many small regions, 8 at a time, or as many at once as the library likes."""

    @abstractmethod
    async def write_many(self, array: Array, regions: Sequence[Region], data: Sequence[NDArray]) -> None:
        """Write many small regions, 8 at a time; no two of them share a stored object."""

    @abstractmethod
    async def stream(self, array: Array, grid: Grid, take: Take) -> None:
        """Give every chunk to `take`, within bounded memory, by the best loop that one can write."""

    async def read_chunks(self, array: Array, grid: Grid, numbers: Sequence[int], take: Take) -> None:
        """Give some chunks to `take`, by number; ``take`` gets their place in `numbers`."""
        await self.read_many(array, [grid.region(number) for number in numbers], take)

    async def stream_on_loop(self, array: Array, grid: Grid, take: Take) -> None:
        """Stream everything, awaiting on the running event loop, which has other things to do as well.

        `take` gets what the library hands out: chunks, or slabs of them.
        """
        raise Unsupported("no call that can be awaited")

    async def memory(self, folder: Path) -> Place:
        """A store in memory with all that is in a folder."""
        raise Unsupported("no store in memory")

    async def close(self, array: Array) -> None:  # noqa: B027 - most have nothing to close
        """Done with an array."""

    async def tree(self, folder: Path, *, consolidated: bool) -> dict[str, tuple[int, ...]]:
        """Paths and shapes of all arrays of a group."""
        raise Unsupported("no groups")


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its key."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
