"""Ranges of one version of a value, a request for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...errors import IntegrityError, PreconditionFailed
from ...types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from ..network.together import together
from .errors import OutOfRange
from .headers import etag_of, info_of, range_header, verify_part

if TYPE_CHECKING:
    from .client import S3Client

__all__ = ["info", "read_part", "read_parts"]

_SNAPSHOTS = 5
_AT_ONCE = 16 << 20


class _Part(NamedTuple):
    data: bytes
    version: Version | None
    size: int


async def info(client: S3Client, path: str, version: Version | None = None) -> ObjectInfo | None:
    """What HEAD tells of a value, which must be `version` if that is given."""
    answer = await client.request("HEAD", path, headers=_pinned(version))
    return None if answer is None else info_of(answer.headers)


async def read_part(client: S3Client, path: str, part: ByteRange) -> bytes | None:
    """One range. S3 has no empty ones: HEAD tells whether there is a value at all."""
    try:
        found = await _part(client, path, part, None)
    except OutOfRange:
        return b""
    return None if found is None else found.data


async def read_parts(
    client: S3Client, path: str, ranges: Sequence[ByteRange], version: Version | None, limit: int
) -> Parts | None:
    """All ranges from `version`, or from any one if none is given; `limit` requests at a time.

    A value that is replaced all the time, and is not large, is read whole at last.

    Raises:
        PreconditionFailed: `version` is not the stored one, or a large value is replaced all the time.
    """
    for _ in range(_SNAPSHOTS):
        try:
            return await _snapshot(client, path, ranges, version, limit)
        except PreconditionFailed:
            if version is not None:
                raise
            # Replaced between two of our requests: any version will do, so take the new one.
    whole = await _first(client, path, ByteRange(0, _AT_ONCE), None)
    if whole is None:
        return None
    if whole.size > _AT_ONCE:
        raise PreconditionFailed("the value is replaced faster than its ranges can be read")
    return Parts([part.of(whole.data) for part in ranges], whole.version, whole.size)


async def _snapshot(
    client: S3Client, path: str, ranges: Sequence[ByteRange], version: Version | None, limit: int
) -> Parts | None:
    """The first range tells the version that the others ask for."""
    first = await _first(client, path, ranges[0] if ranges else ByteRange(0, 0), version)
    if first is None:
        return None
    pin = first.version
    if len(ranges) < 2:
        return Parts([first.data] if ranges else [], pin, first.size)
    if pin is None:
        raise IntegrityError("the service tells no ETag, so that ranges may be of different values")

    async def rest(part: ByteRange) -> BytesLike:
        start, stop = part.resolve(first.size)
        if start == stop:
            return b""
        found = await _part(client, path, part, pin)
        if found is None:
            raise PreconditionFailed("the value was deleted meanwhile")
        return found.data

    data: list[BytesLike] = await together(rest, ranges[1:], limit)
    return Parts([first.data, *data], pin, first.size)


async def _first(client: S3Client, path: str, part: ByteRange, version: Version | None) -> _Part | None:
    """A range that may lie past the end, where S3 tells neither size nor version."""
    try:
        return await _part(client, path, part, version)
    except OutOfRange:
        return await _part(client, path, ByteRange(0, 0), version)


async def _part(client: S3Client, path: str, part: ByteRange, version: Version | None) -> _Part | None:
    if part.length == 0:
        found = await info(client, path, version)
        return None if found is None else _Part(b"", found.version, found.size)
    headers = {"Range": range_header(part), **_pinned(version)}
    answer = await client.request("GET", path, part=True, headers=headers, limit=part.length)
    if answer is None:
        return None
    return _Part(answer.body, etag_of(answer.headers), verify_part(part, answer.headers, answer.body))


def _pinned(version: Version | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": version}
