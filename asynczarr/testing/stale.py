"""What a listing shows that has not heard of the latest writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ..middleware.base import Request
from ..store.base import Store
from ..store.keys import is_valid_key
from ..store.listing import below, children

__all__ = ["Changes"]


class Changes:
    """Remembers which keys the latest writes added and removed."""

    def __init__(self) -> None:
        self._writes: list[dict[str, bool]] = []

    async def note(self, store: Store, keys: Sequence[str], *, present: bool) -> None:
        """Remember a write that is about to begin, after which `keys` are present or not."""
        before = {key: await store.head(key) is not None for key in keys if is_valid_key(key)}
        self._writes.append({key: was for key, was in before.items() if was != present})

    async def undone(self, store: Store, request: Request, writes: int) -> AsyncIterator[str]:
        """List as if the latest `writes` writes had not been made."""
        keys = {key async for key in store.list(request.key)}
        for write in reversed(self._writes[-writes:] if writes else []):
            for key, was in write.items():
                if not key.startswith(request.key):
                    continue
                (keys.add if was else keys.discard)(key)
        names = below if request.verb == "list" else children
        for name in names(sorted(keys), request.key):
            yield name
