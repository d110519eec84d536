"""Several ranges of one version of a value, for stores that take one range a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ...errors import AttemptTimeout, IntegrityError, PreconditionFailed, StoreError, Throttled, Truncated, Unavailable
from ...types import ByteRange, BytesLike, Parts, Version
from ..answer import part_arrives
from .together import together

__all__ = ["ReadRange", "Reading", "read_ranges"]

_ATTEMPTS = 4
"""How often a value may change while its ranges are read before they are cut out of one request."""


@dataclass(slots=True)
class Reading:
    """What one request said of a value.

    Attributes:
        data: the bytes of the range that was asked for, cut to the value.
        size: bytes of the whole value.
        version: its version, if the store has any.
        mark: anything that differs between two states of the value, where there are no versions.
        whole: the whole value, if that is what the store sent.
        metadata: user metadata, if the answer brings it.
    """

    data: BytesLike
    size: int
    version: Version | None = None
    mark: object = None
    whole: BytesLike | None = None
    metadata: Mapping[str, str] | None = None

    def parts(self, data: list[BytesLike]) -> Parts:
        """Ranges of the value that this is of."""
        return Parts(data, self.version, self.size, self.metadata)


ReadRange: TypeAlias = Callable[[ByteRange, Version | None], Awaitable[Reading | None]]
"""Reads one range, only if the value has this version; an empty range asks for size and version alone."""


async def read_ranges(
    read: ReadRange, ranges: Sequence[ByteRange], if_version: Version | None, *, limit: int, at_once: bool = True
) -> Parts | None:
    """Do ``Store.get_ranges`` by `read`: the first request tells the version, all others are pinned to it.

    A value that changes in between is read again from the beginning, and if it never rests, by one request for all
    that lies between the ranges.

    After a failure that may pass nothing begins, and what is under way is waited for: who tries again need not ask for
    it (:func:`~asynczarr.store.answer.part_arrives`).

    Args:
        read: one request.
        ranges: what was asked for.
        if_version: if given, all requests are pinned to it and made at the same time.
        limit: requests at a time.
        at_once: ``False`` makes the first request alone also then, for stores that may answer it with everything.

    Raises:
        PreconditionFailed: `if_version` is not the stored version.
        IntegrityError: nothing tells whether the ranges are of one value.
    """
    if if_version is not None and at_once and len(ranges) > 1:
        found = await _read_each(read, ranges, [*enumerate(ranges)], if_version, limit)
        readings = [reading for reading in found if reading is not None]
        if len(readings) < len(ranges):
            return None
        if any(reading.version != if_version for reading in readings):
            raise PreconditionFailed("the stored version is another one")
        return readings[0].parts([reading.data for reading in readings])
    for _ in range(_ATTEMPTS):
        try:
            if len(ranges) == 1:
                only = await read(ranges[0], if_version)
                return None if only is None else only.parts([only.data])
            return await _read_one_version(read, ranges, if_version, limit)
        except PreconditionFailed:
            if if_version is not None:
                raise
    return await _read_cover(read, ranges)


async def _read_one_version(
    read: ReadRange, ranges: Sequence[ByteRange], pin: Version | None, limit: int
) -> Parts | None:
    first = await read(ranges[0] if ranges else ByteRange(0, 0), pin)
    if first is None:
        return None
    if not ranges:
        return first.parts([])
    if first.whole is not None:
        return first.parts([part.of(first.whole) for part in ranges])
    data: list[BytesLike] = [first.data, *[b""] * (len(ranges) - 1)]
    inside = [(number, ByteRange(*part.resolve(first.size))) for number, part in enumerate(ranges)]
    wanted = [(number, part) for number, part in inside[1:] if part.length]
    if wanted and first.version is None and first.mark is None:
        raise IntegrityError("no version comes with the value, so that ranges may be of different ones")
    part_arrives(ranges, 0, first.parts([first.data]))
    others = await _read_each(read, ranges, wanted, first.version, limit)
    for (number, _), other in zip(wanted, others, strict=True):
        if other is None or (other.size, other.version, other.mark) != (first.size, first.version, first.mark):
            raise PreconditionFailed("the value changed while it was read")
        data[number] = other.data
    return first.parts(data)


async def _read_each(
    read: ReadRange, ranges: Sequence[ByteRange], wanted: list[tuple[int, ByteRange]], pin: Version | None, limit: int
) -> list[Reading | None]:
    failed: list[StoreError] = []

    async def one(item: tuple[int, ByteRange]) -> Reading | None:
        number, part = item
        if failed:
            return None
        try:
            reading = await read(part, pin)
        except (Unavailable, Throttled, Truncated, AttemptTimeout) as error:
            failed.append(error)
            return None
        if reading is not None and reading.version == pin:
            part_arrives(ranges, number, reading.parts([reading.data]))
        return reading

    found = await together(one, wanted, limit)
    if failed:
        raise failed[0]
    return found


async def _read_cover(read: ReadRange, ranges: Sequence[ByteRange]) -> Parts | None:
    start = min(max(0, part.start) for part in ranges)  # 0 if one is counted from the end
    stops = [part.stop for part in ranges if part.stop is not None]
    cover = ByteRange(start, max(stops) if len(stops) == len(ranges) else None)
    found = await read(cover, None)
    if found is None:
        return None
    view, bounds = memoryview(found.data), [part.resolve(found.size) for part in ranges]
    return found.parts([view[begin - start : max(begin, end) - start] for begin, end in bounds])
