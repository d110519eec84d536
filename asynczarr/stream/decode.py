"""Encoded chunks become results, in the order of the plan and a few at a time.

Large chunks go one by one through decoding and the sink, so that the memory of one, still in the CPU's caches, serves
the next. Small ones are decoded together where the codec can: one call that leaves the GIL alone until all are done,
which threads would otherwise take from each other for every chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeAlias, TypeVar, cast

import numpy as np

from ..codec.chain import CodecChain
from ..errors import AsyncZarrError, CodecError
from ..telemetry import hooks
from ..types import BytesLike, Coords
from .fetch import Encoded
from .place import LARGE
from .plan import Fetch, Piece
from .stored import StoredArray
from .trace import busy_with, chunk_failed, chunk_read

__all__ = ["Decoder", "Failure", "Fetched", "FetchedChunk", "Sink", "Undecodable"]

R = TypeVar("R")

NDArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]

Sink: TypeAlias = Callable[[Piece, "NDArray | None"], R]
"""Called in a worker thread with each piece and its decoded chunk (``None``: not stored)."""

Fetched: TypeAlias = tuple[Fetch, Encoded | AsyncZarrError]

TOGETHER_BYTES = 2**21
"""Decoded bytes of small chunks that are decoded, and given to `finish`, together: what a CPU's cache holds."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A chunk that could not be read, where failures are collected instead of raised.

    Attributes:
        index: coordinates in the chunk grid.
        error: what went wrong, naming store, key and codec.
        piece: its place in the plan.
    """

    index: Coords
    error: AsyncZarrError
    piece: Piece


class Undecodable(Exception):
    """Raised where a chunk that cannot be decoded may be read once more.

    Attributes:
        piece: the chunk.
        error: what is wrong with it, naming its place.
        results: those of the chunks before it.
    """

    def __init__(self, piece: Piece, error: AsyncZarrError, results: list[Any]) -> None:
        super().__init__()
        self.piece: Piece = piece
        self.error: AsyncZarrError = error
        self.results: list[Any] = results


class Decoder(Generic[R]):
    """Decodes fetches of one array.

    Args:
        array: what is read.
        sink: what becomes of each decoded chunk.
        collect: turn errors into :class:`Failure` results instead of raising the first.
        finish: called with the results of chunks that were decoded together, in the same thread.
        shares: the sink is done with a chunk when it returns; otherwise a chunk gets memory of its own, so that who
            keeps one does not keep its neighbours.
        pauses: raise :class:`Undecodable` for each chunk that cannot be decoded.
    """

    def __init__(
        self,
        array: StoredArray,
        sink: Sink[R],
        *,
        collect: bool,
        finish: Callable[[list[R | Failure]], list[R | Failure]] | None,
        shares: bool,
        pauses: bool,
    ) -> None:
        self._array = array
        self._pauses = pauses
        self._sink = sink
        self._collect = collect
        self._finish = finish
        self._shares = shares
        chain = array.chain if array.shard is None else array.shard.chain
        small = array.small_chunks if chain.batches else array.chunk_bytes <= LARGE
        self._together = max(1, TOGETHER_BYTES // array.chunk_bytes) if small else 1

    def decode(self, fetched: Iterable[Fetched]) -> list[R | Failure]:
        """One result a piece, in order.

        Raises:
            AsyncZarrError: the first failure, unless failures are collected.
            Undecodable: where the decoder pauses.
        """
        results: list[R | Failure] = []
        chunks = self._chunks(fetched)
        while some := list(islice(chunks, self._together)):
            try:  # nothing of these is kept: their memory, still in the CPU's caches, serves the next ones
                results += self._finished(self._decode_some(some))
            except Undecodable as stop:
                stop.results = results + self._finished(stop.results)
                raise
            some.clear()
        return results

    def _finished(self, found: list[R | Failure]) -> list[R | Failure]:
        return found if self._finish is None else self._finish(found)

    def located(self, error: AsyncZarrError, wanted: Fetch, piece: Piece) -> AsyncZarrError:
        """The error, naming store, key and chunk."""
        return error.at(store=self._array.store.url, key=wanted.key, chunk=piece.index)

    def _chunks(self, fetched: Iterable[Fetched]) -> Iterator[FetchedChunk]:
        for wanted, encoded in fetched:
            outer = self._array.chain_for(wanted.shape)
            chain = outer if outer.shard is None else outer.shard.chain
            if isinstance(encoded, AsyncZarrError):
                # One error for each chunk: they name different ones.
                for number, piece in enumerate(wanted.pieces):
                    yield wanted, piece, chain, copy(encoded) if number else encoded
            else:
                for piece, data in zip(wanted.pieces, encoded, strict=True):
                    yield wanted, piece, chain, data

    def _decode_some(self, chunks: list[FetchedChunk]) -> list[R | Failure]:
        if hooks.active:
            busy_with([piece for _, piece, *_ in chunks])
        arrays = self._decoded_together(chunks) if len(chunks) > 1 else None
        results: list[R | Failure] = []
        for number, (wanted, piece, chain, data) in enumerate(chunks):
            try:
                if isinstance(data, AsyncZarrError):
                    raise data
                array = arrays[number] if arrays is not None else None if data is None else chain.decode(data)
                results.append(self._sink(piece, array))
                if hooks.active:
                    chunk_read(piece, data, array)
            except AsyncZarrError as error:
                located = self.located(error, wanted, piece)
                if self._pauses and isinstance(error, CodecError) and not isinstance(data, AsyncZarrError):
                    raise Undecodable(piece, located, results) from None
                if hooks.active:
                    chunk_failed(piece, located)
                if not self._collect:
                    raise located  # noqa: B904 - the same error, with its place
                results.append(Failure(piece.index, located, piece))
        return results

    def _decoded_together(self, chunks: list[FetchedChunk]) -> list[NDArray | None] | None:
        """The decoded chunks; ``None`` where they have to be decoded one by one."""
        chain = chunks[0][2]
        if not chain.batches or any(other is not chain or isinstance(data, Exception) for _, _, other, data in chunks):
            return None
        present = [cast("BytesLike", data) for *_, data in chunks if data is not None]
        decoded = chain.decode_many(present) if present else []
        if decoded is None:
            return None
        arrays = iter(decoded if self._shares else [array.copy() for array in decoded])
        return [None if data is None else next(arrays) for *_, data in chunks]


FetchedChunk: TypeAlias = tuple[Fetch, Piece, CodecChain, BytesLike | AsyncZarrError | None]
"""One chunk of a fetch, with the codecs for it and its encoded bytes."""
