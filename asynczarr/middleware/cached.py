"""What a cache knows of values: parts of each, all of one version."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..store.fileio import frozen
from ..telemetry import events, hooks
from ..types import ByteRange, BytesLike, Parts, Version
from .lru import ByteLRU

__all__ = ["CachedValues", "Known"]

WHOLE = ByteRange()


@dataclass(frozen=True, slots=True)
class Known:
    """What was seen of a key.

    Attributes:
        version: of all parts of it that are kept.
        size: bytes of the whole value, ``None`` if the key was missing.
        checked: when the store said so.
    """

    version: Version | None
    size: int | None
    checked: float


@dataclass(slots=True)
class _Entry:
    known: Known
    parts: set[ByteRange] = field(default_factory=set)


class CachedValues:
    """Parts of values, bounded in bytes; safe to use from several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._lru: ByteLRU[tuple[str, ByteRange], bytes] = ByteLRU(max_bytes, self._evicted)
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes in use."""
        return self._lru.used

    def find(self, key: str, ranges: Sequence[ByteRange]) -> tuple[Known | None, list[BytesLike | None]]:
        """What is known of a key, and those of its ranges that are kept."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None, [None] * len(ranges)
            return entry.known, [self._part(key, part) for part in ranges]

    def put(self, key: str, ranges: Iterable[ByteRange], parts: Parts | None, now: float) -> None:
        """Keep what was read; what is kept of another version is dropped."""
        known = Known(None, None, now) if parts is None else Known(parts.version, parts.size, now)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or known.version is None or known.version != entry.known.version:
                self._drop(key)
                entry = self._entries[key] = _Entry(known)
            entry.known = known
            for part, data in zip(ranges, parts.data, strict=True) if parts is not None else ((WHOLE, b""),):
                whole = parts is not None and len(data) == parts.size
                self._keep(key, entry, WHOLE if whole else part, frozen(data))
            if not entry.parts:
                self._entries.pop(key, None)

    def checked(self, key: str, version: Version, now: float) -> None:
        """The store said that this is still the version."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.known.version == version:
                entry.known = replace(entry.known, checked=now)

    def drop(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._lru.clear()
            self._entries.clear()

    def _part(self, key: str, part: ByteRange) -> BytesLike | None:
        data = self._lru.get((key, part))
        if data is None and part != WHOLE:
            whole = self._lru.get((key, WHOLE))
            return None if whole is None else part.of(whole)
        return data

    def _keep(self, key: str, entry: _Entry, part: ByteRange, data: bytes) -> None:
        entry.parts.add(part)
        if not self._lru.put((key, part), data, len(data) + len(key)):
            entry.parts.discard(part)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        for part in entry.parts if entry is not None else ():
            self._lru.discard((key, part))

    def _evicted(self, slot: tuple[str, ByteRange], nbytes: int) -> None:
        if hooks.active:
            hooks.emit(events.CacheEvict(store="", cache="values", key=slot[0], nbytes=nbytes))
        entry = self._entries.get(slot[0])
        if entry is not None:
            entry.parts.discard(slot[1])
            if not entry.parts:
                del self._entries[slot[0]]
