"""asynczarr."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asynczarr as az
from asynczarr.array import Tree

from ..layout import Grid, NDArray, Region
from .base import IN_FLIGHT, Array, Peer, Place, Take, files_below
from .loops import by_tasks

__all__ = ["AsyncZarr"]


class AsyncZarr(Peer):
    """This library, with its defaults."""

    name = "asynczarr"
    settings = "defaults; file writes with durability='none' unless the unit says fsync"

    _concurrency: int | None = None

    async def open(
        self, place: Place, *, write: bool = False, concurrency: int | None = None, durability: str = "none"
    ) -> Array:
        """Open by URL or store."""
        self._concurrency = concurrency
        options: dict[str, Any] = {"durability": durability} if write and isinstance(place, Path) else {}
        return await az.open_array(place, mode="r+" if write else "r", store_options=options)

    async def close(self, array: Array) -> None:
        """Close the array and the store opened for it."""
        await array.aclose()

    async def read(self, array: Array, region: Region) -> NDArray:
        """``await array[region].read()``."""
        data: NDArray = await array[region].read(concurrency=self._concurrency)
        return data

    async def write(self, array: Array, region: Region, data: NDArray) -> None:
        """``await array[region].write(data)``."""
        await array[region].write(data, concurrency=self._concurrency)

    async def read_many(self, array: Array, regions: Sequence[Region], take: Take, *, at_once: bool = False) -> None:
        """Some tasks, each one read after the other."""

        async def one(number: int, region: Region) -> None:
            take(number, await array[region].read())

        await by_tasks(one, regions, len(regions) if at_once else IN_FLIGHT)

    async def write_many(self, array: Array, regions: Sequence[Region], data: Sequence[NDArray]) -> None:
        """Some tasks, each one write after the other."""

        async def one(number: int, region: Region) -> None:
            await array[region].write(data[number])

        await by_tasks(one, regions, IN_FLIGHT)

    async def stream(self, array: Array, grid: Grid, take: Take) -> None:
        """``async for chunk in array.stream_chunks()``."""
        async with array.stream_chunks(concurrency=self._concurrency) as chunks:
            async for chunk in chunks:
                take(grid.number(chunk.index), chunk.data)

    async def stream_on_loop(self, array: Array, grid: Grid, take: Take) -> None:
        """The same."""
        await self.stream(array, grid, take)

    async def read_chunks(self, array: Array, grid: Grid, numbers: Sequence[int], take: Take) -> None:
        """One stream that leaves the others out."""
        place = {grid.index(number): position for position, number in enumerate(numbers)}
        async with array.stream_chunks(filter=place.__contains__, ordered=False) as chunks:
            async for chunk in chunks:
                take(place[chunk.index], chunk.data)

    async def memory(self, folder: Path) -> Place:
        """A ``MemoryStore``."""
        store = az.MemoryStore()
        for key, value in (await asyncio.to_thread(files_below, folder)).items():
            await store.set(key, value)
        return store

    async def tree(self, folder: Path, *, consolidated: bool) -> dict[str, tuple[int, ...]]:
        """``await group.tree()``."""
        async with az.open_group(folder, use_consolidated=consolidated) as group:
            top: Tree = await group.tree()
        return {child.name: child.metadata.shape for child in top.children}  # type: ignore[union-attr]
