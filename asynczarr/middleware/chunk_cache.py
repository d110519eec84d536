"""Decoded chunks that were read lately, without reading and decoding them again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from ..clock import Clock, SystemClock
from ..store.base import Store
from ..store.remade import Remade
from ..telemetry import events, hooks
from ..telemetry.address import public
from ..types import Coords, Version
from .lru import ByteLRU
from .tasks import SharedCall

if TYPE_CHECKING:
    import numpy as np

    ChunkData: TypeAlias = np.ndarray[Any, np.dtype[Any]]

__all__ = ["Asked", "ChunkCache"]

STRIPES = 1024
"""Counters of changes, which keys share: two keys of one stripe cost a chunk that is not kept, now and then."""


class Asked(NamedTuple):
    """The moment before a store was asked for a value.

    Attributes:
        time: by the clock of the cache.
        changes: how often its key, or one of its stripe, had been discarded by then.
    """

    time: float
    changes: int


class ChunkCache(Remade):
    """Decoded chunks, bounded in bytes, least recently used out first. Several arrays and threads may share one.

    A chunk belongs to one version of the value that it was decoded from. Who reads learns the version first: from
    :meth:`version` if the store told it at most `ttl` seconds ago, else from the store, and says so by :meth:`seen`.

    Args:
        max_bytes: of all chunks and what it takes to keep them.
        ttl: seconds for which a version is believed unasked; ``None``: for ever, for data that never changes.
        clock: how time passes.

    Attributes:
        hits: chunks that were there.
        misses: chunks that were not.

    Raises:
        ValueError: a negative number of bytes or seconds.
    """

    def __init__(self, max_bytes: int = 256 * 2**20, *, ttl: float | None = 0.0, clock: Clock | None = None) -> None:
        if ttl is not None and ttl < 0:
            raise ValueError(f"a version cannot be believed for {ttl} seconds")
        self.hits: int = 0
        self.misses: int = 0
        self._ttl = ttl
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._lru: ByteLRU[_Slot, ChunkData] = ByteLRU(max_bytes, self._evicted)
        self._stores: WeakKeyDictionary[Store, dict[str, _Value]] = WeakKeyDictionary()
        self._changes = [0] * STRIPES
        self._calls: dict[Hashable, SharedCall[ChunkData]] = {}

    @property
    def ttl(self) -> float | None:
        """Seconds for which a version is believed unasked, ``None`` for ever."""
        return self._ttl

    def takes(self, dtype: np.dtype[Any], nbytes: int) -> bool:
        """Whether chunks of a data type and size can be kept at all: no strings, no objects, none that is too large."""
        return dtype.kind not in ("O", "T") and self._lru.takes(nbytes)

    @property
    def used(self) -> int:
        """Bytes in use."""
        return self._lru.used

    def version(self, store: Store, key: str) -> Version | None:
        """The version of a value, if the store told it lately and chunks of it are kept."""
        with self._lock:
            value = self._stores.get(store, {}).get(key)
            return value.version if value is not None and self._believed(value.seen) else None

    def asked(self, key: str) -> Asked:
        """Now, to be called before a store is asked."""
        return Asked(self._clock.now(), self._changes[hash(key) % STRIPES])

    def fresh(self, key: str, asked: Asked) -> bool:
        """Whether the answer to a question of that moment is still believed: the key was not discarded since."""
        return asked.changes == self._changes[hash(key) % STRIPES] and self._believed(asked.time)

    def _believed(self, since: float) -> bool:
        return self._ttl is None or self._clock.now() - since < self._ttl

    def holds(self, store: Store, key: str) -> bool:
        """Whether chunks of a value are kept: else asking for its version is in vain."""
        with self._lock:
            return key in self._stores.get(store, {})

    def seen(self, store: Store, key: str, version: Version | None) -> None:
        """The store says that this is the version now (``None``: the key is missing). Chunks of others are dropped."""
        with self._lock:
            value = self._stores.get(store, {}).get(key)
            if value is not None and value.version == version:
                value.seen = self._clock.now()
            elif value is not None:
                self._drop(store, key)

    def get(
        self, store: Store, key: str, version: Version | None, coords: Coords = (), form: Hashable = None
    ) -> ChunkData | None:
        """A chunk, which nobody may write to.

        Args:
            store: where its value is.
            key: key of the value.
            version: of the value.
            coords: which chunk of a shard.
            form: how it was decoded (data type, codecs): what arrays of other metadata do not share.
        """
        with self._lock:
            value = self._stores.get(store, {}).get(key)
            found = None
            if value is not None and value.version == version:
                found = self._lru.get(_Slot(value, coords, form))
            if found is None:
                self.misses += 1
            else:
                self.hits += 1
        if hooks.active:
            nbytes, kind = (0, events.CacheMiss) if found is None else (found.nbytes, events.CacheHit)
            hooks.emit(kind(store=public(store.url), cache="chunks", key=key, nbytes=nbytes))
        return found

    def put(
        self,
        store: Store,
        key: str,
        version: Version | None,
        chunk: ChunkData,
        coords: Coords = (),
        form: Hashable = None,
        asked: Asked | None = None,
    ) -> ChunkData:
        """Keep a chunk that was just read; return what is kept, which is read-only from now on.

        A chunk that is a view on something larger is copied. One without a version, one of objects or strings, whose
        bytes cannot be counted, and one that is larger than the cache are returned as they are; so is one that was
        `asked` for before its key was discarded, or before another version was seen.
        """
        if version is None or not self.takes(chunk.dtype, chunk.nbytes):
            return chunk
        if chunk.base is not None:
            chunk = chunk.copy(order="K")
        with self._lock:
            now = self.asked(key)
            told = asked or now
            values = self._stores.setdefault(store, {})
            value = values.get(key)
            if told.changes != now.changes:
                return chunk
            if value is None or value.version != version:
                if value is not None and value.seen > told.time:
                    return chunk
                self._drop(store, key)
                value = values[key] = _Value(values, key, version, told.time)
            elif asked is not None:
                value.seen = max(value.seen, asked.time)
            slot = _Slot(value, coords, form)
            value.slots.add(slot)
            self._lru.put(slot, chunk, chunk.nbytes)
            chunk.flags.writeable = False
        return chunk

    async def load(
        self,
        store: Store,
        key: str,
        version: Version | None,
        read: Callable[[], Awaitable[ChunkData]],
        coords: Coords = (),
        form: Hashable = None,
    ) -> ChunkData:
        """A chunk that is kept, or else what ``read()`` gives; who asks for it meanwhile shares that in one event loop.

        A caller that is cancelled leaves the reading to the others, with the last one it is cancelled. An error is
        raised to each of them, and not kept. Without a version nothing is shared. Nobody may write to the chunk.
        """
        if version is None:
            return await read()
        found = self.get(store, key, version, coords, form)
        if found is not None:
            return found
        slot = (asyncio.get_running_loop(), store, key, version, coords, form)

        async def kept() -> ChunkData:
            chunk = self.put(store, key, version, await read(), coords, form)
            chunk.flags.writeable = False
            return chunk

        def over() -> None:
            if self._calls.get(slot) is call:
                del self._calls[slot]

        call = self._calls.get(slot)
        if call is None:
            call = self._calls[slot] = SharedCall(kept, over)
        return await call.join()

    def discard(self, store: Store, key: str) -> None:
        """Forget the chunks of a value, and do not keep those that are being read: it is being changed."""
        with self._lock:
            self._changes[hash(key) % STRIPES] += 1
            self._drop(store, key)

    def discard_below(self, store: Store, prefix: str) -> None:
        """The same for all keys that start with `prefix`."""
        with self._lock:
            self._changes = [count + 1 for count in self._changes]
            for key in [key for key in self._stores.get(store, {}) if key.startswith(prefix)]:
                self._drop(store, key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._lru.clear()
            self._stores.clear()

    def _drop(self, store: Store, key: str) -> None:
        value = self._stores.get(store, {}).pop(key, None)
        for slot in value.slots if value is not None else ():
            self._lru.discard(slot)

    @staticmethod
    def _evicted(slot: _Slot, nbytes: int) -> None:
        if hooks.active:
            hooks.emit(events.CacheEvict(store="", cache="chunks", key=slot.value.key, nbytes=nbytes))
        slot.value.remove(slot)


class _Value:
    """The chunks of one version of one value. It knows its store's values, not the store, which may be forgotten."""

    __slots__ = ("_home", "key", "seen", "slots", "version")

    def __init__(self, home: dict[str, _Value], key: str, version: Version, seen: float) -> None:
        self._home = home
        self.key = key
        self.version = version
        self.seen = seen
        self.slots: set[_Slot] = set()

    def remove(self, slot: _Slot) -> None:
        self.slots.discard(slot)
        if not self.slots and self._home.get(self.key) is self:
            del self._home[self.key]


class _Slot(NamedTuple):
    value: _Value
    coords: Coords
    form: Hashable
