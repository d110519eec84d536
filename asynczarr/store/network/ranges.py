"""Byte ranges in HTTP: asked for in one header, found in another."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import IntegrityError, Truncated
from ...types import ByteRange, Version
from .pinned import Reading

__all__ = ["PastTheEnd", "content_range", "range_header", "reading_of"]

content_range = re.compile(r"bytes (\d+)-(\d+)/(\d+)").fullmatch
"""Matches the value of a ``Content-Range`` header: first byte, last byte, size of the whole value."""


class PastTheEnd(Exception):
    """The range begins where the value has ended.

    Attributes:
        version: that of the value, if the answer names it.
    """

    def __init__(self, version: Version | None) -> None:
        super().__init__()
        self.version = version


def range_header(byte_range: ByteRange) -> str | None:
    """Value of a ``Range`` header, ``None`` for the whole value. The range may not be empty."""
    if byte_range.start < 0:
        return f"bytes={byte_range.start}"
    if byte_range.stop is not None:
        return f"bytes={byte_range.start}-{byte_range.stop - 1}"
    return f"bytes={byte_range.start}-" if byte_range.start else None


def reading_of(
    status: int, headers: Mapping[str, str], body: bytes, byte_range: ByteRange, version: Version | None
) -> Reading:
    """What an answer of status 200 (the whole value) or 206 says, if it is what was asked for.

    Raises:
        IntegrityError: another range than the one asked for, or none at all.
        Truncated: fewer bytes than the answer says.
    """
    if status == 200:
        return Reading(body, len(body), version)
    match = content_range(headers.get("Content-Range", ""))
    if match is None and byte_range.start < 0 and headers.get("Content-Length") == "0":
        return Reading(b"", 0, version)  # only an empty value ends with nothing; emulators answer so
    if match is None:
        raise IntegrityError("a partial answer that does not say which part it is")
    start, last, size = map(int, match.groups())
    if (start, last + 1) != byte_range.resolve(size):
        raise IntegrityError(f"asked for {range_header(byte_range)}, got {match[0]}")
    if len(body) != last + 1 - start:
        raise Truncated(f"{len(body)} of {last + 1 - start} bytes arrived")
    return Reading(body, size, version)
