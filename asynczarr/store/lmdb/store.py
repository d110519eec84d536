"""LMDB as a store: a table on disk, or in memory on ``/dev/shm``, that the processes of one host share."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ...errors import StoreClosed, StoreError, Unsupported
from ...threads import Threads
from ...types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from ..base import Capabilities
from ..conditions import expect, one_condition
from ..extras import extra
from ..fileio import absolute
from ..keys import validate_key, validate_prefix
from ..listing import paged
from ..oserrors import store_error
from ..record import open_record, seal
from ..remade import Reduced, Remade
from ..threaded import ThreadedStore
from ..url import local_path
from .table import KEPT, Table

if TYPE_CHECKING:
    from .environment import Durability, Environment

__all__ = ["LMDBStore"]

_BATCH = 1000
_Page: TypeAlias = Callable[[Table, str, bytes], tuple[Sequence[str], bytes | None]]


class LMDBStore(ThreadedStore, Remade):
    """Keys in one LMDB environment, each call one transaction.

    Readers never wait and see one state; writers, of all processes, come one after the other. A process that is killed
    in the middle of a write leaves the old value. A folder on ``/dev/shm`` is a table in memory, shared by the
    processes of the host for as long as it runs.

    A folder that does not exist is an empty store; the first write makes it. Stores of one process on the same folder
    share one environment. A forked child may use a store of its parent, unless the parent was in the middle of a call
    (``Unsupported``).

    Args:
        path: the folder.
        durability: what a finished write has survived a power cut with. ``"full"``: everything; ``"data"``: the last
            writes may be undone; ``"none"``: left to the system, which may leave the database damaged. A killed process
            loses nothing in any of them.
        read_only: refuse writes (``Unsupported``).
        map_size: bytes of address space to begin with; it doubles when it is full.
        max_threads: blocking reads at a time on one event loop. Writes have one thread.

    Raises:
        Unsupported: py-lmdb is not installed, or this is not a POSIX system.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "full",
        read_only: bool = False,
        map_size: int = 1 << 30,
        max_threads: int = 16,
    ) -> None:
        if os.name != "posix":
            raise Unsupported("the LMDB store needs a POSIX system")
        if durability not in ("full", "data", "none"):
            raise ValueError(f"unknown durability {durability!r}")
        super().__init__(max_threads)  # readers
        self._path = absolute(path)
        self._url = Path(self._path).as_uri().replace("file:", "lmdb:", 1)
        with extra("lmdb", store=self._url):
            from .environment import acquire

        self._acquire = acquire
        self._durability: Durability = durability
        self._map_size = map_size
        self._writer = Threads(1)
        writes = not read_only
        self._capabilities = Capabilities(
            write=writes, create=writes, cas=writes, metadata=writes, versions=True, sync=True, many=True
        )
        self._environment: Environment | None = None
        self._state = threading.Lock()  # guards _environment and _closed
        self._closed = False

    @classmethod
    def from_url(cls, url: str, *, read_only: bool = False, **options: Any) -> Self:
        """Make a store of ``lmdb:///folder`` and the arguments of the class."""
        return cls(local_path(url), read_only=read_only, **options)

    def __reduce__(self) -> Reduced:
        return self._reduced_at(self._path, "path")

    @property
    def url(self) -> str:
        """``lmdb://`` and the absolute path of the folder, percent-encoded."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """Everything."""
        return self._capabilities

    # The blocking half.

    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``."""
        parts = self.get_ranges_sync(key, [byte_range or ByteRange()])
        return None if parts is None else parts.data[0]

    def get_many_sync(self, keys: Sequence[str], byte_range: ByteRange | None = None) -> Sequence[BytesLike | None]:
        """Like :meth:`get_sync` of each key, all in one transaction."""
        part = byte_range or ByteRange()
        valid = [validate_key(key) for key in keys]

        def cut(record: memoryview) -> bytes:
            info, offset = open_record(record, len(record))
            start, stop = part.resolve(info.size)
            return bytes(record[offset + start : offset + stop])

        def read(table: Table) -> Sequence[BytesLike | None]:
            return [None if (record := table.find(key)) is None else cut(record) for key in valid]

        with self._use(keys[0] if keys else "") as environment:
            return environment.read(read, [None] * len(keys))

    def get_ranges_sync(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``. The bytes are copied out of the map."""

        def read(table: Table) -> Parts | None:
            record = table.find(key)
            if record is None:
                return None
            info, offset = open_record(record, len(record))
            expect(info.version, if_version)
            ends = [part.resolve(info.size) for part in ranges]
            return Parts(
                [bytes(record[offset + start : offset + stop]) for start, stop in ends], info.version, info.size
            )

        with self._use(validate_key(key)) as environment:
            return environment.read(read, None)

    def head_sync(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""

        def read(table: Table) -> ObjectInfo | None:
            record = table.find(key)
            return None if record is None else open_record(record, len(record))[0]

        with self._use(validate_key(key)) as environment:
            return environment.read(read, None)

    def set_sync(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``."""
        one_condition(create, if_version)
        with self._use(validate_key(key), writing=True) as environment:
            version, record = seal(value, metadata)
            environment.write(lambda table: table.put(key, record, create=create, if_version=if_version))
            return version

    def set_many_sync(self, items: Sequence[tuple[str, BytesLike]]) -> None:
        """Like :meth:`set_sync` of each, all in one transaction."""
        records = [(validate_key(key), seal(value, None)[1]) for key, value in items]

        def write(table: Table) -> None:
            for key, record in records:
                table.put(key, record, create=False, if_version=None)

        with self._use(items[0][0] if items else "", writing=True) as environment:
            environment.write(write)

    def delete_sync(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        with self._use(validate_key(key), writing=True) as environment:
            environment.write(lambda table: table.remove(key, if_version=if_version))

    # What writes, which one thread does, and what takes several hops.

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``. A cancelled write has happened or has not."""
        return await self._writer.run(
            self.set_sync, key, value, create=create, if_version=if_version, metadata=metadata
        )

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        await self._writer.run(self.delete_sync, key, if_version=if_version)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Remove several keys, 1000 a transaction."""
        for key in keys:
            validate_key(key)
        for start in range(0, len(keys), _BATCH):
            await self._writer.run(self._delete_batch, keys[start : start + _BATCH])

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``. Sorted but for keys of more than 478 bytes; each page of 1000 is of one moment."""
        return paged(self._pages(Table.keys, validate_prefix(prefix)), self._threads)

    def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``. Subtrees are jumped over."""
        return paged(self._children(validate_prefix(prefix)), self._threads)

    async def aclose(self) -> None:
        """Wait for the calls under way and let go of the environment."""
        await self._writer.run(self._close)

    def _delete_batch(self, keys: Sequence[str]) -> None:
        def remove(table: Table) -> None:
            for key in keys:
                table.remove(key)

        with self._use(keys[0], writing=True) as environment:
            environment.write(remove)

    def _pages(self, page: _Page, prefix: str) -> Iterator[str]:
        start: bytes | None = b""
        while start is not None:
            names, start = self._page(page, prefix, start)
            yield from names  # outside of the transaction: the caller may take his time

    def _page(self, page: _Page, prefix: str, start: bytes) -> tuple[Sequence[str], bytes | None]:
        nothing: tuple[Sequence[str], bytes | None] = ((), None)
        with self._use(prefix) as environment:
            return environment.read(lambda table: page(table, prefix, start), nothing)

    def _children(self, prefix: str) -> Iterator[str]:
        seen: set[str] = set()
        for name in self._pages(Table.children, prefix):
            if len((prefix + name).encode()) > KEPT:
                if name in seen:
                    continue
                seen.add(name)
            yield name

    def _close(self) -> None:
        with self._state:
            self._closed = True
            environment, self._environment = self._environment, None
        if environment is not None:
            environment.release()

    @contextmanager
    def _use(self, key: str, *, writing: bool = False) -> Iterator[Environment]:
        """The environment, opened if need be, and the place in errors."""
        try:
            if writing and not self._capabilities.write:
                raise Unsupported("the store was opened read-only")
            environment = self._environment
            if environment is None:
                with self._state:
                    if self._closed:
                        raise StoreClosed("the store is closed")
                    if self._environment is None:
                        self._environment = self._acquire(self._path, self._durability, self._map_size)
                    environment = self._environment
            yield environment
        except StoreError as error:
            raise error.at(store=self._url, key=key)  # noqa: B904 - the same error, with its place
        except OSError as error:
            raise store_error(error, store=self._url, key=key) from error
