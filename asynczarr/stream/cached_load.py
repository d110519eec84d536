"""Batches of an array that has a cache of decoded chunks: what is kept is not read again.

A batch is looked up before it is loaded. What is missing is read as always, with its version, and kept; what another
load of this event loop is reading already is waited for, as long as its answer may be believed. No load depends on the
owner of another one: when that one fails or is cancelled, those who waited read for themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np

from ..codec.chain import CodecChain
from ..store.base import SyncStore
from ..types import Coords, Version
from .decode import Decoder, Failure, Fetched, FetchedChunk, Sink
from .fetch import Encoded, Told, fetch_told, fetch_told_sync, head, head_sync
from .load import INLINE_BYTES, Loader
from .plan import Batch, Fetch, Piece, Position
from .stored import StoredArray

if TYPE_CHECKING:
    from ..middleware.chunk_cache import Asked, ChunkCache

__all__ = ["loader"]

R = TypeVar("R")

NDArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def loader(array: StoredArray, sink: Sink[R], **options: Any) -> Loader[R]:
    """The loader for an array, with the options of :class:`Loader`."""
    cache = array.chunk_cache
    if cache is None or not array.store.capabilities.versions or not cache.takes(array.dtype, array.chunk_bytes):
        return Loader(array, sink, **options)
    return _CachedLoader(array, cache, sink, **options)


class _Kept(bytes):
    """What stands for the encoded bytes of a chunk that was kept decoded."""

    chunk: NDArray

    @classmethod
    def of(cls, chunk: NDArray) -> _Kept:
        kept = cls()
        kept.chunk = chunk
        return kept


class _AsItIs:
    """The codecs of chunks that are decoded."""

    batches = False

    @staticmethod
    def decode(data: _Kept) -> NDArray:
        return data.chunk


_AS_IT_IS = cast("CodecChain", _AsItIs())


class _Decoder(Decoder[R]):
    def _chunks(self, fetched: Iterable[Fetched]) -> Iterator[FetchedChunk]:
        for wanted, piece, chain, data in super()._chunks(fetched):
            yield wanted, piece, _AS_IT_IS if isinstance(data, _Kept) else chain, data


class _Flight:
    """A load that others may wait for.

    Attributes:
        slots: the chunks that are on it.
        left: it was cancelled, and whoever comes first may take its place.
    """

    __slots__ = ("_over", "left", "slots")

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self.slots: list[Hashable] = []
        self.left = False

    def end(self, *, left: bool) -> None:
        self.left = left
        self._over.set()

    async def landed(self, timeout: float | None) -> None:
        """Wait until it is over, or for as long as a request may take."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._over.wait()


class _Source(NamedTuple):
    """Where a chunk comes from that is to be kept."""

    key: str
    form: Hashable
    version: Version | None
    asked: Asked


_Flights: TypeAlias = "dict[Hashable, tuple[_Flight, Asked]]"
_flights: WeakKeyDictionary[ChunkCache, _Flights] = WeakKeyDictionary()


