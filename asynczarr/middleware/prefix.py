"""A subtree of a store as a store of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..store.base import Store
from ..store.keys import is_valid_key, validate_key, validate_prefix
from .blocking import BlockingWrapper
from .listing import closing

__all__ = ["Prefix"]


class Prefix(BlockingWrapper):
    """Sees the keys of `inner` that begin with `prefix`, and calls them by the rest of their names.

    No key leads out of it. Errors of the wrapped store name its own url and the whole key.

    Args:
        inner: the store; it is closed with this one.
        prefix: path of the subtree, with or without a final ``/``.

    Raises:
        KeyInvalid: `prefix` could not be part of a key.
    """

    def __init__(self, inner: Store, prefix: str) -> None:
        super().__init__(inner)
        self.prefix: str = validate_prefix(prefix if prefix.endswith("/") or not prefix else prefix + "/")

    def inner_key(self, key: str) -> str:
        """The prefix and `key`, which must be valid by itself: ``C:/x`` or ``/x`` are valid only behind a prefix."""
        return self.prefix + validate_key(key)

    @property
    def url(self) -> str:
        """That of the wrapped store, with the prefix as its path."""
        if not self.prefix:
            return self.inner.url
        base, mark, query = self.inner.url.partition("?")
        slash = "" if base.endswith("/") and not base.endswith("://") else "/"
        return f"{base}{slash}{self.prefix[:-1]}{mark}{query}"

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``."""
        async with closing(self.inner.list(self.prefix + validate_prefix(prefix))) as keys:
            async for key in keys:
                if is_valid_key(own := key[len(self.prefix) :]):
                    yield own

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``."""
        async with closing(self.inner.list_dir(self.prefix + validate_prefix(prefix))) as names:
            async for name in names:
                if is_valid_key(prefix + name.removesuffix("/")):
                    yield name
