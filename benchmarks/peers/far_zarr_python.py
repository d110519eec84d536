"""zarr-python on a bucket far away, by obstore."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import zarr
from zarr.storage import ObjectStore

from ..layout import Grid, NDArray, Region
from ..remote.far import SLABS
from .base import IN_FLIGHT, Array, Place, Take
from .far_obstore import far_store
from .loops import by_tasks, give_chunks, slabs_by_tasks
from .zarr_python import Batched

__all__ = ["S3Zarr"]


class S3Zarr(Batched):
    """Its default pipeline, through ``AsyncArray``."""

    name = "s3 zarr"
    settings = "ObjectStore(obstore S3Store), async.concurrency 64, AsyncArray on the loop, streams by 4 slabs"

    async def open(
        self, place: Place, *, write: bool = False, concurrency: int | None = None, durability: str = "none"
    ) -> Array:
        """``AsyncArray.open``."""
        zarr.config.set({"async.concurrency": concurrency})
        return await zarr.AsyncArray.open(ObjectStore(far_store(place), read_only=True), zarr_format=3)

    async def read(self, array: Array, region: Region) -> NDArray:
        """``await getitem``."""
        return np.asarray(await array.getitem(region))

    async def read_many(self, array: Array, regions: Sequence[Region], take: Take, *, at_once: bool = False) -> None:
        """Tasks."""

        async def one(number: int, region: Region) -> None:
            take(number, await self.read(array, region))

        await by_tasks(one, regions, IN_FLIGHT)

    async def stream(self, array: Array, grid: Grid, take: Take) -> None:
        """Slabs of at least 8 MiB."""
        async for portion, slab in slabs_by_tasks(lambda region: self.read(array, region), grid, SLABS):
            give_chunks(grid, portion, slab, take)
