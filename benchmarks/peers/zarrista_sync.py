"""zarrista, synchronous."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarrista
from zarrista.store import FilesystemStore, MemoryStore

from ..fixture import read_back
from ..layout import Grid, NDArray, Region
from .base import IN_FLIGHT, Array, Peer, Place, Take, Unsupported
from .loops import by_threads, slabs_by_thread

__all__ = ["Zarrista"]

_BURST_THREADS = 32


class Zarrista(Peer):
    """``zarrista.Array``."""

    name = "zarrista"
    settings = "a thread a core (its default), empty chunks stored; small reads by 8 threads"

    def __init__(self) -> None:
        self._options: dict[str, Any] = {}

    async def open(
        self, place: Place, *, write: bool = False, concurrency: int | None = None, durability: str = "none"
    ) -> Array:
        """``Array.open``."""
        if durability != "none":
            raise Unsupported("writes without fsync")
        self._options = {"store_empty_chunks": True} if write else {}
        if concurrency is not None:
            self._options["concurrent_target"] = concurrency
        return zarrista.Array.open(FilesystemStore(place) if isinstance(place, Path) else place)

    async def read(self, array: Array, region: Region) -> NDArray:
        """``retrieve_array_subset``, seen as an ndarray without a copy."""
        return self._get(array, region)

    def _get(self, array: Array, region: Region) -> NDArray:
        return np.asarray(array.retrieve_array_subset(region, **self._options))

    async def write(self, array: Array, region: Region, data: NDArray) -> None:
        """``store_array_subset``."""
        array.store_array_subset(region, data, **self._options)

    async def read_many(self, array: Array, regions: Sequence[Region], take: Take, *, at_once: bool = False) -> None:
        """Threads."""
        threads = _BURST_THREADS if at_once else IN_FLIGHT
        by_threads(lambda number, region: take(number, self._get(array, region)), regions, threads)

    async def write_many(self, array: Array, regions: Sequence[Region], data: Sequence[NDArray]) -> None:
        """Threads."""
        by_threads(
            lambda number, region: array.store_array_subset(region, data[number], **self._options), regions, IN_FLIGHT
        )

    async def stream(self, array: Array, grid: Grid, take: Take) -> None:
        """Slabs of at least 8 MiB in a thread, one ahead."""
        slabs_by_thread(lambda region: self._get(array, region), grid, take)

    async def read_chunks(self, array: Array, grid: Grid, numbers: Sequence[int], take: Take) -> None:
        """``retrieve_chunk``; in shards ``retrieve_subchunk`` with a cache of the indexes."""
        if grid.shard is None:
            by_threads(
                lambda position, number: take(position, np.asarray(array.retrieve_chunk(list(grid.index(number))))),
                numbers,
                IN_FLIGHT,
            )
            return
        cache = array.shard_cache()
        by_threads(
            lambda position, number: take(
                position, np.asarray(array.retrieve_subchunk(list(grid.index(number)), shard_cache=cache))
            ),
            numbers,
            IN_FLIGHT,
        )

    async def memory(self, folder: Path) -> Place:
        """A ``MemoryStore``, which takes no bytes as they are: the array is written anew."""
        store = MemoryStore()
        metadata = json.loads((folder / "zarr.json").read_text())
        array = zarrista.Array.from_metadata(metadata, store)
        array.store_metadata()
        if (folder / "c").exists():
            array.store_array_subset(..., read_back(folder))
        return store

    async def tree(self, folder: Path, *, consolidated: bool) -> dict[str, tuple[int, ...]]:
        """``Group.traverse``, or the consolidated metadata itself."""
        group: Any = zarrista.Group.open(FilesystemStore(folder))
        if consolidated:
            return {path: tuple(entry["shape"]) for path, entry in group.consolidated_metadata["metadata"].items()}
        return {node.path.lstrip("/"): tuple(node.shape) for node in group.traverse()}
