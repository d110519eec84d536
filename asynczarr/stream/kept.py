"""What a cache of decoded chunks has of an array: looked up before a fetch, kept after decoding."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np

from ..codec.chain import CodecChain
from ..store.base import SyncStore
from ..types import Coords, Version
from .decode import Decoder, Fetched, FetchedChunk, Sink
from .fetch import Encoded, Told, fetch_told, fetch_told_sync, head, head_sync
from .plan import Fetch, Piece, Position
from .stored import StoredArray

if TYPE_CHECKING:
    from ..middleware.chunk_cache import Asked, ChunkCache

__all__ = ["Kept", "KeptDecoder", "Keeper", "part_of"]

R = TypeVar("R")

NDArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]


class Kept(bytes):
    """What stands for the encoded bytes of a chunk that was kept decoded."""

    chunk: NDArray

    @classmethod
    def of(cls, chunk: NDArray) -> Kept:
        """No bytes, and the chunk."""
        kept = cls()
        kept.chunk = chunk
        return kept


class _AsItIs:
    """The codecs of chunks that are decoded."""

    batches = False

    @staticmethod
    def decode(data: Kept) -> NDArray:
        return data.chunk


_AS_IT_IS = cast("CodecChain", _AsItIs())


class KeptDecoder(Decoder[R]):
    """A decoder of fetches in which some chunks are decoded already."""

    def _chunks(self, fetched: Iterable[Fetched]) -> Iterator[FetchedChunk]:
        for wanted, piece, chain, data in super()._chunks(fetched):
            yield wanted, piece, _AS_IT_IS if isinstance(data, Kept) else chain, data


class _Source(NamedTuple):
    """Where a chunk comes from that is to be kept."""

    key: str
    form: Hashable
    version: Version | None
    asked: Asked


class Keeper(Generic[R]):
    """Stands between a loader and the store, and between its decoder and its sink. It knows neither of the two.

    Args:
        array: where to read.
        cache: keeps its chunks.
        sink: what becomes of each chunk.

    Attributes:
        looked: what was found of a fetch that is still to be made, by its first chunk.
    """

    def __init__(self, array: StoredArray, cache: ChunkCache, sink: Sink[R]) -> None:
        self._array = array
        self._cache = cache
        self._sink = sink
        self._sources: dict[Position, _Source] = {}
        self.looked: dict[Position, Encoded] = {}

    async def fetch(self, array: StoredArray, wanted: Fetch, timeout: float | None) -> Encoded:
        """In place of :func:`fetch`."""
        found = self.looked.pop(wanted.pieces[0].position, None)
        if found is None:
            version = None
            if self._cache.holds(array.store, wanted.key):
                version = await head(array, wanted.key, timeout)
                self._cache.seen(array.store, wanted.key, version)
            found = self.look(wanted, version)
        rest, asked = _missing(wanted, found), self._cache.asked(wanted.key)
        return found if rest is None else self._filled(found, rest, asked, await fetch_told(array, rest, timeout))

    def fetch_sync(self, array: StoredArray, wanted: Fetch, store: SyncStore, timeout: float | None) -> Encoded:
        """In place of :func:`fetch_sync`."""
        found = self.looked.pop(wanted.pieces[0].position, None)
        if found is None:
            version = None
            if self._cache.holds(store, wanted.key):
                version = head_sync(store, wanted.key)
                self._cache.seen(store, wanted.key, version)
            found = self.look(wanted, version)
        rest, asked = _missing(wanted, found), self._cache.asked(wanted.key)
        return found if rest is None else self._filled(found, rest, asked, fetch_told_sync(array, rest, store, timeout))

    def look(self, wanted: Fetch, version: Version | None) -> Encoded:
        """What is kept of a fetch, ``None`` for what is not."""
        store, form = self._array.store, self.form(wanted)
        chunks = [self._cache.get(store, wanted.key, version, self.coords(piece), form) for piece in wanted.pieces]
        return [None if chunk is None else Kept.of(chunk) for chunk in chunks]

    def _filled(self, found: Encoded, rest: Fetch, asked: Asked, told: Told) -> Encoded:
        """What was found, and what was read where nothing was."""
        encoded, version = told
        source = _Source(rest.key, self.form(rest), version, asked)
        self._sources.update((piece.position, source) for piece in rest.pieces)
        read = iter(encoded)
        return [next(read) if data is None else data for data in found]

    def keep(self, piece: Piece, chunk: NDArray | None) -> R:
        """The sink: in the thread that has decoded it."""
        source = self._sources.pop(piece.position, None)
        if chunk is not None and source is not None:
            key, form, version, asked = source
            chunk = self._cache.put(self._array.store, key, version, chunk, self.coords(piece), form, asked)
            chunk.flags.writeable = False
        return self._sink(piece, chunk)

    def coords(self, piece: Piece) -> Coords:
        """Where a chunk is within its shard."""
        return () if self._array.shard is None else piece.part.coords

    def form(self, wanted: Fetch) -> Hashable:
        """How the chunks of a stored object are decoded."""
        return self._array.form, wanted.shape


def part_of(wanted: Fetch, pieces: list[Piece]) -> Fetch:
    """The same for some of its chunks."""
    return wanted if len(pieces) == len(wanted.pieces) else replace(wanted, pieces=pieces, whole=False)


def _missing(wanted: Fetch, found: Encoded) -> Fetch | None:
    pieces = [piece for piece, data in zip(wanted.pieces, found, strict=True) if data is None]
    return part_of(wanted, pieces) if pieces else None
