"""Blocking calls in a bounded number of threads, without ever leaving one behind.

``anyio.to_thread.run_sync`` waits for its thread when an anyio scope is cancelled, but ``asyncio.Task.cancel`` and
``asyncio.timeout`` get past its shield: the call returns at once, the slot is free, and the write still lands later.
:class:`Threads` closes that gap. "Cancelled" means: finished, or never started.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from anyio import CancelScope, CapacityLimiter, to_thread

__all__ = ["Threads"]

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """At most `limit` blocking calls at a time on each event loop."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"at least one thread is needed, not {limit}")
        self._limit = limit
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[asyncio.Semaphore, CapacityLimiter]]
        self._slots = WeakKeyDictionary()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in a thread. A cancelled call returns when the thread has; only then its slot is free."""
        loop = asyncio.get_running_loop()
        slots = self._slots.get(loop)
        if slots is None:
            # anyio's own limiter frees its slot on Task.cancel(), so that the semaphore is the one that counts.
            slots = self._slots[loop] = asyncio.Semaphore(self._limit), CapacityLimiter(float("inf"))
        semaphore, unlimited = slots
        async with semaphore:
            job = _Job(partial(function, *args, **kwargs))
            try:
                return await to_thread.run_sync(job, limiter=unlimited)
            except asyncio.CancelledError:
                with CancelScope(shield=True):
                    await job.settle(loop)
                raise


class _Job(Generic[T]):
    """A call that can be taken back until a thread has begun it, and waited for afterwards."""

    __slots__ = ("_begun", "_call", "_done", "_lock", "_revoked", "_wake")

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._begun = self._done = self._revoked = False
        self._wake: Callable[[], object] | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._revoked:
                raise RuntimeError("the caller was cancelled before the call began")  # seen by nobody
            self._begun = True
        try:
            return self._call()
        finally:
            del self._call  # an idle worker thread keeps its last job, but not what that job was about
            with self._lock:
                self._done = True
                wake = self._wake
            if wake is not None:
                with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
                    wake()

    async def settle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until the call has returned, or make sure that it never begins."""
        done = asyncio.Event()
        with self._lock:
            self._revoked = not self._begun
            if self._revoked or self._done:
                return
            self._wake = partial(loop.call_soon_threadsafe, done.set)
        while not done.is_set():
            with suppress(asyncio.CancelledError):  # a second cancel changes nothing: the first is raised after this
                await done.wait()
