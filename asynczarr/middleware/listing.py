"""Listings that pass through a middleware, closed when they are left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

__all__ = ["closing", "steps"]

T = TypeVar("T")


@asynccontextmanager
async def closing(names: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close an iterator at the end if it can be closed: what a store's listing holds is released then, not later."""
    try:
        yield names
    finally:
        close = getattr(names, "aclose", None)
        if close is not None:
            await close()


async def steps(
    names: AsyncIterator[str], around: Callable[[Callable[[], Awaitable[str | None]]], Awaitable[str | None]]
) -> AsyncIterator[str]:
    """Take each step of a listing by ``around``: whoever listens may make other calls between two steps."""
    async with closing(names):
        while (name := await around(lambda: anext(names, None))) is not None:
            yield name
