"""Clients of a network store, one for each event loop: connections and locks of one loop are useless in another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy
from typing import Generic, TypeVar

from ..errors import AsyncZarrError, StoreClosed
from ..forks import in_children
from ..loops import ByLoop

__all__ = ["PerLoop"]

C = TypeVar("C")

# Clients of the parent in a forked child. Their destructors would take the parent's sockets out of the epoll that both
# processes share, and the parent would wait forever.
_kept: list[object] = []


class PerLoop(Generic[C]):
    """A client for each event loop that asks for one, made at first use and closed with :meth:`aclose`.

    So a store may be used in one loop after the other, and in several threads with a loop each. In a forked child the
    clients of the parent are forgotten, not closed: their sockets are still the parent's.

    Args:
        make: connects, on the running loop.
        close: closes what `make` made, on the loop where it was made.
    """

    def __init__(self, make: Callable[[], Awaitable[C]], close: Callable[[C], Awaitable[object]]) -> None:
        self._make = make
        self._close = close
        self._closed = False
        self._lock = threading.Lock()  # guards _closed and every change of _clients
        self._clients: ByLoop[asyncio.Task[C]] = ByLoop()
        in_children(self, PerLoop._forget_parent)

    async def get(self) -> C:
        """The client of the running loop. A caller who is cancelled while it is being made leaves it to the others.

        Raises:
            StoreClosed: :meth:`aclose` was called, before this or meanwhile.
            AsyncZarrError: it could not be made; each of those who wait gets a copy, to which it adds its own place.
        """
        loop = asyncio.get_running_loop()
        while True:
            task = self._clients.get(loop)
            if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
                task = self._begin(loop)
            if not task.done():
                await asyncio.wait([task])  # a shield would pass on that the task was cancelled, not its caller
            if not task.cancelled():
                return _result(task)

    async def aclose(self) -> None:
        """Close the clients of all loops that still run; those of ended loops went with them. No more are made."""
        here = asyncio.get_running_loop()
        with self._lock:
            self._closed = True
            clients, self._clients = dict(self._clients), ByLoop()
        for loop, task in clients.items():
            if loop is here:
                await self._end(task)
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._end(task), loop))

    def _begin(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[C]:
        with self._lock:
            if self._closed:
                raise StoreClosed("the store is closed")
            task = self._clients[loop] = loop.create_task(_made(self._make))
        task.add_done_callback(_seen)
        return task

    async def _end(self, task: asyncio.Task[C]) -> None:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            with suppress(OSError):  # a connection that is broken already is closed enough
                await self._close(task.result())

    def _forget_parent(self) -> None:
        _kept.append(dict(self._clients))
        self._lock, self._clients = threading.Lock(), ByLoop()


async def _made(make: Callable[[], Awaitable[C]]) -> C:
    return await make()


def _seen(task: asyncio.Task[C]) -> None:
    """Whoever waited for it may have left: asyncio need not complain of an error that nobody asks for."""
    if not task.cancelled():
        task.exception()


def _result(task: asyncio.Task[C]) -> C:
    try:
        return task.result()
    except AsyncZarrError as error:
        raise copy(error).with_traceback(error.__traceback__) from error.__cause__
