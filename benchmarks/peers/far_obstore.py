"""The bucket far away, by obstore."""

from __future__ import annotations

from obstore.store import S3Store

from ..remote.far import BUCKET, CREDENTIALS, REGION, endpoint
from .base import Place

__all__ = ["far_store"]


def far_store(place: Place) -> S3Store:
    """The store of obstore for a folder of the bucket."""
    client = {"allow_http": True}
    return S3Store(BUCKET, prefix=place.name, endpoint=endpoint(), region=REGION, **CREDENTIALS, client_options=client)
