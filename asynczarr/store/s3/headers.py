"""What stands in the headers of S3: versions, user metadata, checksums."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import IntegrityError
from ...types import BytesLike, ObjectInfo, Version
from ..network.checksums import crc32c
from ..network.metadata import hyphens, underscores, user_metadata, verify_metadata
from ..network.statuses import http_date

__all__ = ["CRC32C", "crc32c_of", "etag_of", "info_of", "metadata_headers", "metadata_of", "verify_crc32c"]

CRC32C = "x-amz-checksum-crc32c"

_META = "x-amz-meta-"


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
    return {underscores(name): value for name, value in user_metadata(headers, _META).items()}


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Headers for user metadata.

    Raises:
        Unsupported: a name or value that would come back changed.
    """
    verify_metadata(metadata)
    return {_META + hyphens(name): value for name, value in metadata.items()}


def crc32c_of(headers: Mapping[str, str], *, ranged: bool) -> str | None:
    """The CRC-32C that the service keeps of a whole value, if the answer tells one that can be compared.

    That of a value made of parts is a checksum of their checksums. AWS marks it by a hyphen and their number, but not
    in answers to ranges (https://github.com/boto/botocore/issues/3346): there the ETag has the mark, or the type says.
    """
    told = headers.get(CRC32C, "")
    composite = "-" in told or (ranged and "-" in headers.get("ETag", ""))
    return None if composite or headers.get("x-amz-checksum-type") == "COMPOSITE" else told or None


def verify_crc32c(told: str, data: BytesLike) -> None:
    """Compare a whole value with the checksum that the service keeps of it.

    Raises:
        IntegrityError: they differ.
    """
    if told != crc32c(data):
        raise IntegrityError("the value does not have the checksum that the service keeps of it")
