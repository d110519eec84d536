"""Byte ranges of one version of a value, over HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

from ..errors import IntegrityError, PreconditionFailed, Truncated, Unavailable
from ..types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from .conditions import expect

__all__ = ["Fetch", "Head", "Piece", "piece_of", "range_header", "read_parts", "together"]

T = TypeVar("T")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)").fullmatch


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of a value.

    Attributes:
        data: its bytes.
        version: the version that they were cut from; ``None`` where the answer to a range past the end leaves it out.
        size: bytes of the whole value; ``None`` where the answer to a range past the end leaves it out.
    """

    data: BytesLike
    version: Version | None
    size: int | None


Fetch: TypeAlias = Callable[[ByteRange, Version | None], Coroutine[Any, Any, Piece | None]]
"""Reads one range that is not empty, of one version if that is given; ``None`` if the key is missing."""

Head: TypeAlias = Callable[[], Awaitable[ObjectInfo | None]]


def range_header(byte_range: ByteRange) -> str | None:
    """Value of a ``Range`` header, ``None`` for the whole value. The range may not be empty."""
    if byte_range.start < 0:
        return f"bytes={byte_range.start}"
    if byte_range.stop is not None:
        return f"bytes={byte_range.start}-{byte_range.stop - 1}"
    return f"bytes={byte_range.start}-" if byte_range.start else None


def piece_of(
    status: int, headers: Mapping[str, str], body: bytes, byte_range: ByteRange, version: Version | None
) -> Piece:
    """The piece in an answer of status 200 or 206, if it is what was asked for.

    Raises:
        IntegrityError: another range than the one asked for, or none at all.
        Truncated: fewer bytes than the answer says.
    """
    if status == 200:
        return Piece(body, version, len(body))
    match = _CONTENT_RANGE(headers.get("Content-Range", ""))
    if match is None and byte_range.start < 0 and headers.get("Content-Length") == "0":
        return Piece(b"", version, 0)  # only an empty value ends with nothing; emulators answer so
    if match is None:
        raise IntegrityError("a partial answer that does not say which part it is")
    start, last, size = map(int, match.groups())
    if (start, last + 1) != byte_range.resolve(size):
        raise IntegrityError(f"asked for {range_header(byte_range)}, got {match[0]}")
    if len(body) != last + 1 - start:
        raise Truncated(f"{len(body)} of {last + 1 - start} bytes arrived")
    return Piece(body, version, size)


async def read_parts(
    ranges: Sequence[ByteRange],
    fetch: Fetch,
    head: Head,
    *,
    if_version: Version | None = None,
) -> Parts | None:
    """Read `ranges` of one version: the first tells the version, the others are asked for on that condition.

    Where the value is replaced meanwhile, all of them are cut out of one range that covers them.

    Args:
        ranges: they may overlap, repeat and be empty.
        fetch: makes the requests.
        head: tells size and version, where no byte is asked for or the first range is past the end.
        if_version: see ``Store.get_ranges``.
    """
    wanted = [part for part in ranges if part.length != 0]
    if not wanted:
        info = await head()
        if info is None:
            return None
        expect(info.version, if_version)
        return Parts([b""] * len(ranges), info.version, info.size)
    try:
        pieces = await _read_pinned(wanted, fetch, head, if_version)
    except PreconditionFailed:
        if if_version is not None:
            raise
        pieces = await _read_cover(wanted, fetch)
    if not pieces:
        return None
    found = (piece.data for piece in pieces)
    return Parts([b"" if part.length == 0 else next(found) for part in ranges], pieces[0].version, pieces[0].size or 0)


async def _read_pinned(wanted: Sequence[ByteRange], fetch: Fetch, head: Head, version: Version | None) -> list[Piece]:
    first = await fetch(wanted[0], version)
    if first is None:
        return []
    if first.size is None or first.version is None:
        first = await _past_the_end(wanted[0], first, head, version)
    pieces = [first, *await together([fetch(part, first.version) for part in wanted[1:]])]
    if None in pieces:
        raise PreconditionFailed("the value was deleted while it was read")
    return [piece for piece in pieces if piece is not None]


async def _past_the_end(part: ByteRange, found: Piece, head: Head, version: Version | None) -> Piece:
    info = await head()
    if info is None:
        raise PreconditionFailed("the value was deleted while it was read")
    expect(info.version, version if found.version is None else found.version)
    start, stop = part.resolve(info.size)
    if start < stop:
        raise PreconditionFailed("the value was replaced while it was read")
    return Piece(b"", info.version, info.size)


async def _read_cover(wanted: Sequence[ByteRange], fetch: Fetch) -> list[Piece]:
    start = min(part.start for part in wanted)
    stops = [part.stop for part in wanted if part.stop is not None]
    cover = ByteRange(max(start, 0), max(stops) if start >= 0 and len(stops) == len(wanted) else None)
    whole = await fetch(cover, None)
    if whole is None:
        return []
    if whole.size is None:
        raise Unavailable("the value is replaced faster than it can be read")
    view, bounds = memoryview(whole.data), [part.resolve(whole.size) for part in wanted]
    return [replace(whole, data=view[begin - cover.start : end - cover.start]) for begin, end in bounds]


async def together(jobs: Sequence[Awaitable[T]]) -> list[T]:
    """Await all of them at the same time; the first error ends the others and is raised."""
    if len(jobs) < 2:
        return [await job for job in jobs]
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
