"""tensorstore on a bucket far away, by its own driver."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorstore as ts

from ..layout import Grid, NDArray, Region
from ..remote.far import BUCKET, REGION, SLABS, endpoint
from .base import IN_FLIGHT, Array, Place, Take
from .loops import by_tasks, give_chunks, slabs_by_tasks
from .tensor_store import TensorStore

__all__ = ["S3TensorStore"]


class S3TensorStore(TensorStore):
    """The driver ``zarr3`` on the driver ``s3``."""

    name = "s3 tensorstore"
    settings = "driver s3, anonymous, s3_request_concurrency 64, no cache of decoded chunks, streams by 4 slabs"

    async def open(
        self, place: Place, *, write: bool = False, concurrency: int | None = None, durability: str = "none"
    ) -> Array:
        """``tensorstore.open``, with a context of its own."""
        kvstore = {
            "driver": "s3",
            "bucket": BUCKET,
            "path": f"{place.name}/",
            "endpoint": endpoint(),
            "aws_region": REGION,
            "aws_credentials": {"type": "anonymous"},
        }
        context = {"s3_request_concurrency": {"limit": concurrency}}
        return await ts.open({"driver": "zarr3", "kvstore": kvstore, "context": context}, read=True)

    async def read(self, array: Array, region: Region) -> NDArray:
        """``await array[region].read()``."""
        return np.asarray(await array[region].read())

    async def read_many(self, array: Array, regions: Sequence[Region], take: Take, *, at_once: bool = False) -> None:
        """Tasks."""

        async def one(number: int, region: Region) -> None:
            take(number, await self.read(array, region))

        await by_tasks(one, regions, IN_FLIGHT)

    async def stream(self, array: Array, grid: Grid, take: Take) -> None:
        """Slabs of at least 8 MiB."""
        async for portion, slab in slabs_by_tasks(lambda region: self.read(array, region), grid, SLABS):
            give_chunks(grid, portion, slab, take)