class _CachedLoader(Loader[R]):
    """Loads batches of one array through its cache. Arguments as those of :class:`Loader`."""

    _decodes: type[Decoder[R]] = _Decoder

    def __init__(self, array: StoredArray, cache: ChunkCache, sink: Sink[R], **options: Any) -> None:
        super().__init__(array, self._keep, **options)
        self._cache = cache
        self._give = sink
        self._ordered = options.get("finish") is None
        self._many = None  # it tells no versions
        self._fetch_one, self._fetch_one_sync = self._fetch_rest, self._fetch_rest_sync
        self._flights = _flights.setdefault(cache, {})
        self._looked: dict[Position, Encoded] = {}  # what was found of a fetch, by its first chunk
        self._sources: dict[Position, _Source] = {}

    async def load(self, batch: Batch) -> list[R | Failure]:
        """See :meth:`Loader.load`."""
        if self._cache.ttl == 0:  # no answer may be older than its question: nothing is shared
            return await super().load(batch)
        results: list[R | Failure] = []
        order: list[Piece] = []
        follow = True
        while batch.fetches:
            flight = _Flight()
            mine, theirs, awaited = self._divide(batch, flight, follow=follow)
            left = False
            try:
                if mine.fetches:
                    results += await super().load(mine)
            except asyncio.CancelledError:
                left = True
                raise
            finally:
                self._end(flight, left=left)
            if not theirs.fetches and not order:
                return results
            order += _pieces(mine)
            for other in awaited:
                await other.landed(self._timeout)
            follow = all(other.left for other in awaited)
            batch = theirs
        if not self._ordered:
            return results
        return [each for _, each in sorted(zip(order, results, strict=True), key=lambda both: both[0].position)]

    def _divide(self, batch: Batch, flight: _Flight, *, follow: bool) -> tuple[Batch, Batch, set[_Flight]]:
        """What to load now, what others are loading already if that may be followed, and their flights."""
        awaited = set[_Flight]()
        mine: list[Fetch] = []
        theirs: list[Fetch] = []
        for wanted in batch.fetches:
            version = self._cache.version(self._array.store, wanted.key)
            found: Encoded = [None] * len(wanted.pieces) if version is None else self._look(wanted, version)
            own: list[int] = []
            others: list[Piece] = []
            for number, piece in enumerate(wanted.pieces):
                other = None if found[number] is not None else self._claim(wanted, piece, flight)
                if other is None or not follow:
                    own.append(number)
                else:
                    awaited.add(other)
                    others.append(piece)
            if own:
                part = _part(wanted, [wanted.pieces[number] for number in own])
                mine.append(part)
                if version is not None:
                    self._looked[part.pieces[0].position] = [found[number] for number in own]
            if others:
                theirs.append(_part(wanted, others))
        return Batch(mine, batch.cost), Batch(theirs, batch.cost), awaited

    def _claim(self, wanted: Fetch, piece: Piece, flight: _Flight) -> _Flight | None:
        """The flight that a missing chunk is on already; ``None``: it is on this one now."""
        loop = asyncio.get_running_loop()
        slot = loop, self._array.store, wanted.key, self._coords(piece), self._form(wanted)
        other = self._flights.get(slot)
        if other is not None and self._cache.fresh(wanted.key, other[1]):
            return other[0]
        self._flights[slot] = flight, self._cache.asked(wanted.key)
        flight.slots.append(slot)
        return None

    def _end(self, flight: _Flight, *, left: bool) -> None:
        for slot in flight.slots:
            if (there := self._flights.get(slot)) is not None and there[0] is flight:
                del self._flights[slot]
        flight.end(left=left)

    async def _load(self, batch: Batch) -> list[R | Failure]:
        found = [self._looked.get(wanted.pieces[0].position, [None]) for wanted in batch.fetches]
        if any(None in each for each in found):
            return await super()._load(batch)
        await self._brake.passed()
        for wanted in batch.fetches:
            del self._looked[wanted.pieces[0].position]
        return await self._decoded(list(zip(batch.fetches, found, strict=True)), batch.cost <= INLINE_BYTES)

    async def _fetch_rest(self, array: StoredArray, wanted: Fetch, timeout: float | None) -> Encoded:
        """In place of :func:`fetch`."""
        found = self._looked.pop(wanted.pieces[0].position, None)
        if found is None:
            version = None
            if self._cache.holds(array.store, wanted.key):
                version = await head(array, wanted.key, timeout)
                self._cache.seen(array.store, wanted.key, version)
            found = self._look(wanted, version)
        rest, asked = _missing(wanted, found), self._cache.asked(wanted.key)
        return found if rest is None else self._filled(found, rest, asked, await fetch_told(array, rest, timeout))

    def _fetch_rest_sync(self, array: StoredArray, wanted: Fetch, store: SyncStore, timeout: float | None) -> Encoded:
        """In place of :func:`fetch_sync`."""
        found = self._looked.pop(wanted.pieces[0].position, None)
        if found is None:
            version = None
            if self._cache.holds(store, wanted.key):
                version = head_sync(store, wanted.key)
                self._cache.seen(store, wanted.key, version)
            found = self._look(wanted, version)
        rest, asked = _missing(wanted, found), self._cache.asked(wanted.key)
        return found if rest is None else self._filled(found, rest, asked, fetch_told_sync(array, rest, store, timeout))

    def _look(self, wanted: Fetch, version: Version | None) -> Encoded:
        """What is kept of a fetch, ``None`` for what is not."""
        store, form = self._array.store, self._form(wanted)
        chunks = [self._cache.get(store, wanted.key, version, self._coords(piece), form) for piece in wanted.pieces]
        return [None if chunk is None else _Kept.of(chunk) for chunk in chunks]

    def _filled(self, found: Encoded, rest: Fetch, asked: Asked, told: Told) -> Encoded:
        """What was found, and what was read where nothing was."""
        encoded, version = told
        source = _Source(rest.key, self._form(rest), version, asked)
        self._sources.update((piece.position, source) for piece in rest.pieces)
        read = iter(encoded)
        return [next(read) if data is None else data for data in found]

    def _keep(self, piece: Piece, chunk: NDArray | None) -> R:
        """The sink: in the thread that has decoded it."""
        source = self._sources.pop(piece.position, None)
        if chunk is not None and source is not None:
            key, form, version, asked = source
            chunk = self._cache.put(self._array.store, key, version, chunk, self._coords(piece), form, asked)
            chunk.flags.writeable = False
        return self._give(piece, chunk)

    def _coords(self, piece: Piece) -> Coords:
        return () if self._array.shard is None else piece.part.coords

    def _form(self, wanted: Fetch) -> Hashable:
        return self._array.form, wanted.shape

    def _forget(self, key: str) -> None:
        super()._forget(key)
        self._array.forget(key)


def _pieces(batch: Batch) -> list[Piece]:
    return [piece for wanted in batch.fetches for piece in wanted.pieces]


def _part(wanted: Fetch, pieces: list[Piece]) -> Fetch:
    return wanted if len(pieces) == len(wanted.pieces) else replace(wanted, pieces=pieces, whole=False)


def _missing(wanted: Fetch, found: Encoded) -> Fetch | None:
    pieces = [piece for piece, data in zip(wanted.pieces, found, strict=True) if data is None]
    return _part(wanted, pieces) if pieces else None
