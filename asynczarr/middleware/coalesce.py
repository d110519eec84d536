"""Small reads of one value at the same time become one request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from ..store.base import Store
from ..store.coalesce import coalesce
from ..types import ByteRange, BytesLike, Parts, Version
from .base import Wrapper
from .tasks import SharedCall

__all__ = ["Coalesce"]

_Slot: TypeAlias = tuple[asyncio.AbstractEventLoop, str, Version | None]


class Coalesce(Wrapper):
    """Collects the range reads of one key that come in the same turn of the event loop, and sends one request for all.

    Ranges near each other are read as one, and all by one ``get_ranges``. Buffers that callers get are views on what
    was read together. The request is made after the last caller has come: nobody gets an answer older than the
    question. Whole values are read as they are. An error is everybody's.

    Args:
        inner: the store.
        gap: read two ranges as one if at most this many bytes lie between them.
        max_size: bytes of the largest range that is made by merging.

    Raises:
        ValueError: a negative gap or size.
    """

    def __init__(self, inner: Store, *, gap: int = 64 * 1024, max_size: int = 16 * 2**20) -> None:
        super().__init__(inner)
        if gap < 0 or max_size < 0:
            raise ValueError(f"neither gap nor size can be negative: {gap}, {max_size}")
        self._gap = gap
        self._max_size = max_size
        self._open: dict[_Slot, _Batch] = {}

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``."""
        if byte_range is None:
            return await self.inner.get(key)
        batch = self._batch(key, None)
        mine = batch.add([byte_range])
        parts = await batch.call.join()
        return None if parts is None else parts.data[mine.start]

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``."""
        batch = self._batch(key, if_version)
        batch.plain = False
        mine = batch.add(ranges)
        parts = await batch.call.join()
        return None if parts is None else replace(parts, data=parts.data[mine])

    def _batch(self, key: str, version: Version | None) -> _Batch:
        slot = (asyncio.get_running_loop(), key, version)
        batch = self._open.get(slot)
        if batch is None:
            batch = self._open[slot] = _Batch()
            batch.call = SharedCall(lambda: self._send(slot, batch), lambda: self._close(slot, batch))
        return batch

    def _close(self, slot: _Slot, batch: _Batch) -> None:
        if self._open.get(slot) is batch:
            del self._open[slot]

    async def _send(self, slot: _Slot, batch: _Batch) -> Parts | None:
        await asyncio.sleep(0)  # the others of this turn come
        self._close(slot, batch)
        _, key, version = slot
        if batch.plain and len(batch.ranges) == 1:  # nothing to merge: as it was asked
            value = await self.inner.get(key, batch.ranges[0])
            return None if value is None else Parts([value], None, len(value))
        closed = [number for number, part in enumerate(batch.ranges) if part.stop is not None]
        runs = coalesce([batch.ranges[number] for number in closed], gap=self._gap, max_size=self._max_size)
        ends = list(dict.fromkeys(part for part in batch.ranges if part.stop is None))
        asked = [ByteRange(run.start, run.stop) for run in runs] + ends
        parts = await self.inner.get_ranges(key, asked, if_version=version)
        if parts is None:
            return None
        at_end = dict(zip(ends, parts.data[len(runs) :], strict=True))
        data = [at_end.get(part, b"") for part in batch.ranges]
        for run, read in zip(runs, parts.data, strict=False):
            for member in run.members:
                number = closed[member]
                data[number] = _within(batch.ranges[number], run.start).of(read)
        return replace(parts, data=data)


class _Batch:
    """Ranges of one key that are going to be read together."""

    call: SharedCall[Parts | None]

    def __init__(self) -> None:
        self.ranges: list[ByteRange] = []
        self.plain = True  # only single ranges of ``get``

    def add(self, ranges: Sequence[ByteRange]) -> slice:
        """Read these too; where they will be found."""
        first = len(self.ranges)
        self.ranges += ranges
        return slice(first, len(self.ranges))


def _within(part: ByteRange, start: int) -> ByteRange:
    assert part.stop is not None
    return ByteRange(part.start - start, part.stop - start)
