"""zarrista, asynchronous, on stores of obstore."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarrista
from obstore.store import LocalStore

from ..layout import Grid, NDArray, Region
from .base import IN_FLIGHT, SLABS, Array, Peer, Place, Take, Unsupported
from .loops import by_tasks, give_chunks, give_slabs, slabs_by_tasks

__all__ = ["ZarristaAsync"]


class ZarristaAsync(Peer):
    """``zarrista.AsyncArray``."""

    name = "zarrista-async"
    settings = (
        "obstore's LocalStore (its MemoryStore is refused), a thread a core (its default); small reads by 8 tasks"
    )

    def __init__(self) -> None:
        self._options: dict[str, Any] = {}
        self._slots = IN_FLIGHT

    async def open(
        self, place: Place, *, write: bool = False, concurrency: int | None = None, durability: str = "none"
    ) -> Array:
        """``AsyncArray.open``."""
        if durability != "none":
            raise Unsupported("writes without fsync")
        self._options = {"store_empty_chunks": True} if write else {}
        if concurrency is not None:
            self._options["concurrent_target"] = concurrency
        self._slots = concurrency or IN_FLIGHT
        return await zarrista.AsyncArray.open(LocalStore(place) if isinstance(place, Path) else place)

    async def read(self, array: Array, region: Region) -> NDArray:
        """``await retrieve_array_subset``."""
        return np.asarray(await array.retrieve_array_subset(region, **self._options))

    async def write(self, array: Array, region: Region, data: NDArray) -> None:
        """``await store_array_subset``."""
        await array.store_array_subset(region, data, **self._options)

    async def read_many(self, array: Array, regions: Sequence[Region], take: Take, *, at_once: bool = False) -> None:
        """Tasks."""

        async def one(number: int, region: Region) -> None:
            take(number, await self.read(array, region))

        await by_tasks(one, regions, len(regions) if at_once else IN_FLIGHT)

    async def write_many(self, array: Array, regions: Sequence[Region], data: Sequence[NDArray]) -> None:
        """Tasks."""

        async def one(number: int, region: Region) -> None:
            await self.write(array, region, data[number])

        await by_tasks(one, regions, IN_FLIGHT)

    async def stream(self, array: Array, grid: Grid, take: Take) -> None:
        """Slabs of at least 8 MiB, two in flight."""
        async for portion, slab in slabs_by_tasks(lambda region: self.read(array, region), grid, SLABS):
            give_chunks(grid, portion, slab, take)

    async def stream_on_loop(self, array: Array, grid: Grid, take: Take) -> None:
        """The same, slab by slab."""
        slabs = slabs_by_tasks(lambda region: self.read(array, region), grid, min(SLABS, self._slots))
        await give_slabs(slabs, take)

    async def read_chunks(self, array: Array, grid: Grid, numbers: Sequence[int], take: Take) -> None:
        """``retrieve_chunk``; in shards ``retrieve_subchunk`` with a cache of the indexes."""
        cache = array.shard_cache() if grid.shard else None

        async def one(position: int, number: int) -> None:
            index = list(grid.index(number))
            if cache is None:
                take(position, np.asarray(await array.retrieve_chunk(index)))
            else:
                take(position, np.asarray(await array.retrieve_subchunk(index, shard_cache=cache)))

        await by_tasks(one, numbers, IN_FLIGHT)

    async def tree(self, folder: Path, *, consolidated: bool) -> dict[str, tuple[int, ...]]:
        """``AsyncGroup.traverse``, or the consolidated metadata itself."""
        group: Any = await zarrista.AsyncGroup.open(LocalStore(folder))
        if consolidated:
            return {path: tuple(entry["shape"]) for path, entry in group.consolidated_metadata["metadata"].items()}
        return {node.path.lstrip("/"): tuple(node.shape) for node in await group.traverse()}
