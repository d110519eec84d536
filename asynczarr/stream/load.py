"""Run one batch of fetches: bytes from the store, decoded in a worker thread, each chunk given to a sink function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

import numpy as np

from ..codec import pool
from ..errors import AsyncZarrError, AttemptTimeout
from ..store.base import SyncStore
from ..types import Coords
from .fetch import Encoded, fetch, fetch_sync
from .plan import Batch, Fetch, Piece
from .stored import StoredArray

__all__ = ["Failure", "Loader", "Sink", "gather"]

R = TypeVar("R")

Sink: TypeAlias = Callable[[Piece, "np.ndarray[Any, np.dtype[Any]] | None"], R]
"""Called in a worker thread with each piece and its decoded chunk (``None``: not stored)."""

INLINE_BYTES = 32 * 1024
"""Decoded bytes below which a thread hop costs more than decoding right here on the event loop."""


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


class Loader(Generic[R]):
    """Loads batches of one array.

    Args:
        array: where to read.
        sink: what becomes of each decoded chunk.
        collect: turn errors into :class:`Failure` results instead of raising the first.
        timeout: seconds for one chunk (a batch then holds one fetch).
    """

    def __init__(
        self, array: StoredArray, sink: Sink[R], *, collect: bool = False, timeout: float | None = None
    ) -> None:
        self._array = array
        self._sink = sink
        self._collect = collect
        self._timeout = timeout
        capabilities = array.store.capabilities
        self._sync = cast("SyncStore", array.store) if capabilities.sync else None
        self._blocking = capabilities.blocking

    async def load(self, batch: Batch) -> list[R | Failure]:
        """Read and decode a batch; one result a piece, in order.

        Raises:
            AsyncZarrError: the first failure, unless failures are collected.
        """
        if self._timeout is None:
            return await self._load(batch)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._load(batch)
        except TimeoutError as error:
            if isinstance(error, AsyncZarrError):
                raise
            late = AttemptTimeout(f"reading took longer than {self._timeout} s")
            return [result for wanted in batch.fetches for result in self._failed(wanted, late)]

    async def _load(self, batch: Batch) -> list[R | Failure]:
        if self._sync is not None:
            if not self._blocking and batch.cost <= INLINE_BYTES:
                return self._load_sync(self._sync, batch)
            return await pool.run(self._load_sync, self._sync, batch)
        encoded = await gather([self._fetch(wanted) for wanted in batch.fetches])
        if batch.cost <= INLINE_BYTES:
            return self._decode(batch.fetches, encoded)
        return await pool.run(self._decode, batch.fetches, encoded)

    def _load_sync(self, store: SyncStore, batch: Batch) -> list[R | Failure]:
        results: list[R | Failure] = []
        for wanted in batch.fetches:
            try:
                encoded: Encoded | AsyncZarrError = fetch_sync(self._array, wanted, store)
            except AsyncZarrError as error:
                encoded = error
            results += self._decode([wanted], [encoded])
        return results

    async def _fetch(self, wanted: Fetch) -> Encoded | AsyncZarrError:
        try:
            return await fetch(self._array, wanted)
        except AsyncZarrError as error:
            if self._collect:
                return error
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
        return results

    def _failed(self, wanted: Fetch, error: AsyncZarrError) -> list[Failure]:
        return [self._failure(error, wanted, piece) for piece in wanted.pieces]

    def _failure(self, error: AsyncZarrError, wanted: Fetch, piece: Piece) -> Failure:
        located = self._located(error, wanted, piece)
        if not self._collect:
            raise located
        return Failure(piece.index, located, piece)

    def _located(self, error: AsyncZarrError, wanted: Fetch, piece: Piece) -> AsyncZarrError:
        return error.at(store=self._array.store.url, key=wanted.key, chunk=piece.index)


async def gather(jobs: list[Any]) -> list[Any]:
    """Await coroutines at the same time; the first error cancels the others and is raised as it is."""
    if len(jobs) == 1:
        return [await jobs[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
