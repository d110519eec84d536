"""Shard indexes seen lately, each valid for one version of its shard."""

from __future__ import annotations

import threading
from collections import OrderedDict

from ..codec.shard_index import ShardIndex
from ..telemetry import events, hooks
from ..types import Version

__all__ = ["ShardIndexCache"]


class ShardIndexCache:
    """A cache bounded in bytes, least recently used out first; safe to use from worker threads.

    An index is only good together with the version it was read from: data is then asked for with ``if_version``,
    so index and data never come from different states of the shard. Indexes without a version are not kept.

    Args:
        limit: bytes.
    """

    def __init__(self, limit: int = 16 * 2**20) -> None:
        self._limit = limit
        self._used = 0
        self._entries: OrderedDict[str, tuple[Version, ShardIndex]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> tuple[Version, ShardIndex] | None:
        """The index of the shard at `key` and the version it belongs to."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
        if hooks.active:
            hooks.emit(_lookup(key, entry))
        return entry

    def put(self, key: str, version: Version | None, index: ShardIndex) -> None:
        """Keep an index, if it has a version and fits."""
        if version is None or index.nbytes > self._limit:
            return
        with self._lock:
            self._discard(key)
            self._entries[key] = (version, index)
            self._used += index.nbytes
            evicted = []
            while self._used > self._limit:
                evicted.append((oldest := next(iter(self._entries)), self._entries[oldest][1].nbytes))
                self._discard(oldest)
        if hooks.active:
            for oldest, nbytes in evicted:
                hooks.emit(events.CacheEvict(store="", cache="index", key=oldest, nbytes=nbytes))

    def discard(self, key: str) -> None:
        """Forget the index of a shard that has changed."""
        with self._lock:
            self._discard(key)

    def _discard(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._used -= entry[1].nbytes


def _lookup(key: str, entry: tuple[Version, ShardIndex] | None) -> events.CacheHit | events.CacheMiss:
    if entry is None:
        return events.CacheMiss(store="", cache="index", key=key)
    return events.CacheHit(store="", cache="index", key=key, nbytes=entry[1].nbytes)
