"""A folder of the local file system as a store."""

from __future__ import annotations

import builtins
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from ..errors import StoreClosed, StoreError, Unsupported
from ..types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from .base import Capabilities
from .beneath import Root, SymlinkPolicy
from .conditions import expect
from .file_write import Durability, FileWriter, version_of
from .fileio import absolute, read_exactly, turn
from .keys import validate_key, validate_prefix
from .listing import paged
from .oserrors import MISSING, store_error
from .remade import Reduced, Remade
from .threaded import ThreadedStore
from .tree import names_in, sweep, walk

__all__ = ["FilesystemStore"]

_BATCH = 1000


class FilesystemStore(ThreadedStore, Remade):
    """Keys are files below `root`; a folder is a prefix.

    Reads take one thread hop, and all ranges of ``get_ranges`` come from one open file. Writes go to a temporary
    file in the same folder which is then renamed: readers, other processes and a crash see the old value or the new
    one. Create-only and compare-and-swap hold between processes that use this class, by a lock on the folder (no lock
    files). A version is made of device, inode, time and size.

    A folder that does not exist is an empty store; the first write makes it. Folders that lose their last key are
    removed, and empty ones are never listed. Temporary files of killed writers can be neither listed nor read;
    :meth:`sweep` removes them. A file system cannot hold the keys ``a`` and ``a/b`` at once (``Unsupported``).

    Args:
        root: the folder.
        durability: what a finished write has survived a power cut with. ``"full"``: value and name (fsync of file
            and folders); ``"data"``: a value is never torn, but a new name may be lost; ``"none"``: left to the system.
        follow_symlinks: ``"inside"`` follows links that stay below `root` and refuses the others (``Forbidden``);
            ``"anywhere"`` is for trees that you trust. A write replaces a link, not what it points to.
        read_only: refuse writes (``Unsupported``).
        max_threads: blocking calls at a time on one event loop.

    Raises:
        Unsupported: this is not a POSIX system.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        durability: Durability = "full",
        follow_symlinks: SymlinkPolicy = "inside",
        read_only: bool = False,
        max_threads: int = 16,
    ) -> None:
        if os.name != "posix":
            raise Unsupported("the filesystem store needs a POSIX system")
        if durability not in ("full", "data", "none"):
            raise ValueError(f"unknown durability {durability!r}")
        if follow_symlinks not in ("inside", "anywhere"):
            raise ValueError(f"unknown policy for symbolic links {follow_symlinks!r}")
        super().__init__(max_threads)
        path = absolute(root)
        self._url = Path(path).as_uri()
        self._root = Root(path, follow_symlinks=follow_symlinks, durable=durability == "full")
        self._writer = FileWriter(self._root, durability)
        writes = not read_only
        self._capabilities = Capabilities(
            write=writes, create=writes, cas=writes, versions=True, sync=True, many=True, durable=durability != "none"
        )
        self._closed = False

    def __reduce__(self) -> Reduced:
        return self._reduced_at(self.root, "root")

    @property
    def url(self) -> str:
        """``file://`` and the absolute path of the root, percent-encoded."""
        return self._url

    @property
    def root(self) -> str:
        """The absolute path of the root."""
        return self._root.path

    @property
    def capabilities(self) -> Capabilities:
        """Everything but user metadata."""
        return self._capabilities

    # The blocking half.

    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``. A key that is a folder, a FIFO or a device is ``Forbidden``."""
        with self._errors(validate_key(key)):
            return self._root.read(key, _reader(byte_range))
        return None

    def get_many_sync(self, keys: Sequence[str], byte_range: ByteRange | None = None) -> Sequence[BytesLike | None]:
        """Like :meth:`get_sync` of each key; files that follow each other in one folder share its look-up."""
        take = _reader(byte_range)
        values: builtins.list[BytesLike | None] = []
        with turn():
            for folder, group in groupby(map(validate_key, keys), _folder):
                names = [key.rpartition("/")[2] for key in group]
                found: Sequence[BytesLike | None] = [None] * len(names)
                with self._errors(folder):
                    found = self._root.read_siblings(folder, names, take)
                values += found
        return values

    def get_ranges_sync(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``."""
        with self._errors(validate_key(key)), self._root.file(key) as (fd, status):
            version = version_of(status)
            expect(version, if_version)
            return Parts([_read(fd, part, status.st_size) for part in ranges], version, status.st_size)
        return None

    def head_sync(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        with self._errors(validate_key(key)), self._root.file(key) as (_, status):
            return ObjectInfo(status.st_size, version_of(status), status.st_mtime)
        return None

    def set_sync(
        self, key: str, value: BytesLike, *, create: bool = False, if_version: Version | None = None
    ) -> Version | None:
        """See ``Store.set``. A cancelled write leaves no temporary file."""
        with self._errors(validate_key(key), writing=True):
            return self._writer.write(key, value, create=create, if_version=if_version)

    def set_many_sync(self, items: Sequence[tuple[str, BytesLike]]) -> None:
        """Like :meth:`set_sync` of each; files that follow each other in one folder share its look-up and its sync."""
        with turn():
            for folder, group in groupby(items, lambda item: _folder(validate_key(item[0]))):
                named = [(key.rpartition("/")[2], value) for key, value in group]
                with self._errors(folder, writing=True):
                    self._writer.write_many(folder, named)

    def delete_sync(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``. Folders left empty are removed."""
        with self._errors(validate_key(key), writing=True):
            self._writer.remove([key], if_version=if_version)

    # What takes several hops, or several keys in one.

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Remove several keys, up to 1000 in one thread hop; each folder is opened, locked and synced once."""
        valid = sorted(map(validate_key, keys), key=_folder)
        for start in range(0, len(valid), _BATCH):
            await self._threads.run(self._delete_batch, valid[start : start + _BATCH])

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``. A page of 1000 names a thread hop, in the order of the file system."""
        return paged(self._listing(walk(self._root, validate_prefix(prefix)), prefix), self._threads)

    def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``. Empty folders are no prefixes."""
        return paged(self._listing(names_in(self._root, validate_prefix(prefix)), prefix), self._threads)

    async def sweep(self, *, older_than: float = 3600.0) -> int:
        """Remove the temporary files that killed writers left behind, and return their number.

        Nothing does this by itself: they harm nobody, and looking for them costs a walk through the tree.

        Args:
            older_than: seconds since the last change; younger ones may belong to a writer that is alive.
        """
        return await self._threads.run(self._sweep, older_than)

    async def aclose(self) -> None:
        """Refuse further calls; calls under way in threads end as usual."""
        self._closed = True

    def _delete_batch(self, keys: Sequence[str]) -> None:
        for _, group in groupby(keys, _folder):
            folder = [*group]
            with self._errors(folder[0], writing=True):
                self._writer.remove(folder)

    def _listing(self, names: Iterator[str], prefix: str) -> Iterator[str]:
        with self._errors(prefix):
            yield from names

    def _sweep(self, older_than: float) -> int:
        with self._errors("", writing=True):
            return sweep(self._root, older_than)

    @contextmanager
    def _errors(self, key: str, *, writing: bool = False) -> Iterator[None]:
        """Open? Writable? Then: a missing file ends the block quietly, other errors get our names and their place."""
        if self._closed:
            raise StoreClosed("the store is closed", store=self._url, key=key)
        if writing and not self._capabilities.write:
            raise Unsupported("the store was opened read-only", store=self._url, key=key)
        try:
            yield
        except StoreError as error:
            raise error.at(store=self._url, key=key)  # noqa: B904 - the same error, with its place
        except OSError as error:
            if writing or error.errno not in MISSING:
                raise store_error(error, store=self._url, key=key) from error


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


def _reader(byte_range: ByteRange | None) -> Callable[[int, int], bytes]:
    part = byte_range or ByteRange()
    return lambda fd, size: _read(fd, part, size)


def _read(fd: int, part: ByteRange, size: int) -> bytes:
    return read_exactly(fd, *part.resolve(size))
