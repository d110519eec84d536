"""Google Cloud Storage: gcloud-aio gets the access tokens, aiohttp sends."""

from .store import GCSStore

__all__ = ["GCSStore"]
