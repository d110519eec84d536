"""The best loops one can write around libraries that have calls for one region only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..layout import Grid, NDArray, Region
from .base import Take

__all__ = ["by_tasks", "by_threads", "give_chunks", "give_slabs", "slabs_by_tasks", "slabs_by_thread"]

T = TypeVar("T")


def by_threads(call: Callable[[int, T], object], jobs: Sequence[T], threads: int) -> None:
    """Run ``call(number, job)`` for every job, in that many threads."""
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(call, range(len(jobs)), jobs):
            pass


async def by_tasks(call: Callable[[int, T], Awaitable[object]], jobs: Sequence[T], tasks: int) -> None:
    """Await ``call(number, job)`` for every job, in that many tasks that share one iterator."""
    waiting = iter(enumerate(jobs))

    async def work() -> None:
        for number, job in waiting:
            await call(number, job)

    await asyncio.gather(*(work() for _ in range(min(tasks, len(jobs)))))


def slabs_by_thread(get: Callable[[Region], NDArray], grid: Grid, take: Take) -> None:
    """Read slab after slab in a thread, the next one while the chunks of this one are given out."""
    portions = grid.portions()
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(get, portions[0])
        for number, portion in enumerate(portions):
            slab = coming.result()
            if number + 1 < len(portions):
                coming = ahead.submit(get, portions[number + 1])
            give_chunks(grid, portion, slab, take)


async def slabs_by_tasks(
    get: Callable[[Region], Awaitable[NDArray]], grid: Grid, in_flight: int
) -> AsyncIterator[tuple[Region, NDArray]]:
    """Await slab after slab, some of them in flight."""
    portions = grid.portions()
    coming = deque(asyncio.ensure_future(get(portion)) for portion in portions[:in_flight])
    for number, portion in enumerate(portions):
        slab = await coming.popleft()
        if number + in_flight < len(portions):
            coming.append(asyncio.ensure_future(get(portions[number + in_flight])))
        yield portion, slab


async def give_slabs(slabs: AsyncIterator[tuple[Region, NDArray]], take: Take) -> None:
    """Give each slab whole to its consumer."""
    number = 0
    async for _, slab in slabs:
        take(number, slab)
        number += 1


def give_chunks(grid: Grid, portion: Region, slab: NDArray, take: Take) -> None:
    """Give the chunks of a slab to their consumer."""
    for number, where in grid.pieces(portion):
        take(number, slab[where])
