"""Bytes are believed when their number is right, and their checksum where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google_crc32c import value as crc32c

from ..errors import IntegrityError, Truncated, Unavailable
from ..store.base import Store
from ..store.fileio import frozen
from ..store.network.threads import small_or_threaded
from ..types import ByteRange, BytesLike, Parts, Version
from .base import Wrapper

__all__ = ["CRC32C", "Checksum"]

CRC32C = "asynczarr_crc32c"
"""Metadata that holds the CRC-32C of a value, eight hexadecimal digits."""

READS = 16
"""How often a value may change between reading it and reading its checksum before that fails."""


class Checksum(Wrapper):
    """Verifies the number of bytes of every ranged read, and on request a CRC-32C of whole values.

    Put it inside of what retries: a short answer is ``Truncated``, a wrong one ``IntegrityError``, which is read once
    more.

    Args:
        inner: the store that is wrapped.
        crc32c: write the CRC-32C of each value into its metadata, and verify it when a value is read as a whole, by
            whatever range: so are chunks that are no shards. It costs a ``head`` with each such read of a store that
            does not tell metadata with the value.
    """

    def __init__(self, inner: Store, *, crc32c: bool = False) -> None:
        super().__init__(inner)
        self._crc32c = crc32c

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``. A range is read with the size of its value, so that its length can be verified."""
        if byte_range is None and not self._crc32c:
            return await self.inner.get(key)
        parts = await self.get_ranges(key, [byte_range or ByteRange()])
        return None if parts is None else parts.data[0]

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``."""
        for _ in range(READS):
            parts = await self.inner.get_ranges(key, ranges, if_version=if_version)
            if parts is None:
                return None
            self._check(key, ranges, parts)
            if not self._crc32c or await self._compared(key, parts):
                return parts
        raise Unavailable("the value changes faster than its checksum can be read", store=self.url, key=key)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``."""
        if self._crc32c:
            metadata = {**(metadata or {}), CRC32C: await small_or_threaded(value, _crc32c)}
        return await self.inner.set(key, value, create=create, if_version=if_version, metadata=metadata)

    def _check(self, key: str, ranges: Sequence[ByteRange], parts: Parts) -> None:
        if len(parts.data) != len(ranges):
            reason = f"{len(parts.data)} parts for {len(ranges)} ranges"
            raise IntegrityError(reason, store=self.url, key=key)
        for wanted, data in zip(ranges, parts.data, strict=True):
            start, stop = wanted.resolve(parts.size)
            if len(data) < stop - start:
                reason = f"{len(data)} of the {stop - start} bytes {start}..{stop} arrived"
                raise Truncated(reason, store=self.url, key=key)
            if len(data) > stop - start:
                reason = f"{len(data)} bytes arrived for the {stop - start} bytes {start}..{stop}"
                raise IntegrityError(reason, store=self.url, key=key)

    async def _compared(self, key: str, parts: Parts) -> bool:
        """Compare parts that are the whole value; ``False`` if it was replaced before its checksum could be read."""
        whole = [data for data in parts.data if len(data) == parts.size]
        if not whole:
            return True
        metadata = parts.metadata
        if metadata is None:
            info = await self.inner.head(key)
            if info is None or info.version != parts.version:
                return False
            metadata = info.metadata
        expected = metadata.get(CRC32C)
        for data in whole if expected is not None else ():
            if await small_or_threaded(data, _crc32c) != expected:
                raise IntegrityError("the bytes contradict their CRC-32C", store=self.url, key=key)
        return True


def _crc32c(value: BytesLike) -> str:
    return f"{crc32c(frozen(value)):08x}"
