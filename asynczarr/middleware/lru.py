"""A dictionary bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["ByteLRU"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

OVERHEAD = 256
"""Bytes that an entry takes besides its value, about: key, tuple and links."""


class ByteLRU(Generic[K, V]):
    """Keeps the values used last, as many as fit. Not safe for threads by itself.

    Args:
        max_bytes: of all values and what it takes to keep them. A larger value is not kept.
        evicted: called with each key that was dropped for want of room, and the bytes that it took.

    Attributes:
        used: bytes in use.

    Raises:
        ValueError: a negative bound.
    """

    def __init__(self, max_bytes: int, evicted: Callable[[K, int], object] | None = None) -> None:
        if max_bytes < 0:
            raise ValueError(f"a cache of {max_bytes} bytes cannot be")
        self.used: int = 0
        self._max_bytes = max_bytes
        self._evicted = evicted
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, which is the last one to be dropped now."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def takes(self, nbytes: int) -> bool:
        """Whether a value of so many bytes can be kept at all."""
        return nbytes + OVERHEAD <= self._max_bytes

    def put(self, key: K, value: V, nbytes: int) -> bool:
        """Keep a value; ``False`` if it alone is too large."""
        self.discard(key)
        if not self.takes(nbytes):
            return False
        cost = nbytes + OVERHEAD
        self._entries[key] = (value, cost)
        self.used += cost
        while self.used > self._max_bytes:
            oldest, (_, freed) = next(iter(self._entries.items()))
            self.discard(oldest)
            if self._evicted is not None:
                self._evicted(oldest, freed)
        return True

    def discard(self, key: K) -> None:
        """Forget a value."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.used -= entry[1]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.used = 0
