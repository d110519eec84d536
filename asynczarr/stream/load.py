"""Run one batch of fetches: bytes from the store, decoded in a worker thread, each chunk given to a sink function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from copy import copy
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

import numpy as np

from ..codec import pool
from ..errors import AsyncZarrError
from ..store.base import SyncStore
from ..types import Coords
from .budget import ByteBudget
from .fetch import Encoded, fetch, fetch_sync
from .plan import Batch, Fetch, Piece
from .stored import StoredArray
from .window import Window

__all__ = ["INLINE_BYTES", "Brake", "Failure", "Loader", "Sink", "gather"]

R = TypeVar("R")
T = TypeVar("T")

Sink: TypeAlias = Callable[[Piece, "np.ndarray[Any, np.dtype[Any]] | None"], R]
"""Called in a worker thread with each piece and its decoded chunk (``None``: not stored)."""

INLINE_BYTES = 32 * 1024
"""Bytes of a batch below which a thread hop costs more than decoding, or encoding, right here on the event loop."""


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


class Brake:
    """Shared by loaders that work for one stream: after the first error of one, none begins a request any more.

    The error needs a few turns of the event loop to reach the stream, which then cancels what waits here.
    """

    __slots__ = ("_pulled",)

    def __init__(self) -> None:
        self._pulled = False

    def pull(self) -> None:
        """Let nothing begin from now on."""
        self._pulled = True

    async def passed(self) -> None:
        """Return at once, or when pulled wait for the cancellation that follows."""
        if self._pulled:
            await asyncio.get_running_loop().create_future()


class Loader(Generic[R]):
    """Loads batches of one array.

    Args:
        array: where to read.
        sink: what becomes of each decoded chunk.
        collect: turn errors into :class:`Failure` results instead of raising the first.
        timeout: seconds for one request (a blocking store: for one chunk), without the wait for its turn.
        finish: called with the results of a batch, in the same thread.
        brake: shared with other loaders of the same stream.
    """

    def __init__(
        self,
        array: StoredArray,
        sink: Sink[R],
        *,
        collect: bool = False,
        timeout: float | None = None,
        finish: Callable[[list[R | Failure]], list[R | Failure]] | None = None,
        brake: Brake | None = None,
    ) -> None:
        self._array = array
        self._sink = sink
        self._collect = collect
        self._timeout = timeout
        self._finish = finish
        self._brake = brake or Brake()
        capabilities = array.store.capabilities
        self._sync = cast("SyncStore", array.store) if capabilities.sync else None
        self._blocking = capabilities.blocking

    async def load(self, batch: Batch) -> list[R | Failure]:
        """Read and decode a batch; one result a piece, in order.

        Raises:
            AsyncZarrError: the first failure, unless failures are collected.
        """
        try:
            return await self._load(batch)
        except AsyncZarrError:
            self._brake.pull()
            raise

    async def _load(self, batch: Batch) -> list[R | Failure]:
        await self._brake.passed()
        if self._sync is not None:
            if not self._blocking and batch.cost <= INLINE_BYTES:
                return self._load_sync(self._sync, batch)
            return await pool.run(self._load_sync, self._sync, batch)
        encoded = await gather([self._fetch(wanted) for wanted in batch.fetches])
        if batch.cost <= INLINE_BYTES:
            return self._decode(batch.fetches, encoded)
        return await pool.run(self._decode, batch.fetches, encoded)

    def _load_sync(self, store: SyncStore, batch: Batch) -> list[R | Failure]:
        encoded: list[Encoded | AsyncZarrError] = []
        for wanted in batch.fetches:
            try:
                encoded.append(fetch_sync(self._array, wanted, store, self._timeout))
            except AsyncZarrError as error:
                encoded.append(error)
                if not self._collect:
                    break
        return self._decode(batch.fetches[: len(encoded)], encoded)

    async def _fetch(self, wanted: Fetch) -> Encoded | AsyncZarrError:
        await self._brake.passed()
        try:
            return await fetch(self._array, wanted, self._timeout)
        except AsyncZarrError as error:
            if self._collect:
                return error
            self._brake.pull()
            raise self._located(error, wanted, wanted.pieces[0]) from None

    def _decode(self, fetches: list[Fetch], encoded: list[Encoded | AsyncZarrError]) -> list[R | Failure]:
        results: list[R | Failure] = []
        for wanted, chunks in zip(fetches, encoded, strict=True):
            if isinstance(chunks, AsyncZarrError):
                results += self._failed(wanted, chunks)
                continue
            outer = self._array.chain_for(wanted.shape)
            chain = outer if outer.shard is None else outer.shard.chain
            for piece, data in zip(wanted.pieces, chunks, strict=True):
                try:
                    results.append(self._sink(piece, None if data is None else chain.decode(data)))
                except AsyncZarrError as error:
                    results.append(self._failure(error, wanted, piece))
        return self._finish(results) if self._finish is not None else results

    def _failed(self, wanted: Fetch, error: AsyncZarrError) -> list[Failure]:
        # One error for each chunk: they name different ones.
        errors = [error, *(copy(error) for _ in wanted.pieces[1:])]
        return [self._failure(each, wanted, piece) for each, piece in zip(errors, wanted.pieces, strict=True)]

    def _failure(self, error: AsyncZarrError, wanted: Fetch, piece: Piece) -> Failure:
        located = self._located(error, wanted, piece)
        if not self._collect:
            raise located
        return Failure(piece.index, located, piece)

    def _located(self, error: AsyncZarrError, wanted: Fetch, piece: Piece) -> AsyncZarrError:
        return error.at(store=self._array.store.url, key=wanted.key, chunk=piece.index)


async def gather(jobs: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Await coroutines at the same time; the first error cancels the others and is raised as it is.

    Not by ``asyncio.TaskGroup``: before Python 3.13 one that failed leaves its caller marked as being cancelled, so
    that a timeout around it is not recognised as such any more.
    """
    if len(jobs) == 1:
        return [await jobs[0]]
    window: Window[T] = Window(slots=len(jobs), budget=ByteBudget(1), ordered=True)
    try:
        for job in jobs:
            window.launch(job, 0)
        return [(await window.pop())[0] for _ in jobs]
    finally:
        await window.aclose()
