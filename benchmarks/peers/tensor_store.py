"""tensorstore."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorstore as ts

from ..layout import Grid, NDArray, Region
from .base import IN_FLIGHT, SLABS, Array, Peer, Place, Take, files_below
from .loops import give_chunks, give_slabs, slabs_by_tasks

__all__ = ["TensorStore"]


class TensorStore(Peer):
    """The driver ``zarr3``."""

    name = "tensorstore"
    settings = (
        "no cache of decoded chunks, a copying thread a core and 4 or more for files (its defaults: more were not "
        "faster), file_io_sync off unless the unit says fsync; small reads by 8 futures"
    )

    def __init__(self) -> None:
        self._slots = IN_FLIGHT

    async def open(
        self, place: Place, *, write: bool = False, concurrency: int | None = None, durability: str = "none"
    ) -> Array:
        """``tensorstore.open``, with a context of its own unless the place is in memory."""
        self._slots = concurrency or IN_FLIGHT
        spec: dict[str, Any] = {"driver": "zarr3", "store_data_equal_to_fill_value": True}
        if not isinstance(place, Path):
            return await ts.open({**spec, "kvstore": {"driver": "memory"}}, context=place, read=True, write=write)
        context: dict[str, Any] = {"file_io_sync": durability == "full"}
        if concurrency is not None:
            limit = {"limit": concurrency}
            context |= {"data_copy_concurrency": limit, "file_io_concurrency": limit}
        spec |= {"kvstore": {"driver": "file", "path": str(place)}, "context": context}
        return await ts.open(spec, read=True, write=write)

    async def read(self, array: Array, region: Region) -> NDArray:
        """``array[region].read().result()``."""
        data: NDArray = array[region].read().result()
        return data

    async def write(self, array: Array, region: Region, data: NDArray) -> None:
        """``array[region].write(data).result()``, without a copy of `data`."""
        array[region].write(data, can_reference_source_data_indefinitely=True).result()

    async def read_many(self, array: Array, regions: Sequence[Region], take: Take, *, at_once: bool = False) -> None:
        """A queue of futures; those at once share the chunks that they have in common."""
        coming: deque[Any] = deque()
        limit = len(regions) if at_once else IN_FLIGHT
        done = 0
        for region in regions:
            coming.append(array[region].read())
            if len(coming) >= limit:
                take(done, coming.popleft().result())
                done += 1
        for number, future in enumerate(coming, done):
            take(number, future.result())

    async def write_many(self, array: Array, regions: Sequence[Region], data: Sequence[NDArray]) -> None:
        """A queue of futures."""
        coming: deque[Any] = deque()
        for region, part in zip(regions, data, strict=True):
            coming.append(array[region].write(part))
            if len(coming) >= IN_FLIGHT:
                coming.popleft().result()
        for future in coming:
            future.result()

    async def stream(self, array: Array, grid: Grid, take: Take) -> None:
        """Slabs of at least 8 MiB, two in flight."""
        portions = grid.portions()
        coming = deque(array[portion].read() for portion in portions[:SLABS])
        for number, portion in enumerate(portions):
            slab = coming.popleft().result()
            if number + SLABS < len(portions):
                coming.append(array[portions[number + SLABS]].read())
            give_chunks(grid, portion, slab, take)

    async def stream_on_loop(self, array: Array, grid: Grid, take: Take) -> None:
        """The same slabs, awaited."""

        async def get(region: Region) -> NDArray:
            data: NDArray = await array[region].read()
            return data

        await give_slabs(slabs_by_tasks(get, grid, min(SLABS, self._slots)), take)

    async def memory(self, folder: Path) -> Place:
        """A context with the store ``memory://`` in it."""
        context = ts.Context()
        store = await ts.KvStore.open({"driver": "memory"}, context=context)
        for key, value in (await asyncio.to_thread(files_below, folder)).items():
            await store.write(key, value)
        return context
