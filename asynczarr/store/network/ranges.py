"""Byte ranges in HTTP: asked for in one header, found in another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ...errors import IntegrityError
from ...types import ByteRange, Version

__all__ = ["PastTheEnd", "content_range", "range_header", "verify_range"]

content_range: Callable[[str], re.Match[str] | None] = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})").fullmatch
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


def verify_range(status: int, headers: Mapping[str, str], byte_range: ByteRange) -> tuple[int | None, int | None]:
    """Bytes that the body of an answer of success has to have, and those of the whole value, where it tells.

    Raises:
        IntegrityError: it is for another range than the one asked for, or its status is none that brings a value.
    """
    if status not in (200, 206):
        raise IntegrityError(f"HTTP status {status} does not bring a value")
    length = headers.get("Content-Length", "")
    told = int(length) if length.isdecimal() else None
    if status != 206:
        if range_header(byte_range) and (told is None or byte_range.resolve(told) != (0, told)):
            raise IntegrityError("the byte range was ignored: the answer is the whole value")
        return told, told
    match = content_range(headers.get("Content-Range", ""))
    if match is None and byte_range.start < 0 and told == 0:
        return 0, 0  # only an empty value ends with nothing; emulators answer so
    if match is None:
        raise IntegrityError("a partial answer that does not say which part it is")
    start, last, size = map(int, match.groups())
    if (start, last + 1) != byte_range.resolve(size):
        raise IntegrityError(f"asked for {range_header(byte_range)}, got {match[0]}")
    return last + 1 - start, size
