"""Stores whose calls block: each is done in a thread, in one hop."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from ..errors import Unsupported
from ..threads import Threads
from ..types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from .base import StoreBase

__all__ = ["ThreadedStore"]


class ThreadedStore(StoreBase):
    """The calls for one key, made of their blocking halves. A cancelled one has happened or has not.

    Args:
        max_threads: blocking calls at a time on one event loop.
    """

    def __init__(self, max_threads: int) -> None:
        self._threads = Threads(max_threads)

    @abstractmethod
    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """Like ``get``."""

    @abstractmethod
    def get_ranges_sync(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """Like ``get_ranges``."""

    @abstractmethod
    def head_sync(self, key: str) -> ObjectInfo | None:
        """Like ``head``."""

    @abstractmethod
    def set_sync(
        self, key: str, value: BytesLike, *, create: bool = False, if_version: Version | None = None
    ) -> Version | None:
        """Like ``set``, without metadata."""

    @abstractmethod
    def delete_sync(self, key: str, *, if_version: Version | None = None) -> None:
        """Like ``delete``."""

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``."""
        return await self._threads.run(self.get_sync, key, byte_range)

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``."""
        return await self._threads.run(self.get_ranges_sync, key, ranges, if_version=if_version)

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        return await self._threads.run(self.head_sync, key)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``. There is no place for metadata."""
        if metadata:
            raise Unsupported("the store has no user metadata", store=self.url, key=key)
        return await self._threads.run(self.set_sync, key, value, create=create, if_version=if_version)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        await self._threads.run(self.delete_sync, key, if_version=if_version)
