"""Listing of keys: prefixes over a sorted index, and pages over a blocking generator."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice

from ..threads import Threads

__all__ = ["below", "children", "paged"]

_PAGE = 1000


def below(keys: Sequence[str], prefix: str) -> Iterator[str]:
    """The keys that start with `prefix`. `keys` must be sorted."""
    for index in range(bisect_left(keys, prefix), len(keys)):
        if not keys[index].startswith(prefix):
            return
        yield keys[index]


def children(keys: Sequence[str], prefix: str) -> Iterator[str]:
    """Names directly below `prefix`, prefixes with a final ``/``. `keys` must be sorted; whole subtrees are jumped."""
    index = bisect_left(keys, prefix)
    while index < len(keys) and keys[index].startswith(prefix):
        name, slash, _ = keys[index][len(prefix) :].partition("/")
        yield name + slash
        # "0" is the character after "/": the first key beyond the subtree.
        index = bisect_left(keys, f"{prefix}{name}0", index) if slash else index + 1


async def paged(names: Iterator[str], threads: Threads) -> AsyncIterator[str]:
    """Draw from a generator that blocks, a page a thread hop; the generator is closed with the iterator."""
    try:
        while page := await threads.run(_page, names):
            for name in page:
                yield name
    finally:
        close = getattr(names, "close", None)
        if close is not None:
            close()


def _page(names: Iterator[str]) -> list[str]:
    return list(islice(names, _PAGE))
