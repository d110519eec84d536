"""What stands in the headers of S3: versions, user metadata, checksums."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from ...errors import IntegrityError
from ...types import BytesLike, ObjectInfo, Version
from ..network.checksums import crc32c
from ..network.metadata import hyphens, underscores, verify_metadata

__all__ = ["CRC32C", "crc32c_of", "etag_of", "info_of", "metadata_headers", "metadata_of", "verify_crc32c"]

CRC32C = "x-amz-checksum-crc32c"

_META = "x-amz-meta-"


def etag_of(headers: Mapping[str, str]) -> Version | None:
    """The ETag without its quotes, as Ceph wants it in conditions."""
    return headers.get("ETag", "").strip('"') or None


def info_of(headers: Mapping[str, str]) -> ObjectInfo:
    """What the answer to HEAD says of a value."""
    if (size := headers.get("Content-Length")) is None:
        raise IntegrityError("an answer to HEAD without a size")
    modified = headers.get("Last-Modified")
    when = None if modified is None else parsedate_to_datetime(modified).timestamp()
    return ObjectInfo(int(size), etag_of(headers), when, metadata_of(headers))


def metadata_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The user metadata in an answer."""
    return {
        underscores(name[len(_META) :]): value
        for name, value in headers.items()
        if name[0] in "xX" and name[: len(_META)].lower() == _META
    }


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
