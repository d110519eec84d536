"""``map_chunks()``: a function over every chunk, in threads, processes or on the event loop."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

import anyio
import anyio.to_process

from ..selection import Selection
from ..types import Coords
from .chunks import Chunk, PieceStream, StreamOptions
from .stored import StoredArray

__all__ = ["Mapped", "Place", "map_stream"]

Place: TypeAlias = Literal["thread", "loop", "process"]


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
        where: in the worker thread that decoded the chunk, on the event loop, or in a worker process.
        options: how to stream.
    """
    if where == "thread":
        return PieceStream(array, selection, options, lambda chunk: Mapped(chunk.index, chunk.region, function(chunk)))
    if where not in ("loop", "process"):
        raise ValueError(f"where= must be 'thread', 'loop' or 'process', not {where!r}")
    apply = _on_loop if where == "loop" else _in_process

    async def then(item: Mapped) -> Mapped:
        return Mapped(item.index, item.region, await apply(function, item.value))

    return PieceStream(array, selection, options, lambda chunk: Mapped(chunk.index, chunk.region, chunk), then)


async def _on_loop(function: Callable[[Chunk], Any], chunk: Chunk) -> Any:
    value = function(chunk)
    return await value if inspect.isawaitable(value) else value


_limiters: WeakKeyDictionary[Any, anyio.CapacityLimiter] = WeakKeyDictionary()


async def _in_process(function: Callable[[Chunk], Any], chunk: Chunk) -> Any:
    import asyncio

    loop = asyncio.get_running_loop()
    limiter = _limiters.setdefault(loop, anyio.CapacityLimiter(os.cpu_count() or 1))
    return await anyio.to_process.run_sync(function, chunk, cancellable=True, limiter=limiter)
