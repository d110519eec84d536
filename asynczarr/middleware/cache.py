"""Encoded values that were read lately, without reading them again."""

from __future__ import annotations

import asyncio
import builtins
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from ..clock import Clock, SystemClock
from ..errors import PreconditionFailed, StoreClosed
from ..store.base import Store
from ..telemetry import events, hooks
from ..telemetry.address import public
from ..types import ByteRange, BytesLike, Parts, Version
from .base import Wrapper
from .cached import CachedValues, Known
from .tasks import SharedCall

__all__ = ["Cache"]

_Slot: TypeAlias = tuple[asyncio.AbstractEventLoop, str, tuple[ByteRange, ...], Version | None]


class Cache(Wrapper):
    """Keeps values, and ranges of them, in a bounded amount of memory; the same read at the same time is one request.

    All that is kept of a key is of one version. By default the store is asked for the version before a kept value is
    used (a ``head`` instead of the value, or ranges that are not kept yet on condition of it), so that no answer is
    older than its question; only a read that finds the same one under way shares its answer. With `ttl` a value that
    was checked lately is used without asking. Writes through this object are seen at once. A store without versions
    is only cached within `ttl`.

    Values are read by ``get_ranges``, which tells the version. ``head`` and listings are passed on.

    Args:
        inner: the store.
        max_bytes: of all that is kept, together with what it takes to keep it.
        ttl: seconds for which a value, or that it is missing, is believed unasked; ``None``: for ever, for data that
            never changes.
        clock: how time passes.

    Attributes:
        hits: reads that were answered without the value being sent.
        misses: reads that were not.

    Raises:
        ValueError: a negative number of bytes or seconds.
    """

    def __init__(
        self, inner: Store, *, max_bytes: int = 64 * 2**20, ttl: float | None = 0.0, clock: Clock | None = None
    ) -> None:
        super().__init__(inner)
        if ttl is not None and ttl < 0:
            raise ValueError(f"a value cannot be believed for {ttl} seconds")
        self.hits: int = 0
        self.misses: int = 0
        self._values = CachedValues(max_bytes)
        self._ttl = ttl
        self._clock = clock or SystemClock()
        self._closed = False
        self._lock = threading.Lock()
        self._reads: dict[_Slot, _Read] = {}
        self._writing: Counter[str] = Counter()

    @property
    def used(self) -> int:
        """Bytes in use."""
        return self._values.used

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``."""
        parts = await self._get(key, (byte_range or ByteRange(),), None)
        return None if parts is None else parts.data[0]

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``."""
        if not ranges:
            return await self.inner.get_ranges(key, ranges, if_version=if_version)
        parts = await self._get(key, tuple(ranges), if_version)
        return None if parts is None else replace(parts, data=parts.data.copy())

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
        with self._changing([key]):
            return await self.inner.set(key, value, create=create, if_version=if_version, metadata=metadata)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        with self._changing([key]):
            await self.inner.delete(key, if_version=if_version)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """See ``Store.delete_many``."""
        keys = builtins.list(keys)
        with self._changing(keys):
            await self.inner.delete_many(keys)

    def forget(self, key: str) -> None:
        """Do not use what is kept, or being read, of a key."""
        super().forget(key)
        with self._lock:
            self._values.drop(key)
            for slot, read in builtins.list(self._reads.items()):
                if slot[1] == key:
                    read.keep = False
                    del self._reads[slot]

    async def aclose(self) -> None:
        """Forget everything and close the wrapped store."""
        self._closed = True
        self._values.clear()
        await super().aclose()

    @contextmanager
    def _changing(self, keys: Sequence[str]) -> Iterator[None]:
        """What is read before the end of a write is not kept, and nobody who comes after it joins such a read."""
        with self._lock:
            self._writing.update(keys)
        try:
            for key in keys:
                self.forget(key)
            yield
        finally:
            with self._lock:
                self._writing.subtract(keys)
                self._writing = +self._writing
            for key in keys:
                self.forget(key)

    async def _get(self, key: str, ranges: tuple[ByteRange, ...], if_version: Version | None) -> Parts | None:
        if self._closed:
            raise StoreClosed("the store is closed", store=self.url, key=key)
        known, found = self._values.find(key, ranges)
        if known is not None and self._is_fresh(known) and if_version in (None, known.version):
            if known.size is None:
                self._hit(key, None)
                return None
            if (parts := _joined(known, found)) is not None:
                self._hit(key, parts)
                return parts
        slot = (asyncio.get_running_loop(), key, ranges, if_version)
        with self._lock:
            read = self._reads.get(slot)
            if read is None:
                read = self._reads[slot] = _Read(keep=not self._writing[key])
                read.call = SharedCall(lambda: self._load(slot, read), lambda: self._over(slot, read))
        return await read.call.join()

    def _over(self, slot: _Slot, read: _Read) -> None:
        with self._lock:
            if self._reads.get(slot) is read:
                del self._reads[slot]

    async def _load(self, slot: _Slot, read: _Read) -> Parts | None:
        _, key, ranges, if_version = slot
        known, found = self._values.find(key, ranges)
        if known is not None and if_version in (None, known.version):
            parts = await self._completed(key, ranges, known, found, read)
            if parts is not None:
                return parts
        self._missed(key)
        begun = self._clock.now()
        parts = await self.inner.get_ranges(key, ranges, if_version=if_version)
        self._keep(read, key, ranges, parts, begun)
        return parts

    async def _completed(
        self, key: str, ranges: tuple[ByteRange, ...], known: Known, found: builtins.list[BytesLike | None], read: _Read
    ) -> Parts | None:
        """What is kept and what is missing of it, unless the store has another version by now."""
        version = known.version
        missing = [part for part, data in zip(ranges, found, strict=True) if data is None]
        if version is None or len(missing) == len(ranges):
            return None
        begun = self._clock.now()
        if not missing:
            info = await self.inner.head(key)
            if info is None or info.version != version:
                return None
            parts = _joined(known, found)
            self._hit(key, parts)
            if read.keep:
                self._values.checked(key, version, begun)
            return parts
        try:
            parts = await self.inner.get_ranges(key, missing, if_version=version)
        except PreconditionFailed:
            return None
        if parts is None:
            return None
        self._missed(key)
        self._keep(read, key, missing, parts, begun)
        rest = iter(parts.data)
        return _joined(known, [next(rest) if data is None else data for data in found])

    def _keep(self, read: _Read, key: str, ranges: Sequence[ByteRange], parts: Parts | None, begun: float) -> None:
        with self._lock:
            if read.keep and (parts is not None or self._ttl != 0):
                self._values.put(key, ranges, parts, begun)

    def _hit(self, key: str, parts: Parts | None) -> None:
        self.hits += 1
        if hooks.active:
            nbytes = 0 if parts is None else sum(map(len, parts.data))
            hooks.emit(events.CacheHit(store=public(self.url), cache="values", key=key, nbytes=nbytes))

    def _missed(self, key: str) -> None:
        self.misses += 1
        if hooks.active:
            hooks.emit(events.CacheMiss(store=public(self.url), cache="values", key=key))

    def _is_fresh(self, known: Known) -> bool:
        return self._ttl is None or self._clock.now() - known.checked < self._ttl


class _Read:
    """A read that is under way."""

    call: SharedCall[Parts | None]

    def __init__(self, *, keep: bool) -> None:
        self.keep = keep  # until somebody writes


def _joined(known: Known, found: builtins.list[BytesLike | None]) -> Parts | None:
    """All parts, or ``None`` if one is missing."""
    data = [part for part in found if part is not None]
    return Parts(data, known.version, known.size or 0) if len(data) == len(found) else None
