"""What must be known or undone before a cancelled caller may go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

from anyio import CancelScope

__all__ = ["finished"]

T = TypeVar("T")


async def finished(call: Awaitable[T], *, seconds: float = 5.0) -> T:
    """Await `call`, to its end also if the caller is cancelled meanwhile, which is then raised.

    Args:
        call: a small request, never the transfer of a whole value.
        seconds: how long a cancelled caller waits at most; `call` is cancelled then.
    """
    task: asyncio.Future[T] = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with CancelScope(shield=True):
            await _settle(task, seconds)
        raise


async def _settle(task: asyncio.Future[Any], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not task.done():
        left = end - loop.time()
        if left <= 0:
            task.cancel()
        with suppress(asyncio.CancelledError):  # a second cancel changes nothing: the first is raised after this
            await asyncio.wait([task], timeout=left if left > 0 else None)
    if not task.cancelled():
        task.exception()  # seen: it is not what the caller is told
