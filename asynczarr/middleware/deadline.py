"""No call takes longer than it may: a deadline for all attempts together, and one for each."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from ..errors import AttemptTimeout, DeadlineExceeded, StoreError
from ..store.answer import watch_answer
from ..store.base import Store
from ..types import Parts
from .base import Request, Wrapper
from .listing import steps

__all__ = ["AttemptDeadline", "Deadline", "note", "time_left"]

T = TypeVar("T")

FLOOR = 256 * 1024
"""Bytes a second below which a transfer counts as stalled."""


@dataclass(slots=True)
class _Running:
    at: float
    cause: StoreError | None = None


_running: ContextVar[_Running | None] = ContextVar("asynczarr_deadline", default=None)


def time_left() -> float:
    """Seconds until the deadline of the call that runs here; infinite where none is set."""
    running = _running.get()
    return math.inf if running is None else running.at - asyncio.get_running_loop().time()


def note(error: StoreError) -> None:
    """Remember why the call that runs here has not succeeded yet: the cause, should the deadline pass."""
    running = _running.get()
    if running is not None:
        running.cause = error


class Deadline(Wrapper):
    """Ends a call, with all its attempts and pauses, after `total` seconds. Put it outside of what retries.

    What retries below it begins no pause that would end later. Each step of a listing is a call. A write that is cut
    off may or may not have happened.

    Args:
        inner: the store that is wrapped.
        total: seconds; what moves more than 15 MiB gets more, enough for two transfers at 256 KiB/s. A range that is
            read may bring less than it asks for, so that bytes count when they begin to come, if the store tells.
    """

    def __init__(self, inner: Store, *, total: float = 120.0) -> None:
        super().__init__(inner)
        self._total = total

    async def around(self, request: Request, send: Callable[[], Awaitable[T]]) -> T:
        """See :meth:`Wrapper.around`."""
        loop = asyncio.get_running_loop()
        begun, outer = loop.time(), _running.get()
        total = max(self._total, _two_transfers(_size(request) or 0))
        running = _Running(begun + total)
        token, scope = _running.set(running), asyncio.timeout(total)
        promised = begun + (total if request.writes else self._total)

        def begins(nbytes: int) -> None:
            nonlocal promised
            promised = max(promised, begun + _two_transfers(nbytes))
            awaited()

        def awaited() -> None:
            running.at = promised if outer is None else min(promised, outer.at)
            _reschedule(scope, promised)

        if outer is not None:
            running.at = min(running.at, outer.at)
        try:
            async with scope:
                with watch_answer(begins, awaited):
                    return await send()
        except TimeoutError as error:
            if isinstance(error, StoreError) or not scope.expired():
                raise
            late = DeadlineExceeded(f"not done within {loop.time() - begun:.3g} s", store=self.url, key=request.key)
            late.elapsed = loop.time() - begun
            raise late from running.cause or error
        finally:
            _running.reset(token)

    def _listed(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:
        return steps(names, lambda send: self.around(request, send))


class AttemptDeadline(Wrapper):
    """Ends one attempt that takes too long, so that another may go better. Put it inside of what retries.

    The time to answer and the time for the body are limited one after the other if the store says when it waits for an
    answer and when that begins (:mod:`asynczarr.store.answer`), else only their sum. Then nobody knows how many bytes a
    read will bring: a range is the most, not the least. Time is given for as many as the range has, but not for more
    than `assumed`, or than reads have brought lately; one that ran out of it may be slow rather than silent, and the
    next has twice as long.

    Args:
        inner: the store that is wrapped.
        first_byte: seconds until the answer begins.
        body: seconds for the body at least.
        floor: bytes a second; a body of n bytes may take ``n / floor`` seconds if that is more.
        assumed: bytes that a read is taken to bring at most until its answer begins.
    """

    def __init__(
        self,
        inner: Store,
        *,
        first_byte: float = 10.0,
        body: float = 15.0,
        floor: float = FLOOR,
        assumed: int = 16 * 2**20,
    ) -> None:
        super().__init__(inner)
        self._first_byte = first_byte
        self._body = body
        self._floor = floor
        self._assumed = assumed
        self._expected = float(assumed)  # follows what reads bring: at once if that is more, slowly if it is less
        self._tells = False  # whether this store says when an answer begins: known once it has

    async def around(self, request: Request, send: Callable[[], Awaitable[T]]) -> T:
        """See :meth:`Wrapper.around`."""
        loop = asyncio.get_running_loop()
        begun, reading, size = loop.time(), request.verb in ("get", "get_ranges"), self._most(request)
        scope, promised = asyncio.timeout(self._limit(request, size)), 0.0

        def extend(seconds: float) -> None:
            nonlocal promised
            self._tells = True
            promised = max(promised, loop.time() + seconds)
            _reschedule(scope, promised)

        try:
            async with scope:
                if not reading:
                    return await send()
                with watch_answer(lambda nbytes: extend(self._time_for(nbytes)), lambda: extend(self._first_byte)):
                    answer = await send()
        except TimeoutError as error:
            if isinstance(error, StoreError) or not scope.expired():
                raise
            if reading and not self._tells:
                self._expected = max(self._expected, 2 * size)
            reason = f"no complete answer after {loop.time() - begun:.3g} s"
            raise AttemptTimeout(reason, store=self.url, key=request.key) from error
        self._expected = max(self._assumed, _nbytes(answer), 0.9 * self._expected)
        return answer

    def _most(self, request: Request) -> float:
        """Bytes that a request is taken to move."""
        size = _size(request)
        if request.verb in ("get", "get_ranges"):
            return min(self._expected, math.inf if size is None else size)
        return size or 0

    def _limit(self, request: Request, size: float) -> float:
        if request.verb in ("head", "delete") or (self._tells and request.verb in ("get", "get_ranges")):
            return self._first_byte
        return self._first_byte + self._time_for(size)

    def _time_for(self, nbytes: float) -> float:
        return max(self._body, nbytes / self._floor)

    def _listed(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:
        return steps(names, lambda send: self.around(request, send))


def _two_transfers(nbytes: int) -> float:
    return 2 * nbytes / FLOOR


def _reschedule(scope: asyncio.Timeout, when: float) -> None:
    with suppress(RuntimeError):  # it is over already
        scope.reschedule(when)


def _nbytes(answer: object) -> int:
    """Bytes that an answer to a read has brought."""
    if isinstance(answer, Parts):
        return sum(len(data) for data in answer.data)
    return len(answer) if isinstance(answer, bytes | bytearray | memoryview) else 0


def _size(request: Request) -> int | None:
    """Bytes that a request moves, where it says so. A key to delete counts as a tenth of a second."""
    if request.verb == "set":
        return request.size
    if request.verb == "delete_many":
        return request.count * FLOOR // 10
    if request.verb == "get_ranges" or request.ranges:
        nbytes = 0
        for part in request.ranges:
            length = part.length
            if length is None:
                return None
            nbytes += length
        return nbytes
    return None if request.verb == "get" else 0
