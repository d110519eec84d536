"""What stands in the headers of S3: ranges, versions, user metadata, checksums."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from ...errors import IntegrityError, Truncated, Unsupported
from ...types import ByteRange, BytesLike, ObjectInfo, Version

__all__ = ["CRC32C", "crc32c", "etag_of", "info_of", "metadata_headers", "range_header", "verify_crc32c", "verify_part"]

CRC32C = "x-amz-checksum-crc32c"

_META = "x-amz-meta-"
_NAME = re.compile(r"[a-z0-9_]+").fullmatch
_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?").fullmatch
_SPAN = re.compile(r"bytes (\d+)-(\d+)/(\d+)").fullmatch


def range_header(part: ByteRange) -> str:
    """``Range`` of a part that is not empty."""
    if part.start < 0:
        return f"bytes={part.start}"
    return f"bytes={part.start}-{'' if part.stop is None else part.stop - 1}"


def verify_part(part: ByteRange, headers: Mapping[str, str], body: bytes) -> int:
    """Bytes of the whole value, if `body` is the part of it that was asked for.

    Raises:
        IntegrityError: it is another part.
        Truncated: it is shorter.
    """
    found = headers.get("Content-Range", "")
    span = _SPAN(found)
    if span is None:
        raise IntegrityError(f"a part without its place: Content-Range {found[:100]!r}")
    start, stop, size = int(span[1]), int(span[2]) + 1, int(span[3])
    if (start, stop) != part.resolve(size):
        raise IntegrityError(f"another part than {range_header(part)}: Content-Range {found!r}")
    if len(body) != stop - start:
        raise Truncated(f"{len(body)} bytes came of {stop - start}")
    return size


def etag_of(headers: Mapping[str, str]) -> Version | None:
    """The ETag without its quotes, as Ceph wants it in conditions."""
    return headers.get("ETag", "").strip('"') or None


def info_of(headers: Mapping[str, str]) -> ObjectInfo:
    """What the answer to HEAD says of a value."""
    if (size := headers.get("Content-Length")) is None:
        raise IntegrityError("an answer to HEAD without a size")
    modified = headers.get("Last-Modified")
    when = None if modified is None else parsedate_to_datetime(modified).timestamp()
    metadata = {
        name[len(_META) :].lower().replace("-", "_"): value
        for name, value in headers.items()
        if name.lower().startswith(_META)
    }
    return ObjectInfo(int(size), etag_of(headers), when, metadata)


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Headers for user metadata. Underscores travel as hyphens: Ceph and many proxies do not let them through.

    Raises:
        Unsupported: a name or value that would come back changed.
    """
    for name, value in metadata.items():
        if not _NAME(name):
            raise Unsupported(f"names of metadata are lower-case letters, digits and underscores on S3, not {name!r}")
        if not _VALUE(value):
            raise Unsupported(f"values of metadata are printable ASCII on S3, which that of {name!r} is not")
    return {_META + name.replace("_", "-"): value for name, value in metadata.items()}


def crc32c(data: BytesLike) -> str:
    """The checksum as S3 writes it."""
    import google_crc32c

    return b64encode(google_crc32c.value(data if isinstance(data, bytes) else bytes(data)).to_bytes(4, "big")).decode()


def verify_crc32c(told: str, data: BytesLike) -> None:
    """Compare with the checksum of the whole value that the service keeps ("-" marks those made of parts).

    Raises:
        IntegrityError: they differ.
    """
    if "-" not in told and told != crc32c(data):
        raise IntegrityError("the value does not have the checksum that the service keeps of it")
