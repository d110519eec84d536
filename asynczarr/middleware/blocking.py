"""What a middleware is that never waits: it keeps the blocking half of the store that it wraps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from ..errors import Unsupported
from ..store.base import Capabilities, ManyStore, SyncStore
from ..types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from .base import Wrapper

__all__ = ["BlockingWrapper"]


class BlockingWrapper(Wrapper):
    """Passes both halves of a store on, so that the engine still reads and decodes in one thread hop.

    A middleware overrides :meth:`inner_key`, or single verbs of both halves.
    """

    def inner_key(self, key: str) -> str:
        """What the wrapped store calls `key`."""
        return key

    @property
    def capabilities(self) -> Capabilities:
        """Those of the wrapped store."""
        return self.inner.capabilities

    def forget(self, key: str) -> None:
        """See ``Wrapper.forget``."""
        super().forget(self.inner_key(key))

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``."""
        return await self.inner.get(self.inner_key(key), byte_range)

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``."""
        return await self.inner.get_ranges(self.inner_key(key), ranges, if_version=if_version)

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        return await self.inner.head(self.inner_key(key))

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``."""
        inner_key = self.inner_key(key)
        return await self.inner.set(inner_key, value, create=create, if_version=if_version, metadata=metadata)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        await self.inner.delete(self.inner_key(key), if_version=if_version)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """See ``Store.delete_many``."""
        await self.inner.delete_many([self.inner_key(key) for key in keys])

    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``SyncStore.get_sync``."""
        return self._blocking(key).get_sync(self.inner_key(key), byte_range)

    def get_many_sync(self, keys: Sequence[str], byte_range: ByteRange | None = None) -> Sequence[BytesLike | None]:
        """See ``ManyStore.get_many_sync``."""
        if not self.inner.capabilities.many:
            return [self.get_sync(key, byte_range) for key in keys]
        return cast("ManyStore", self.inner).get_many_sync([self.inner_key(key) for key in keys], byte_range)

    def get_ranges_sync(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``SyncStore.get_ranges_sync``."""
        return self._blocking(key).get_ranges_sync(self.inner_key(key), ranges, if_version=if_version)

    def set_sync(
        self, key: str, value: BytesLike, *, create: bool = False, if_version: Version | None = None
    ) -> Version | None:
        """See ``SyncStore.set_sync``."""
        return self._blocking(key).set_sync(self.inner_key(key), value, create=create, if_version=if_version)

    def set_many_sync(self, items: Sequence[tuple[str, BytesLike]]) -> None:
        """See ``ManyStore.set_many_sync``."""
        if not self.inner.capabilities.many:
            for key, value in items:
                self.set_sync(key, value)
            return
        cast("ManyStore", self.inner).set_many_sync([(self.inner_key(key), value) for key, value in items])

    def delete_sync(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``SyncStore.delete_sync``."""
        self._blocking(key).delete_sync(self.inner_key(key), if_version=if_version)

    def _blocking(self, key: str) -> SyncStore:
        if not self.inner.capabilities.sync:
            raise Unsupported("the store has no blocking half", store=self.url, key=key)
        return cast("SyncStore", self.inner)
