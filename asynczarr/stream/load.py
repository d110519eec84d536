"""Run one batch of fetches: bytes from the store, decoded in a worker thread, each chunk given to a sink function."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from ..codec import pool
from ..errors import AsyncZarrError, CodecError
from ..middleware.base import Wrapper
from ..store.base import ManyStore, SyncStore
from ..telemetry import hooks
from .decode import TOGETHER_BYTES, Decoder, Failure, Fetched, Sink, Undecodable
from .fetch import Encoded, fetch, fetch_many_sync, fetch_sync
from .limits import MAX_REQUESTS
from .plan import Batch, Fetch, Piece
from .stored import StoredArray
from .trace import busy_with, chunk_failed, reading
from .window import ended

__all__ = ["INLINE_BYTES", "Brake", "Loader", "gather"]

R = TypeVar("R")
T = TypeVar("T")

INLINE_BYTES = 32 * 1024
"""Bytes of a batch below which a thread hop costs more than decoding, or encoding, right here on the event loop."""


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
        finish: called with the results of a few chunks at a time, in the same thread; who gives it is done with a chunk
            when it returns.
        brake: shared with other loaders of the same stream.
        requests: fetches at a time from stores that do not block; more of them may wait, so that none is late.
    """

    _decodes: type[Decoder[R]] = Decoder

    def __init__(
        self,
        array: StoredArray,
        sink: Sink[R],
        *,
        collect: bool = False,
        timeout: float | None = None,
        finish: Callable[[list[R | Failure]], list[R | Failure]] | None = None,
        brake: Brake | None = None,
        requests: int = MAX_REQUESTS,
    ) -> None:
        self._array = array
        self._turns = asyncio.Semaphore(requests)
        self._decoder = self._decodes(
            array,
            sink,
            collect=collect,
            finish=finish,
            shares=finish is not None,
            pauses=not array.store.capabilities.sync,
        )
        self._collect = collect
        self._timeout = timeout
        self._brake = brake or Brake()
        capabilities = array.store.capabilities
        self._sync = cast("SyncStore", array.store) if capabilities.sync else None
        self._blocking = capabilities.blocking
        many = capabilities.many and array.small_chunks and array.shard is None and not collect and timeout is None
        self._many = cast("ManyStore", array.store) if many else None
        self._fetch_one: Callable[[StoredArray, Fetch, float | None], Awaitable[Encoded]] = fetch
        self._fetch_one_sync: Callable[[StoredArray, Fetch, SyncStore, float | None], Encoded] = fetch_sync

    async def load(self, batch: Batch) -> list[R | Failure]:
        """Read and decode a batch; one result a piece, in order.

        Raises:
            AsyncZarrError: the first failure, unless failures are collected.
        """
        try:
            if not hooks.active:
                return await self._load(batch)
            with reading(self._array, batch):
                return await self._load(batch)
        except AsyncZarrError:
            self._brake.pull()
            raise

    async def _load(self, batch: Batch) -> list[R | Failure]:
        await self._brake.passed()
        if self._sync is not None:
            if not self._blocking and batch.cost <= INLINE_BYTES:
                return self.load_here(batch)
            return await pool.run(self.load_here, batch)
        encoded = await gather([self._fetch(wanted) for wanted in batch.fetches])
        return await self._decoded(list(zip(batch.fetches, encoded, strict=True)), batch.cost <= INLINE_BYTES)

    async def _decoded(self, fetched: list[Fetched], inline: bool) -> list[R | Failure]:
        """Decode, and read a chunk that cannot be decoded once more: what was wrong on its way is right then."""
        results: list[R | Failure] = []
        again: Piece | None = None
        while True:
            try:
                decode = self._decoder.decode
                return results + (decode(fetched) if inline else await pool.run(decode, fetched))
            except Undecodable as stop:
                results += stop.results
                first, *rest = _since(fetched, stop.piece)
                if stop.piece is not again:
                    again, wanted = stop.piece, first[0]
                    self._forget(wanted.key)
                    fetched = [(wanted, await self._fetch(wanted)), *rest]
                    continue
                if hooks.active:
                    chunk_failed(stop.piece, stop.error)
                if not self._collect:
                    raise stop.error from None
                results.append(Failure(stop.piece.index, stop.error, stop.piece))
                fetched = rest

    def _forget(self, key: str) -> None:
        self._array.indexes.discard(key)
        if isinstance(self._array.store, Wrapper):
            self._array.store.forget(key)

    def load_here(self, batch: Batch) -> list[R | Failure]:
        """Like :meth:`load` in the calling thread, for a store that blocks or is in memory."""
        assert self._sync is not None
        return self._decoder.decode(self._fetch_sync(self._sync, batch.fetches))

    def _fetch_sync(self, store: SyncStore, fetches: list[Fetch]) -> Iterator[Fetched]:
        """Lazily, as the decoder asks for them; without `collect` an error is the last."""
        if self._many is not None and len(fetches) > 1:
            together = max(1, TOGETHER_BYTES // self._array.chunk_bytes)
            for start in range(0, len(fetches), together):
                some = fetches[start : start + together]
                try:
                    encoded = fetch_many_sync(self._array, some, self._many)
                except AsyncZarrError:  # one by one, it will be told for which chunk
                    yield from self._fetch_singly(store, some)
                else:
                    yield from zip(some, encoded, strict=True)
        else:
            yield from self._fetch_singly(store, fetches)

    def _fetch_singly(self, store: SyncStore, fetches: list[Fetch]) -> Iterator[Fetched]:
        for wanted in fetches:
            if hooks.active:
                busy_with(wanted.pieces)
            try:
                yield wanted, self._fetch_one_sync(self._array, wanted, store, self._timeout)
            except AsyncZarrError as error:
                yield wanted, error
                if not self._collect:
                    return

    async def _fetch(self, wanted: Fetch) -> Encoded | AsyncZarrError:
        try:
            async with self._turns:
                await self._brake.passed()
                if hooks.active:
                    busy_with(wanted.pieces)
                try:
                    return await self._fetch_one(self._array, wanted, self._timeout)
                except CodecError:  # the index of a shard, or a value that is too long
                    self._forget(wanted.key)
                    return await self._fetch_one(self._array, wanted, self._timeout)
        except AsyncZarrError as error:
            if self._collect:
                return error
            self._brake.pull()
            raise self._decoder.located(error, wanted, wanted.pieces[0]) from None
        except Exception:
            self._brake.pull()
            raise


def _since(fetched: list[Fetched], piece: Piece) -> list[Fetched]:
    """What is from a chunk on, with a fetch for this chunk alone at the beginning."""
    for number, (wanted, encoded) in enumerate(fetched):
        for n, each in enumerate(wanted.pieces):
            if each is piece:
                rest = list(fetched[number + 1 :])
                if n + 1 < len(wanted.pieces):
                    others = encoded if isinstance(encoded, AsyncZarrError) else encoded[n + 1 :]
                    rest.insert(0, (replace(wanted, pieces=wanted.pieces[n + 1 :], whole=False), others))
                alone = len(wanted.pieces) == 1
                return [(wanted if alone else replace(wanted, pieces=[piece], whole=False), encoded), *rest]
    raise LookupError("a chunk that is not among those that were read")


async def gather(jobs: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Await coroutines at the same time; the first error cancels the others and is raised as it is.

    Not by ``asyncio.TaskGroup``: before Python 3.13 one that failed leaves its caller marked as being cancelled, so
    that a timeout around it is not recognised as such any more.
    """
    if len(jobs) < 2:
        return [await job for job in jobs]
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(job) for job in jobs]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        return [task.result() for task in tasks if task.done()]
    finally:
        await _forget(tasks)


async def _forget(tasks: list[asyncio.Task[T]]) -> None:
    """End the tasks that still run, and keep none: an error holds the frame of its caller, and no more."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    if running:
        await ended(running)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: asyncio complains of errors that nobody has asked for
    tasks.clear()
