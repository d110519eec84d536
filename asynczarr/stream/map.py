"""``map_chunks()``: a function over every chunk, in threads, processes or on the event loop."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from operator import length_hint
from time import perf_counter
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

import anyio
import anyio.to_process

from ..codec import pool
from ..selection import Selection
from ..threads import Threads
from ..types import Coords
from .chunks import Chunk, PieceStream, StreamOptions
from .load import gather
from .stored import StoredArray

__all__ = ["Mapped", "Place", "map_stream"]

Place: TypeAlias = Literal["thread", "loop", "process"]

SLOW = 0.0002
"""Seconds of a call from which on it is worth a thread hop."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the function made of one chunk.

    Attributes:
        index: coordinates in the chunk grid.
        region: NumPy index into the selection's result.
        value: what the function returned.
    """

    index: Coords
    region: tuple[Any, ...]
    value: Any


def map_stream(
    array: StoredArray, selection: Selection, function: Callable[[Chunk], Any], where: Place, options: StreamOptions
) -> PieceStream[Mapped]:
    """Stream ``function(chunk)`` for every chunk of a selection.

    Args:
        array: what to read.
        selection: of what.
        function: with ``"loop"`` it may be a coroutine function, with ``"process"`` it must be picklable.
        where: in worker threads, on the event loop, or in worker processes.
        options: how to stream.
    """
    if where not in ("thread", "loop", "process"):
        raise ValueError(f"where= must be 'thread', 'loop' or 'process', not {where!r}")
    apply = _on_loop if where == "loop" else _in_process

    async def singly(items: list[Mapped]) -> list[Mapped]:
        return [Mapped(item.index, item.region, await apply(function, item.value)) for item in items]

    then: Callable[[list[Mapped]], Awaitable[list[Mapped]]] = singly
    if where == "thread":
        size = options.concurrency or pool.pool_size()
        then = _Crew(function, size).map
        if array.store.capabilities.sync:
            options = replace(options, concurrency=size)
    return PieceStream(array, selection, options, lambda chunk: Mapped(chunk.index, chunk.region, chunk), then)


class _Crew:
    """Threads that call the function of one stream, a batch of chunks after the other.

    One thread goes through a batch while the calls are so quick that handing them out would cost more; of slow ones
    each thread takes the next. Nobody begins a call when one has failed, or when the task of the batch is cancelled.

    Args:
        function: what is called.
        size: calls at a time.
    """

    def __init__(self, function: Callable[[Chunk], Any], size: int) -> None:
        self._function = function
        self._size = size
        self._threads = Threads(size)
        self._failed = self._slow = False

    async def map(self, items: list[Mapped]) -> list[Mapped]:
        """The function's values instead of the chunks."""
        results: list[Mapped] = list(items)
        left = iter(range(len(items)))
        task = asyncio.current_task()
        assert task is not None  # a job of a window

        def work(*, alone: bool) -> None:
            for number in left:
                if self._failed or task.cancelling():
                    return
                begun = perf_counter()
                try:
                    item = items[number]
                    results[number] = Mapped(item.index, item.region, self._function(item.value))
                except BaseException:
                    self._failed = True
                    raise
                self._slow = perf_counter() - begun > SLOW
                if alone and self._slow:
                    return

        if not self._slow:
            await self._threads.run(work, alone=True)
        if (rest := length_hint(left)) > 0:
            await gather([self._threads.run(work, alone=False) for _ in range(min(rest, self._size))])
        return results


async def _on_loop(function: Callable[[Chunk], Any], chunk: Chunk) -> Any:
    value = function(chunk)
    return await value if inspect.isawaitable(value) else value


_limiters: WeakKeyDictionary[Any, anyio.CapacityLimiter] = WeakKeyDictionary()


async def _in_process(function: Callable[[Chunk], Any], chunk: Chunk) -> Any:
    loop = asyncio.get_running_loop()
    limiter = _limiters.setdefault(loop, anyio.CapacityLimiter(os.cpu_count() or 1))
    return await anyio.to_process.run_sync(function, chunk, cancellable=True, limiter=limiter)
