"""Buckets of S3 and of services that speak its protocol: botocore knows the way, aiohttp sends."""

from .store import S3Store

__all__ = ["S3Store"]
