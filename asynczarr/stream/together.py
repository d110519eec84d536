"""Small reads that wait for a thread at the same time are done together: a chunk that several want is decoded once.

A thread that becomes free takes all reads that wait by then as one *round* and cuts the chunks that they want into
batches, which it shares with the threads that come after it. Nothing is kept for later: a read never sees what was
stored before it began, and costs no memory besides its result.

Each read has a call of its own in the pool, which works until nothing of that read is left to begin. So none depends on
the owner of another one, who may leave at any time.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import copy
from itertools import groupby
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from anyio import CancelScope

from ..codec import pool
from ..errors import AsyncZarrError
from ..types import Coords
from .decode import Failure
from .load import Loader
from .place import place
from .plan import BATCH_PIECES, SHARD_RUN_BYTES, Batch, Fetch, Piece, batches, fetch_of
from .stored import StoredArray

__all__ = ["Together", "together"]

NDArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_Found: TypeAlias = "tuple[Piece, NDArray | None]"

MOST_BYTES = 2**23
"""Bytes of a batch at most: a few milliseconds, for which a read that is cancelled may have to wait."""

LEAST_BYTES = 2**20
"""Bytes of a batch at least: fewer are not worth a second thread."""

SHARES = 2
"""Batches for each thread at least, so that all end at about the same time."""


def together(array: StoredArray) -> Together:
    """The small reads of an array, whatever their event loops."""
    return _all.setdefault(array, Together())


class Together:
    """Small reads of one array. They may belong to several event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of what is below, never for long: event loops take it too
        self._turn = threading.Lock()  # to make a round, for threads only
        self._waiting: list[_Read] = []
        self._batches: deque[_Shared] = deque()

    async def read(self, array: StoredArray, fetches: list[Fetch], out: NDArray) -> None:
        """Read what was planned into `out`.

        Raises:
            AsyncZarrError: the first failure of this read, whatever becomes of those that are done together with it.
        """
        mine = _Read(fetches, out)
        with self._lock:
            self._waiting.append(mine)
        try:
            await pool.run(self._work, array, mine)
            await mine.over.wait()  # another thread may be busy with the last of it
        except BaseException:
            await self._leave(mine)
            raise
        if mine.error is not None:
            raise mine.error

    async def _leave(self, mine: _Read) -> None:
        """When this returns, no thread writes into the result any more."""
        with self._lock:
            mine.wanted = 0
            if mine in self._waiting:
                self._waiting.remove(mine)
            if not mine.busy:
                return
        with CancelScope(shield=True):
            while not mine.over.is_set():
                with suppress(asyncio.CancelledError):  # a second cancel changes nothing
                    await mine.over.wait()

    def _work(self, array: StoredArray, mine: _Read) -> None:
        """In a thread: do batches, for this read or for others, until nothing is left to begin for this one."""
        while mine.wanted and (batch := self._next(array)) is not None:
            errors: dict[_Read, Exception]
            try:
                errors = batch.run(array)
            except Exception as error:
                errors = dict.fromkeys(batch.reads, error)
            self._finished(batch, errors)

    def _next(self, array: StoredArray) -> _Shared | None:
        with self._turn:
            while True:
                with self._lock:
                    while self._batches:
                        batch = self._batches.popleft()
                        if batch.begin():
                            return batch
                    waiting, self._waiting = self._waiting, []
                if not waiting:
                    return None
                try:
                    self._batches.extend(list(_round(array, waiting)))
                except Exception:
                    with self._lock:  # nobody is forgotten: each is told by its own call
                        self._waiting = waiting + self._waiting
                    raise

    def _finished(self, batch: _Shared, errors: dict[_Read, Exception]) -> None:
        with self._lock:
            over = [read for read, count in batch.reads.items() if read.finished(count, errors.get(read))]
        for read in over:
            with suppress(RuntimeError):  # its loop is closed: nobody waits any more
                read.loop.call_soon_threadsafe(read.over.set)


