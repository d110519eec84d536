"""zarrista on a bucket far away, by obstore."""

from __future__ import annotations

import zarrista

from ..layout import Grid
from ..remote.far import SLABS
from .base import Array, Place, Take
from .far_obstore import far_store
from .loops import give_chunks, slabs_by_tasks
from .zarrista_async import ZarristaAsync

__all__ = ["S3Zarrista"]


class S3Zarrista(ZarristaAsync):
    """``zarrista.AsyncArray``."""

    name = "s3 zarrista"
    settings = "obstore S3Store, concurrent_target 64, streams by 4 slabs"

    async def open(
        self, place: Place, *, write: bool = False, concurrency: int | None = None, durability: str = "none"
    ) -> Array:
        """``AsyncArray.open``."""
        self._options = {"concurrent_target": concurrency}
        return await zarrista.AsyncArray.open(far_store(place))

    async def stream(self, array: Array, grid: Grid, take: Take) -> None:
        """Slabs of at least 8 MiB."""
        async for portion, slab in slabs_by_tasks(lambda region: self.read(array, region), grid, SLABS):
            give_chunks(grid, portion, slab, take)
