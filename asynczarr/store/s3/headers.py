"""What stands in the headers of S3: versions, user metadata, checksums."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import IntegrityError
from ...types import BytesLike, ObjectInfo, Version
from ..network.checksums import crc32c
from ..network.metadata import refuse_unkept, user_metadata
from ..network.statuses import http_date

__all__ = ["CRC32C", "etag_of", "info_of", "metadata_headers", "metadata_of", "verify_crc32c"]

CRC32C = "x-amz-checksum-crc32c"

_META = "x-amz-meta-"
_NAME = re.compile(r"[a-z0-9_]+").fullmatch


def etag_of(headers: Mapping[str, str]) -> Version | None:
    """The ETag without its quotes, as Ceph wants it in conditions."""
    return headers.get("ETag", "").strip('"') or None


def info_of(status: int, headers: Mapping[str, str]) -> ObjectInfo:
    """What an answer of success to HEAD says of a value."""
    if status != 200:
        raise IntegrityError(f"HTTP status {status} does not describe a value")
    if (size := headers.get("Content-Length")) is None:
        raise IntegrityError("an answer to HEAD without a size")
    return ObjectInfo(int(size), etag_of(headers), http_date(headers.get("Last-Modified")), metadata_of(headers))


def metadata_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The user metadata in an answer."""
    return {name.replace("-", "_"): value for name, value in user_metadata(headers, _META).items()}


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Headers for user metadata. Underscores travel as hyphens: Ceph and many proxies do not let them through.

    Raises:
        Unsupported: a name or value that would come back changed.
    """
    refuse_unkept(metadata, _NAME, "lower-case letters, digits and underscores on S3")
    return {_META + name.replace("_", "-"): value for name, value in metadata.items()}


def verify_crc32c(told: str, data: BytesLike) -> None:
    """Compare with the checksum of the whole value that the service keeps ("-" marks those made of parts).

    Raises:
        IntegrityError: they differ.
    """
    if "-" not in told and told != crc32c(data):
        raise IntegrityError("the value does not have the checksum that the service keeps of it")
