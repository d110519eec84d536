"""Limits that hold for a whole process: requests in flight per store, and one writer at a time per key.

asyncio primitives belong to one event loop, so everything here is kept per running loop; entries vanish with their
store or loop. Between loops, threads and processes the compare-and-swap of the store decides.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

from ..loops import ByLoop
from ..middleware.base import Wrapper
from ..store.base import Store

__all__ = ["MAX_REQUESTS", "first_alone", "key_lock", "request_slots"]

MAX_REQUESTS = 64
"""Requests in flight per store and event loop, whatever the number of streams.

A store that bounds them itself (:class:`~asynczarr.middleware.Limit`, as in the default stack) is left to do so: here a
slot would be held during the pauses between attempts too, so that a few keys that fail keep all others waiting.
"""


class _PerLoop:
    """What one store needs on one event loop."""

    __slots__ = ("__weakref__", "first", "locks", "requests")

    def __init__(self, store: Store) -> None:
        self.first: dict[str, asyncio.Event] = {}
        self.requests = asyncio.Semaphore(sys.maxsize if isinstance(store, Wrapper) and store.limited else MAX_REQUESTS)
        self.locks: dict[str, tuple[asyncio.Lock, int]] = {}


_loops: ByLoop[WeakKeyDictionary[Any, _PerLoop]] = ByLoop()


def _state(store: Store) -> _PerLoop:
    loop = asyncio.get_running_loop()
    stores = _loops.get(loop)
    if stores is None:
        stores = _loops[loop] = WeakKeyDictionary()
    state = stores.get(store)
    if state is None:
        state = stores[store] = _PerLoop(store)
    return state


def request_slots(store: Store) -> asyncio.Semaphore:
    """The semaphore that every request of the engine to `store` holds until it is answered."""
    return _state(store).requests


@asynccontextmanager
async def key_lock(store: Store, key: str) -> AsyncIterator[None]:
    """Hold the lock of one key: read-modify-writes of this loop follow each other instead of colliding."""
    locks = _state(store).locks
    lock, users = locks.get(key) or (asyncio.Lock(), 0)
    locks[key] = (lock, users + 1)
    try:
        async with lock:
            yield
    finally:
        lock, users = locks[key]
        if users == 1:
            del locks[key]
        else:
            locks[key] = (lock, users - 1)


@asynccontextmanager
async def first_alone(store: Store, key: str) -> AsyncIterator[None]:
    """Let the first one in alone; all who come while it is inside wait until it has left, and then go in together.

    For what the first one leaves in a cache. Nothing is shared in passing, so nobody gets an answer older than the
    question.
    """
    first = _state(store).first
    if (other := first.get(key)) is not None:
        await other.wait()
        yield
        return
    left = first[key] = asyncio.Event()
    try:
        yield
    finally:
        del first[key]
        left.set()
