"""The store protocol: bytes in and out, one attempt a call, no policy.

A store maps keys (``validate_key``) to immutable values. Retries, limits, deadlines and caches are middleware
around a store, never inside it. Zarr v3 specification, "Stores"; ``Parts`` and versions go beyond it, because a shard
must be read, and a chunk be updated, from one consistent version of a value.
"""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from ..types import ByteRange, BytesLike, ObjectInfo, Parts, Version

__all__ = ["Capabilities", "ManyStore", "Store", "StoreBase", "SyncStore", "discard"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do; what it cannot raises ``Unsupported`` and is never emulated by something racy.

    Attributes:
        write: ``set`` and ``delete`` work.
        list: ``list`` and ``list_dir`` work.
        create: ``set(create=True)`` is atomic.
        cas: ``set(if_version=...)`` and, unless `cas_delete` is false, ``delete(if_version=...)`` are atomic
            compare-and-swap.
        cas_delete: false if `cas` is for ``set`` only.
        versions: ``head`` and ``get_ranges`` report a version, and ``get_ranges(if_version=...)`` is honoured.
        metadata: user metadata can be stored with a value.
        sync: the store offers the blocking half (:class:`SyncStore`), safe to call from worker threads.
        blocking: a blocking call may wait for a device; ``False`` means plain memory, cheap enough for the event loop.
        many: the blocking half reads and writes several keys at once for less (:class:`ManyStore`).
        durable: a write waits until a device has it (fsync), which takes long but does not keep the next one waiting.
    """

    write: bool = True
    list: bool = True
    create: bool = False
    cas: bool = False
    cas_delete: bool = True
    versions: bool = False
    metadata: bool = False
    sync: bool = False
    blocking: bool = True
    many: bool = False
    durable: bool = False


class Store(Protocol):
    """Where chunks and metadata live. A missing key is ``None``; every other failure raises a ``StoreError``."""

    @property
    def url(self) -> str:
        """Address for messages and errors, without secrets."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do."""
        ...

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """Read a value, or a range of it (cut to the value). ``None`` if the key is missing."""
        ...

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """Read several ranges of one version of a value. ``None`` if the key is missing.

        Raises:
            PreconditionFailed: `if_version` is given and is not the stored version.
        """
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """Size and version of a value. ``None`` if the key is missing."""
        ...

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """Write a value atomically: readers see the old or the new one. Return its version, if the store has any.

        Raises:
            AlreadyExists: `create` is true and the key exists.
            PreconditionFailed: `if_version` is given and is not the stored version, or the key is missing.
            Unsupported: a condition or metadata that the store cannot honour.
        """
        ...

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """Remove a key. Removing a missing key is no error, unless `if_version` is given (``PreconditionFailed``)."""
        ...

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Remove several keys, in as few requests as the store allows."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        """All keys that start with `prefix` (empty, or ending in ``/``), page by page, in no promised order."""
        ...

    def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """Names directly below `prefix`: keys as they are, and prefixes with a final ``/``."""
        ...

    async def aclose(self) -> None:
        """Release what the store holds. Later calls raise ``StoreClosed``; a second ``aclose`` does nothing."""
        ...


@runtime_checkable
class SyncStore(Store, Protocol):
    """The blocking half that embedded stores offer, so that reading and decoding share one thread hop."""

    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """Like ``get``."""
        ...

    def get_ranges_sync(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """Like ``get_ranges``."""
        ...

    def set_sync(
        self, key: str, value: BytesLike, *, create: bool = False, if_version: Version | None = None
    ) -> Version | None:
        """Like ``set``."""
        ...

    def delete_sync(self, key: str, *, if_version: Version | None = None) -> None:
        """Like ``delete``."""
        ...


@runtime_checkable
class ManyStore(SyncStore, Protocol):
    """A blocking half for which many small values cost less together than one by one."""

    def get_many_sync(self, keys: Sequence[str], byte_range: ByteRange | None = None) -> Sequence[BytesLike | None]:
        """Like ``get`` of each key, all with the same range. A failure need not name its key: ``get`` will."""
        ...

    def set_many_sync(self, items: Sequence[tuple[str, BytesLike]]) -> None:
        """Like ``set`` of each key and value. After a failure any of them may be written; ``set`` will tell which."""
        ...


class StoreBase(ABC):
    """What stores share: context manager, a plain ``delete_many``, a repr without secrets.

    Implementing :class:`Store` without it is just as good.
    """

    @property
    def service(self) -> str:
        """Address of what stores of several URLs share, and with it their limits and budgets; empty: that of the URL.

        An S3 bucket, say, whose service was given as ``endpoint_url``. Without secrets.
        """
        return ""

    @property
    @abstractmethod
    def url(self) -> str:
        """See ``Store.url``."""

    @abstractmethod
    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""

    @abstractmethod
    async def aclose(self) -> None:
        """See ``Store.aclose``."""

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Remove several keys, one after the other."""
        for key in builtins.list(keys):
            await self.delete(key)

    async def discard(self) -> None:
        """Close after a failure. A store that publishes what was written when it is closed drops it instead."""
        await self.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await (self.aclose() if error is None else self.discard())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"


async def discard(store: Store) -> None:
    """:meth:`StoreBase.discard` of any store; one that has none is closed."""
    await getattr(store, "discard", store.aclose)()