class _Read:
    """One read, and what is left of it.

    Attributes:
        wanted: chunks still to be placed; 0 when it is complete, has failed, or is not wanted any more.
        busy: batches with chunks of it that threads work on.
    """

    __slots__ = ("busy", "error", "fetches", "loop", "out", "over", "wanted")

    def __init__(self, fetches: list[Fetch], out: NDArray) -> None:
        self.fetches = fetches
        self.out = out
        self.wanted = sum([len(fetch.pieces) for fetch in fetches])
        self.busy = 0
        self.error: Exception | None = None
        self.loop = asyncio.get_running_loop()
        self.over = asyncio.Event()

    def finished(self, count: int, error: Exception | None) -> bool:
        """So many chunks are placed, or have failed; whether that was all."""
        self.busy -= 1
        self.wanted = 0 if error is not None else max(0, self.wanted - count)
        self.error = self.error or error
        return not self.wanted and not self.busy


class _Shared:
    """A batch, and who takes its chunks.

    Attributes:
        reads: how many chunks each read takes that is there when the batch begins.
    """

    __slots__ = ("_batch", "_takers", "reads")

    def __init__(self, batch: Batch, takers: dict[Coords, list[tuple[_Read, Piece]]]) -> None:
        self._batch = batch
        self._takers = takers
        self.reads: Counter[_Read] = Counter()

    def begin(self) -> bool:
        """Count those in who still want something; whether anybody does."""
        pieces = [piece for fetch in self._batch.fetches for piece in fetch.pieces]
        self.reads = Counter([read for piece in pieces for read, _ in self._takers[piece.index] if read.wanted])
        for read in self.reads:
            read.busy += 1
        return bool(self.reads)

    def run(self, array: StoredArray) -> dict[_Read, Exception]:
        """Read, decode and place the chunks; the reads that have failed."""
        errors: dict[_Read, Exception] = {}

        def finish(found: list[_Found | Failure]) -> list[_Found | Failure]:
            parts: dict[_Read, list[_Found]] = {}
            for each in found:
                piece, chunk = (each.piece, None) if isinstance(each, Failure) else each
                for read, part in self._takers[piece.index]:
                    if read not in self.reads:
                        continue
                    if isinstance(each, Failure):
                        errors.setdefault(read, copy(each.error))
                    else:
                        parts.setdefault(read, []).append((part, chunk))
            for read, some in parts.items():
                place(read.out, array.fill, some)
            return []

        try:
            Loader(array, _pair, finish=finish).load_here(self._batch)
        except AsyncZarrError:  # again, to tell whose it is: the others go on
            Loader(array, _pair, finish=finish, collect=True).load_here(self._batch)
        return errors


def _pair(piece: Piece, chunk: NDArray | None) -> _Found:
    return piece, chunk


def _round(array: StoredArray, reads: Iterable[_Read]) -> Iterator[_Shared]:
    """Cut what several reads want into batches, every chunk once and in the order of the grid."""
    takers: dict[Coords, list[tuple[_Read, Piece]]] = {}
    for read in reads:
        for fetch in read.fetches:
            for piece in fetch.pieces:
                takers.setdefault(piece.index, []).append((read, piece))
    pieces = sorted([first for (_, first), *_ in takers.values()], key=_order)
    limit = 1 if array.shard is None else max(1, min(BATCH_PIECES, SHARD_RUN_BYTES // array.chunk_bytes))
    plan: list[Fetch] = []
    for _, group in groupby(pieces, lambda piece: piece.stored.coords):
        same = list(group)
        plan += [fetch_of(array, same[start : start + limit]) for start in range(0, len(same), limit)]
    share = sum([fetch.cost for fetch in plan]) // (SHARES * array.workers)
    target = min(max(LEAST_BYTES, share), MOST_BYTES)
    for batch in batches(iter(plan), target=target, ramp=False, most=BATCH_PIECES):
        yield _Shared(batch, takers)


def _order(piece: Piece) -> tuple[Coords, Coords]:
    return piece.stored.coords, piece.index


_all: WeakKeyDictionary[StoredArray, Together] = WeakKeyDictionary()
