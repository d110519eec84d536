"""A dictionary as a store."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from ..errors import AlreadyExists, StoreClosed, Unsupported
from ..types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from .base import Capabilities, StoreBase
from .conditions import expect, one_condition
from .fileio import frozen
from .keys import validate_key, validate_prefix
from .listing import below, children

__all__ = ["MemoryStore"]


@dataclass(frozen=True, slots=True)
class _Value:
    data: bytes
    info: ObjectInfo


@dataclass(slots=True)
class _Shelf:
    """What all stores of one name share."""

    values: dict[str, _Value] = field(default_factory=dict)
    index: list[str] | None = None  # the sorted keys, until one is added or removed
    lock: threading.Lock = field(default_factory=threading.Lock)
    versions: Iterator[int] = field(default_factory=itertools.count)
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def sorted_keys(self) -> list[str]:
        with self.lock:
            if self.index is None:
                self.index = sorted(self.values)
            return self.index


_shelves: dict[str, _Shelf] = {}


class MemoryStore(StoreBase):
    """Values in the memory of this process. Every call returns at once, from any thread.

    Args:
        name: stores of the same name share their values for as long as the process lives; closing one of them leaves
            the values to the others. Without a name the values belong to this object.
        read_only: refuse writes (``Unsupported``).
    """

    def __init__(self, name: str = "", *, read_only: bool = False) -> None:
        self._name = name
        self._shelf = _shelves.setdefault(name, _Shelf()) if name else _Shelf()
        self._closed = False
        self._capabilities = Capabilities(
            write=not read_only,
            create=not read_only,
            cas=not read_only,
            metadata=not read_only,
            versions=True,
            sync=True,
            blocking=False,
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("a MemoryStore cannot be pickled: its values are in this process; use a FilesystemStore")

    @property
    def url(self) -> str:
        """``memory://`` and the name."""
        return f"memory://{self._name}"

    @property
    def capabilities(self) -> Capabilities:
        """Everything, and nothing blocks."""
        return self._capabilities

    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``. A range is a view, not a copy."""
        value = self._read(key)
        if value is None:
            return None
        return value.data if byte_range is None else byte_range.of(value.data)

    def get_ranges_sync(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``."""
        value = self._read(key)
        if value is None:
            return None
        expect(value.info.version, if_version, store=self.url, key=key)
        info = value.info
        return Parts([part.of(value.data) for part in ranges], info.version, info.size, info.metadata)

    def head_sync(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        value = self._read(key)
        return None if value is None else value.info

    def set_sync(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``. ``bytes`` are kept as they are, anything else is copied."""
        one_condition(create, if_version)
        self._allow_write(key)
        data = frozen(value)
        shelf = self._shelf
        with shelf.lock:
            known = shelf.values.get(key)
            if create and known is not None:
                raise AlreadyExists("the key exists", store=self.url, key=key)
            expect(known.info.version if known else None, if_version, store=self.url, key=key)
            version = f"{shelf.token}-{next(shelf.versions):x}"
            shelf.values[key] = _Value(data, ObjectInfo(len(data), version, time.time(), dict(metadata or {})))
            if known is None:
                shelf.index = None
        return version

    def delete_sync(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        self._allow_write(key)
        shelf = self._shelf
        with shelf.lock:
            known = shelf.values.get(key)
            expect(known.info.version if known else None, if_version, store=self.url, key=key)
            if shelf.values.pop(key, None) is not None:
                shelf.index = None

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``. A range is a view, not a copy."""
        return self.get_sync(key, byte_range)

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``."""
        return self.get_ranges_sync(key, ranges, if_version=if_version)

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        return self.head_sync(key)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``. ``bytes`` are kept as they are, anything else is copied."""
        return self.set_sync(key, value, create=create, if_version=if_version, metadata=metadata)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        self.delete_sync(key, if_version=if_version)

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``. The keys of one moment, sorted."""
        for key in below(self._keys(prefix), prefix):
            yield key

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``. The names of one moment, sorted."""
        for name in children(self._keys(prefix), prefix):
            yield name

    async def aclose(self) -> None:
        """Refuse further calls. The values of a store without a name go with the store."""
        self._closed = True

    def _keys(self, prefix: str) -> Sequence[str]:
        validate_prefix(prefix)
        self._check_open(prefix)
        return self._shelf.sorted_keys()

    def _read(self, key: str) -> _Value | None:
        validate_key(key)
        self._check_open(key)
        return self._shelf.values.get(key)

    def _allow_write(self, key: str) -> None:
        validate_key(key)
        self._check_open(key)
        if not self._capabilities.write:
            raise Unsupported("the store was opened read-only", store=self.url, key=key)

    def _check_open(self, key: str) -> None:
        if self._closed:
            raise StoreClosed("the store is closed", store=self.url, key=key)
