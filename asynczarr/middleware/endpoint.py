"""What all stores of one endpoint share in one event loop: limits, rates, budgets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from ..loops import ByLoop
from ..store.base import Store

__all__ = ["PerEndpoint", "endpoint"]

T = TypeVar("T")


def endpoint(where: Store | str) -> str:
    """The service that a store or an address leads to.

    It is what the store says (``service``), cut to scheme and host; else scheme and host, or bucket, of its URL:
    ``s3://bucket/a/b`` and ``s3://bucket/c`` share one.
    """
    url = where if isinstance(where, str) else getattr(where, "service", "") or where.url
    scheme, mark, rest = url.partition("://")
    host = rest.partition("?")[0].partition("/")[0].rpartition("@")[2]
    return f"{scheme}{mark}{host}" if host else url


class PerEndpoint(Generic[T]):
    """One object for each endpoint and event loop, made at first use; it goes with its loop.

    asyncio primitives belong to one loop, so that a process with two loops has two sets of limits.
    """

    def __init__(self) -> None:
        self._loops: ByLoop[dict[str, T]] = ByLoop()

    def get(self, name: str, make: Callable[[], T]) -> T:
        """The object of an endpoint in the running loop; `make` makes the first."""
        loop = asyncio.get_running_loop()
        shared = self._loops.get(loop)
        if shared is None:
            shared = self._loops[loop] = {}
        if name not in shared:
            shared[name] = make()
        return shared[name]
