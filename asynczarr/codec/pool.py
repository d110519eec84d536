"""Threads for CPU work: a bounded number for each event loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import TypeVar, TypeVarTuple

from ..threads import Threads

__all__ = ["idle", "pool_size", "run", "set_pool_size", "waiting"]

KEPT_BYTES = 8 * 2**20
"""Freed bytes that malloc may keep (twice as many) for each thread."""

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


def idle() -> int:
    """Threads of the pool that have nothing to do for the running event loop."""
    return _threads.idle


def waiting() -> int:
    """Calls of the running event loop that wait for a thread of the pool."""
    return _threads.waiting


async def run(function: Callable[[*_Args], _T], *args: *_Args) -> _T:
    """Run `function` in a thread of the pool and return its result.

    A cancelled call returns when its thread has, and only then its place is free: a thread cannot be stopped.
    """
    _keep_freed_memory()
    return await _threads.run(function, *args)


@cache
def _keep_freed_memory() -> None:
    """Let malloc keep the memory of a chunk for the next one instead of giving it back to the system.

    glibc unmaps what is larger than a threshold of 128 KiB, which grows to the largest block that was freed so far:
    free one that is larger than most chunks. Without it each chunk of 1 MiB costs 300 page faults, a third of its time.
    """
    bytearray(KEPT_BYTES)
