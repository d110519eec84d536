"""Items for ``write_stream``: one array, cut and ordered in several ways."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest

from .support import SpyStore, SyncSpyStore, counting

SHAPE = (24, 20)
SPEC: dict[str, Any] = {"shape": SHAPE, "dtype": "i4", "chunks": (4, 2), "shards": (8, 8), "codecs": ["bytes"]}
"""3 x 3 shards, the last column of them half inside; 6 x 10 chunks."""

KINDS = pytest.mark.parametrize("kind", [SpyStore, SyncSpyStore], ids=["async", "sync"])
VALUES = counting(SHAPE) + 1

Items = list[tuple[Any, Any]]


def chunk_items() -> Items:
    """In C order of the chunks: 30 chunks pass before the first shard is complete."""
    return [((r, c), VALUES[4 * r : 4 * r + 4, 2 * c : 2 * c + 2]) for r in range(6) for c in range(10)]


def shard_major() -> Items:
    """All chunks of one shard before those of the next."""
    return sorted(chunk_items(), key=lambda item: (item[0][0] // 2, item[0][1] // 4))


def shuffled() -> Items:
    items = chunk_items()
    random.Random(1).shuffle(items)
    return items


def rows() -> Items:
    """Slabs that lie across chunks and shards."""
    return [((slice(row, min(row + 3, 24)), slice(None)), VALUES[row : row + 3]) for row in range(0, 24, 3)]


def everything() -> Items:
    return [((slice(None), slice(None)), VALUES)]


ORDERS: dict[str, Callable[[], Items]] = {
    each.__name__: each for each in (chunk_items, shard_major, shuffled, rows, everything)
}


async def slowly(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item


SOURCES: dict[str, Callable[[Items], Any]] = {
    "list": lambda items: items,
    "iterator": iter,
    "generator": lambda items: (item for item in items),
    "async generator": slowly,
}
