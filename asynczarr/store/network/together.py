"""Several requests of one call at a time: bounded, and with one error as if they had come one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

__all__ = ["together"]

A = TypeVar("A")
T = TypeVar("T")


async def together(work: Callable[[A], Awaitable[T]], items: Iterable[A], limit: int) -> list[T]:
    """``[await work(item) for item in items]`` with at most `limit` at a time.

    The first failure cancels the others, is raised alone, and nothing begins after it. Not by ``asyncio.TaskGroup``:
    before Python 3.13 one that failed leaves its caller marked as being cancelled.
    """
    todo = deque(enumerate(items))
    results: dict[int, T] = {}

    async def worker() -> None:
        while todo:
            number, item = todo.popleft()
            try:
                results[number] = await work(item)
            except BaseException:
                todo.clear()
                raise

    if len(todo) < 2:
        return [await work(item) for _, item in todo]
    tasks = [asyncio.ensure_future(worker()) for _ in range(min(limit, len(todo)))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [results[number] for number in sorted(results)]
