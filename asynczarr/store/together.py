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

    The first failure cancels the others, is raised alone, and nothing begins after it.
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

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(todo))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors.exceptions[0].__cause__
    return [results[number] for number in sorted(results)]
