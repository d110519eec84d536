"""zarr-python, with each of its codec pipelines; which one is a setting of the whole process."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import zarr

from ..layout import Grid, NDArray, Region
from .base import IN_FLIGHT, SLABS, Array, Peer, Place, Take, Unsupported, files_below
from .loops import by_tasks, by_threads, give_slabs, slabs_by_tasks, slabs_by_thread

__all__ = ["Batched", "Fused", "Zarrs"]

_BURST_THREADS = 32


class _ZarrPython(Peer):
    pipeline: ClassVar[str | None] = None
    threads: ClassVar[bool] = False
    """Many small reads go by threads (faster where the pipeline is synchronous), not by tasks."""

    def __init__(self) -> None:
        zarr.config.set({"array.write_empty_chunks": True})
        if self.pipeline is not None:
            module, _, name = self.pipeline.rpartition(".")
            if not hasattr(importlib.import_module(module), name):
                raise Unsupported(f"zarr {zarr.__version__} has no {name}")
            zarr.config.set({"codec_pipeline.path": self.pipeline, "codec_pipeline.strict": True})
        self._slots = IN_FLIGHT

    async def open(
        self, place: Place, *, write: bool = False, concurrency: int | None = None, durability: str = "none"
    ) -> Array:
        """``zarr.open_array``."""
        if durability != "none":
            raise Unsupported("writes without fsync")
        if concurrency is not None:
            names = ("async.concurrency", "threading.max_workers", "codec_pipeline.max_workers")
            zarr.config.set(dict.fromkeys(names, concurrency))
        self._slots = concurrency or IN_FLIGHT
        return zarr.open_array(place, mode="r+" if write else "r")

    async def read(self, array: Array, region: Region) -> NDArray:
        """``array[region]``."""
        return np.asarray(array[region])

    async def write(self, array: Array, region: Region, data: NDArray) -> None:
        """``array[region] = data``."""
        array[region] = data

    async def read_many(self, array: Array, regions: Sequence[Region], take: Take, *, at_once: bool = False) -> None:
        """Threads or tasks, whichever is faster with this pipeline."""
        if self.threads:
            by_threads(
                lambda number, region: take(number, array[region]), regions, _BURST_THREADS if at_once else IN_FLIGHT
            )
            return

        async def one(number: int, region: Region) -> None:
            take(number, await _async_of(array).getitem(region))

        await by_tasks(one, regions, len(regions) if at_once else IN_FLIGHT)

    async def write_many(self, array: Array, regions: Sequence[Region], data: Sequence[NDArray]) -> None:
        """Threads or tasks, as for reading."""
        if self.threads:
            by_threads(lambda number, region: array.__setitem__(region, data[number]), regions, IN_FLIGHT)
            return

        async def one(number: int, region: Region) -> None:
            await _async_of(array).setitem(region, data[number])

        await by_tasks(one, regions, IN_FLIGHT)

    async def stream(self, array: Array, grid: Grid, take: Take) -> None:
        """Slabs of at least 8 MiB in a thread, one ahead."""
        slabs_by_thread(array.__getitem__, grid, take)

    async def stream_on_loop(self, array: Array, grid: Grid, take: Take) -> None:
        """The same slabs through ``AsyncArray.getitem``."""
        await give_slabs(slabs_by_tasks(_async_of(array).getitem, grid, min(SLABS, self._slots)), take)

    async def memory(self, folder: Path) -> Place:
        """A ``MemoryStore``."""
        from zarr.core.buffer.cpu import Buffer

        files = await asyncio.to_thread(files_below, folder)
        return zarr.storage.MemoryStore({key: Buffer.from_bytes(value) for key, value in files.items()})

    async def tree(self, folder: Path, *, consolidated: bool) -> dict[str, tuple[int, ...]]:
        """``group.members(max_depth=None)``; ``group.tree()`` returns a picture only."""
        group = zarr.open_group(folder, mode="r", use_consolidated=consolidated)
        members: Any = group.members(max_depth=None)
        return {path: node.shape for path, node in members}


class Batched(_ZarrPython):
    """The default pipeline."""

    name = "zarr"
    settings = "defaults (async.concurrency 10: 64 was not faster); small reads by 8 tasks on AsyncArray"


class Fused(_ZarrPython):
    """The experimental pipeline of zarr-python 3.3 and newer."""

    name = "zarr-fused"
    settings = "FusedCodecPipeline, a worker a core (its default); small reads by 8 threads"
    pipeline = "zarr.core.codec_pipeline.FusedCodecPipeline"
    threads = True


class Zarrs(_ZarrPython):
    """The pipeline of zarrs-python, in Rust."""

    name = "zarr-zarrs"
    settings = "ZarrsCodecPipeline, strict (no silent way back to Python), a thread a core; small reads by 8 tasks"
    pipeline = "zarrs.ZarrsCodecPipeline"

    async def memory(self, folder: Path) -> Place:
        """Reads files and URLs only."""
        raise Unsupported("no store in memory: zarrs reads files and URLs only")


def _async_of(array: Array) -> Any:
    return array.async_array
