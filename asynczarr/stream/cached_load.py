"""Batches of an array that has a cache of decoded chunks: what is kept is not read again.

A batch is looked up before it is loaded. What is missing is read as always, with its version, and kept; what another
load of this event loop is reading already is waited for, as long as its answer may be believed. No load depends on the
owner of another one: when that one fails or is cancelled, those who waited read for themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from .decode import Decoder, Failure, Sink
from .fetch import Encoded
from .kept import Keeper, KeptDecoder, part_of
from .load import INLINE_BYTES, Loader
from .plan import Batch, Fetch, Piece
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


_Flights: TypeAlias = "dict[Hashable, tuple[_Flight, Asked]]"
_flights: WeakKeyDictionary[ChunkCache, _Flights] = WeakKeyDictionary()


class _CachedLoader(Loader[R]):
    """Loads batches of one array through its cache. Arguments as those of :class:`Loader`."""

    _decodes: type[Decoder[R]] = KeptDecoder

    def __init__(self, array: StoredArray, cache: ChunkCache, sink: Sink[R], **options: Any) -> None:
        keeper = Keeper(array, cache, sink)
        super().__init__(array, keeper.keep, **options)
        self._cache = cache
        self._keeper = keeper
        self._ordered = options.get("finish") is None
        self._many = None  # it tells no versions
        self._fetch_one, self._fetch_one_sync = keeper.fetch, keeper.fetch_sync
        self._flights = _flights.setdefault(cache, {})

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
            found: Encoded = [None] * len(wanted.pieces) if version is None else self._keeper.look(wanted, version)
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
                part = part_of(wanted, [wanted.pieces[number] for number in own])
                mine.append(part)
                if version is not None:
                    self._keeper.looked[part.pieces[0].position] = [found[number] for number in own]
            if others:
                theirs.append(part_of(wanted, others))
        return Batch(mine, batch.cost), Batch(theirs, batch.cost), awaited

    def _claim(self, wanted: Fetch, piece: Piece, flight: _Flight) -> _Flight | None:
        """The flight that a missing chunk is on already; ``None``: it is on this one now."""
        loop = asyncio.get_running_loop()
        slot = loop, self._array.store, wanted.key, self._keeper.coords(piece), self._keeper.form(wanted)
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
        found = [self._keeper.looked.get(wanted.pieces[0].position, [None]) for wanted in batch.fetches]
        if any(None in each for each in found):
            return await super()._load(batch)
        await self._brake.passed()
        for wanted in batch.fetches:
            del self._keeper.looked[wanted.pieces[0].position]
        return await self._decoded(list(zip(batch.fetches, found, strict=True)), batch.cost <= INLINE_BYTES)

    def _forget(self, key: str) -> None:
        super()._forget(key)
        self._array.forget(key)


def _pieces(batch: Batch) -> list[Piece]:
    return [piece for wanted in batch.fetches for piece in wanted.pieces]
