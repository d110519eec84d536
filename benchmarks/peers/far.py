"""asynczarr on a bucket far away, by each of its engines."""

from __future__ import annotations

from typing import Any

import asynczarr as az

from ..remote.far import BUCKET, CREDENTIALS, REGION, endpoint
from .base import Array, Place
from .own import AsyncZarr

__all__ = ["S3AsyncZarr", "S3AsyncZarrObstore"]


class S3AsyncZarr(AsyncZarr):
    """With the default stack of middleware."""

    name = "s3 asynczarr"
    settings = "its own S3 client, the default stack of middleware"

    async def open(
        self, place: Place, *, write: bool = False, concurrency: int | None = None, durability: str = "none"
    ) -> Array:
        """Open by URL; a place is a folder of the bucket."""
        self._concurrency = concurrency
        options = {**CREDENTIALS, "region": REGION, **self._options()}
        return await az.open_array(f"s3://{BUCKET}/{place.name}", mode="r", store_options=options)

    def _options(self) -> dict[str, Any]:
        return {"endpoint_url": endpoint(), "addressing_style": "path"}


class S3AsyncZarrObstore(S3AsyncZarr):
    """By obstore, with the default stack as well."""

    name = "s3 asynczarr obstore"
    settings = 'engine="obstore", the default stack of middleware'

    def _options(self) -> dict[str, Any]:
        return {"endpoint": endpoint(), "engine": "obstore"}
