"""What must be known or undone before a cancelled caller may go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

from anyio import CancelScope

__all__ = ["finished", "settled"]

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
        await settled(task, seconds=seconds)
        raise


async def settled(call: Awaitable[Any], *, seconds: float) -> None:
    """Let `call` end although this task is cancelled, or was; its failure is not the one to report.

    Args:
        call: what undoes or ends something.
        seconds: how long that may take; `call` is cancelled then.
    """
    task: asyncio.Future[Any] = asyncio.ensure_future(call)
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    with CancelScope(shield=True):
        while not task.done():
            left = end - loop.time()
            if left <= 0:
                task.cancel()
            with suppress(asyncio.CancelledError):  # a second cancel changes nothing: the first is raised after this
                await asyncio.wait([task], timeout=left if left > 0 else None)
    if not task.cancelled():
        task.exception()  # seen: it is not what the caller is told
