"""A zip archive as a store."""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

from anyio import CancelScope

from ..errors import AlreadyExists, NotFound, StoreClosed, StoreError, Unsupported
from ..forks import in_children
from ..types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from .base import Capabilities
from .conditions import expect, one_condition
from .fileio import absolute, flat_view
from .keys import validate_key, validate_prefix
from .listing import below, children, paged
from .oserrors import store_error
from .remade import Reduced, Remade
from .threaded import ThreadedStore
from .zip_read import Archive, Entry, find_root, load, read_ranges
from .zip_write import ZipWriter

__all__ = ["ZipMode", "ZipStore"]

ZipMode: TypeAlias = Literal["r", "w", "a", "x"]

_FORKED = "the store was made before a fork: its archive is written by the process that made it"


class ZipStore(ThreadedStore, Remade):
    """Keys are entries of one archive.

    Nothing is read before the first call. Reads need no lock and check what the archive says of itself. Writes go to a
    temporary file in the folder of the archive; ``aclose()`` completes it and renames it over the archive, without
    the entries that were overwritten or deleted. Until then, and after a crash, the old archive is what it was. What
    was written is read back at once by the same store. Leaving ``async with`` by an exception discards the writes.
    A killed writer leaves a ``.asynczarr.*.tmp`` beside the archive, which ``FilesystemStore(folder).sweep()`` removes.

    Create-only and compare-and-swap hold within this object. If another process replaced the archive meanwhile,
    closing one opened with ``"a"`` raises ``PreconditionFailed`` and changes nothing.

    In a forked child, the store of the parent is a read-only copy: it reads what was there at the fork, refuses writes
    (``Unsupported``) and leaves the parent's temporary file alone.

    Args:
        path: the archive.
        mode: ``"r"`` reads (``NotFound`` if there is none), ``"a"`` reads and writes, ``"w"`` begins an empty archive
            in place of the old one, ``"x"`` too but wants none to be there (``AlreadyExists``).
        root: folder in the archive that holds the keys; ``None`` looks for it (archives are zipped from inside of a
            store or from its parent folder).
        compression: of new entries; ``"stored"`` is right for chunks, which are compressed already.
        max_inflated: bytes; a deflated value beyond is refused as a bomb (``IntegrityError``).
        max_threads: blocking calls at a time on one event loop.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: ZipMode = "r",
        root: str | None = "",
        compression: Literal["stored", "deflated"] = "stored",
        max_inflated: int = 1 << 30,
        max_threads: int = 16,
    ) -> None:
        if mode not in ("r", "w", "a", "x"):
            raise ValueError(f"unknown mode {mode!r}")
        if compression not in ("stored", "deflated"):
            raise ValueError(f"unknown compression {compression!r}")
        super().__init__(max_threads)
        self._path = absolute(path)
        self._url = Path(self._path).as_uri().replace("file:", "zip:", 1)
        self._mode = mode
        self._prefix = None if root is None else validate_prefix(root.strip("/") + "/" if root else "")
        self._deflate = compression == "deflated"
        self._max_inflated = max_inflated
        writes = mode != "r"
        self._capabilities = Capabilities(write=writes, create=writes, cas=writes, versions=True, sync=True)
        self._entries: dict[str, Entry] = {}
        self._index: list[str] | None = None  # the sorted names, until one is added or removed
        self._archive: Archive | None = None
        self._writer: ZipWriter | None = None
        self._opened = self._changed = self._closed = self._forked = False
        self._users = 0
        self._state = threading.Condition()  # guards _opened, _closed, _users
        self._writing = threading.Lock()  # guards the writer and every change of _entries
        in_children(self, ZipStore._become_a_copy)

    def __reduce__(self) -> Reduced:
        if self._mode != "r":
            raise TypeError(
                "a ZipStore cannot be pickled: an archive has one writer; close it, and open it with mode='r'"
            )
        return self._reduced_at(self._path, "path")

    @property
    def url(self) -> str:
        """``zip://`` and the absolute path of the archive, percent-encoded."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """Everything but user metadata; no writes in mode ``"r"``."""
        return self._capabilities

    # The blocking half.

    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``. The checksum is verified when the whole value is read."""
        parts = self.get_ranges_sync(key, [byte_range or ByteRange()])
        return None if parts is None else parts.data[0]

    def get_ranges_sync(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``. A deflated value is inflated once, up to the last byte asked for."""
        with self._use(validate_key(key)) as prefix:
            entry = self._entries.get(prefix + key)
            if entry is None:
                return None
            expect(entry.version, if_version)
            return Parts(read_ranges(entry, ranges, self._max_inflated), entry.version, entry.size)

    def head_sync(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        with self._use(validate_key(key)) as prefix:
            entry = self._entries.get(prefix + key)
            return None if entry is None else ObjectInfo(entry.size, entry.version)

    def set_sync(
        self, key: str, value: BytesLike, *, create: bool = False, if_version: Version | None = None
    ) -> Version | None:
        """See ``Store.set``. The value is durable once the store is closed."""
        one_condition(create, if_version)
        with self._use(validate_key(key), writing=True) as prefix, self._writing:
            name = prefix + key
            known = self._entries.get(name)
            if create and known is not None:
                raise AlreadyExists("the key exists")
            expect(known.version if known else None, if_version)
            entry = self._open_writer().append(name, flat_view(value), deflate=self._deflate)
            self._entries[name] = entry
            self._changed = True
            if known is None:
                self._index = None
            return entry.version

    def delete_sync(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        with self._use(validate_key(key), writing=True) as prefix, self._writing:
            known = self._entries.get(prefix + key)
            expect(known.version if known else None, if_version)
            if self._entries.pop(prefix + key, None) is not None:
                self._index = None
                self._changed = True

    # What takes several hops, or several keys in one.

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Remove several keys in one thread hop."""

        def delete_all() -> None:
            for key in keys:
                self.delete_sync(key)

        await self._threads.run(delete_all)

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``. The keys of one moment, sorted."""
        return paged(self._names(below, validate_prefix(prefix), cut=False), self._threads)

    def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``. The names of one moment, sorted."""
        return paged(self._names(children, validate_prefix(prefix), cut=True), self._threads)

    async def aclose(self) -> None:
        """Complete the new archive and put it in place of the old one; later calls raise ``StoreClosed``.

        Cancelled, it has done so or has discarded the writes.

        Raises:
            AlreadyExists: mode ``"x"``, or ``"a"`` without an archive, and by now there is one.
            PreconditionFailed: mode ``"a"``, and the archive is no longer the one that was opened.
            QuotaExceeded: no space is left; as after every error here, the old archive is what it was.
            Unsupported: in a forked child, of a store that the parent would publish.
        """
        try:
            await self._threads.run(self._close, publish=True)
        except asyncio.CancelledError:
            await self.discard()
            raise

    async def discard(self) -> None:
        """Close without changing the archive: what was written is gone."""
        with CancelScope(shield=True):  # an unlink, not a wait for anybody
            await self._threads.run(self._close, publish=False)

    def __del__(self) -> None:
        if not getattr(self, "_opened", False) or self._closed:
            return
        self._close(publish=False)
        if self._changed and not self._forked:
            warnings.warn(f"{self!r} was not closed: what was written to it is lost", ResourceWarning, stacklevel=2)

    def _names(self, select: Callable[[Sequence[str], str], Iterator[str]], prefix: str, *, cut: bool) -> Iterator[str]:
        with self._use(prefix) as root, self._writing:
            if self._index is None:
                self._index = sorted(self._entries)
            index = self._index
        for name in select(index, root + prefix):
            yield name if cut else name[len(root) :]

    @contextmanager
    def _use(self, key: str, *, writing: bool = False) -> Iterator[str]:
        """Open the archive if need be, keep it open for the block, and name the place in errors."""
        try:
            if writing and not self._capabilities.write:
                raise Unsupported(_FORKED if self._forked else "the archive was opened read-only")
            with self._state:
                if self._closed:
                    raise StoreClosed("the store is closed")
                if not self._opened:
                    self._open()
                self._users += 1
            try:
                yield self._prefix or ""
            finally:
                with self._state:
                    self._users -= 1
                    self._state.notify_all()
        except StoreError as error:
            raise error.at(store=self._url, key=key)  # noqa: B904 - the same error, with its place
        except OSError as error:
            raise store_error(error, store=self._url, key=key) from error

    def _open(self) -> None:
        if self._mode == "x" and os.path.lexists(self._path):
            raise AlreadyExists("the archive exists")
        if self._mode in ("r", "a"):
            try:
                self._archive = load(self._path)
            except FileNotFoundError:
                if self._mode == "r":
                    raise NotFound("there is no such archive") from None
        if self._archive is not None:
            self._entries = self._archive.entries
        if self._prefix is None:
            root = find_root(self._entries)
            self._prefix = f"{root}/" if root else ""
        self._opened = True

    def _open_writer(self) -> ZipWriter:
        if self._writer is None:
            if any(entry.encrypted for entry in self._entries.values()):
                raise Unsupported("an archive with encrypted entries cannot be rewritten")
            self._writer = ZipWriter(self._path)
        return self._writer

    def _close(self, *, publish: bool) -> None:
        with self._state:
            if self._closed:
                return
            self._closed = True
            self._state.wait_for(lambda: self._users == 0)
        try:
            if publish:
                self._publish()
        except StoreError as error:
            raise error.at(store=self._url)  # noqa: B904 - the same error, with its place
        except OSError as error:
            raise store_error(error, store=self._url) from error
        finally:
            if self._writer is not None:
                self._writer.discard(remove=not self._forked)
            if self._archive is not None:
                os.close(self._archive.source.fd)

    def _publish(self) -> None:
        if not (self._changed or self._mode in ("w", "x")):
            return
        if self._forked:
            raise Unsupported(_FORKED)
        replaces: str | None = None if self._mode == "w" else ""
        comment = b""
        if self._archive is not None:
            replaces, comment = self._archive.source.token, self._archive.comment
        self._open_writer().publish(self._entries, comment, replaces=replaces)

    def _become_a_copy(self) -> None:
        """In a forked child: reads go on (``pread`` shares no position), the rest is the parent's."""
        self._forked = True
        self._capabilities = replace(self._capabilities, write=False, create=False, cas=False)
        self._users, self._state, self._writing = 0, threading.Condition(), threading.Lock()
