"""Clients of a network store, one for each event loop: connections and locks of one loop are useless in another."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

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
        self._pid = os.getpid()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[C]] = WeakKeyDictionary()

    async def get(self) -> C:
        """The client of the running loop. A caller who is cancelled while it is being made leaves it to the others."""
        self._forget_parent()
        loop = asyncio.get_running_loop()
        task = self._clients.get(loop)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._clients[loop] = loop.create_task(_made(self._make))
        return task.result() if task.done() else await asyncio.shield(task)

    async def aclose(self) -> None:
        """Close the clients of all loops that still run; those of ended loops went with them."""
        self._forget_parent()
        here = asyncio.get_running_loop()
        clients, self._clients = dict(self._clients), WeakKeyDictionary()
        for loop, task in clients.items():
            if loop is here:
                await self._end(task)
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._end(task), loop))

    def _forget_parent(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            _kept.append(dict(self._clients))
            self._clients = WeakKeyDictionary()

    async def _end(self, task: asyncio.Task[C]) -> None:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            with suppress(OSError):  # a connection that is broken already is closed enough
                await self._close(task.result())


async def _made(make: Callable[[], Awaitable[C]]) -> C:
    return await make()
