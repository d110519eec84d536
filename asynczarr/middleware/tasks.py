"""Tasks that a middleware starts: none outlives the call that it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from copy import copy
from typing import Any, Generic, TypeVar

from ..errors import AsyncZarrError

__all__ = ["SharedCall", "end", "start"]

T = TypeVar("T")


def start(call: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
    """Begin a call in a task of its own."""
    return asyncio.get_running_loop().create_task(_called(call))


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they are over, also if this is cancelled meanwhile. What they raise is dropped."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: asyncio need not complain
    if cancelled is not None:
        raise cancelled


class SharedCall(Generic[T]):
    """One call that several callers wait for, in one event loop.

    A caller that is cancelled leaves the call to the others; with the last one the call is cancelled too. An error is
    raised to each caller, as a copy of its own: each adds its own place to it.

    Args:
        call: made at once, in a task of its own.
        over: called once nobody needs to find this call any more: it has ended, or everybody has left.
    """

    def __init__(self, call: Callable[[], Awaitable[T]], over: Callable[[], object]) -> None:
        self._callers = 0
        self._task = start(call)
        self._task.add_done_callback(lambda _: over())
        self._over = over

    async def join(self) -> T:
        """Wait for the answer."""
        self._callers += 1
        try:
            return await asyncio.shield(self._task)
        except AsyncZarrError as error:
            raise copy(error).with_traceback(error.__traceback__) from error.__cause__
        finally:
            self._callers -= 1
            if not self._callers and not self._task.done():
                self._over()  # who comes now must not join a call that is being cancelled
                await end([self._task])


async def _called(call: Callable[[], Awaitable[T]]) -> T:
    return await call()
