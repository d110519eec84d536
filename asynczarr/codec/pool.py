"""Threads for CPU work: a bounded number for each event loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from ..threads import Threads

__all__ = ["pool_size", "run", "set_pool_size"]

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")

_size = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_threads = Threads(_size)


def pool_size() -> int:
    """Threads that may work at once for one event loop; as many as there are CPUs for this process if nobody set it."""
    return _size


def set_pool_size(size: int) -> None:
    """Set how many threads may work at once for one event loop; work that has begun goes on beside.

    Raises:
        ValueError: less than one.
    """
    global _size, _threads
    _threads = Threads(size)
    _size = size


async def run(function: Callable[[*_Args], _T], *args: *_Args) -> _T:
    """Run `function` in a thread of the pool and return its result.

    A cancelled call returns when its thread has, and only then its place is free: a thread cannot be stopped.
    """
    return await _threads.run(function, *args)
