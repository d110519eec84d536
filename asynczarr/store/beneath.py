"""Files and folders below one root, opened so that no symbolic link leads out of it.

An opened descriptor is asked for the path that it really has: one ``readlink`` (about 4 us), and nothing can change
between the check and the use. Writes go through the descriptor of the checked folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TypeAlias, TypeVar

from ..errors import Forbidden
from .oserrors import MISSING

__all__ = ["Root", "SymlinkPolicy"]

T = TypeVar("T")

SymlinkPolicy: TypeAlias = Literal["inside", "anywhere"]

# Without O_NONBLOCK, opening a FIFO waits for its other end.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LINK = (errno.ELOOP, errno.EMLINK)  # what O_NOFOLLOW says of a symbolic link, by system
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Root:
    """A folder and what may be opened below it.

    Paths are relative to the root, ``""`` is the root itself. Every method blocks and raises plain ``OSError``, or
    ``Forbidden`` for what lies outside or is no regular file.
    """

    def __init__(self, path: str, *, follow_symlinks: SymlinkPolicy = "inside", durable: bool = True) -> None:
        self.path = path
        self._anywhere = follow_symlinks == "anywhere"
        self._durable = durable
        self._real = ""

    @contextmanager
    def file(self, path: str) -> Iterator[tuple[int, os.stat_result]]:
        """Descriptor and status of a regular file, open for reading."""
        fd = os.open(f"{self.path}/{path}", _FILE)
        try:
            self._check(fd, path)
            yield fd, _status(fd)
        finally:
            os.close(fd)

    def read(self, path: str, take: Callable[[int, int], T]) -> T:
        """``take(descriptor, size)`` of a regular file: :meth:`file` for a hot path."""
        fd = os.open(f"{self.path}/{path}", _FILE)
        try:
            self._check(fd, path)
            return take(fd, _size(fd))
        finally:
            os.close(fd)

    def read_siblings(self, path: str, names: Sequence[str], take: Callable[[int, int], T]) -> list[T | None]:
        """``take(descriptor, size)`` of several regular files of one folder, ``None`` for those that are missing.

        The folder is looked up and checked once. A name that is a symbolic link takes the long way.
        """
        if len(names) == 1:
            return [self.read(f"{path}/{names[0]}" if path else names[0], take)]
        found: list[T | None] = []
        with self.folder(path) as folder:
            for name in names:
                try:
                    fd = os.open(name, _FILE | os.O_NOFOLLOW, dir_fd=folder)
                except OSError as error:
                    found.append(self._read_unusual(error, f"{path}/{name}" if path else name, take))
                    continue
                try:
                    found.append(take(fd, _size(fd)))
                finally:
                    os.close(fd)
        return found

    def _read_unusual(self, error: OSError, path: str, take: Callable[[int, int], T]) -> T | None:
        if error.errno in MISSING:
            return None
        if error.errno in _LINK:
            return self.read(path, take)
        raise error

    @contextmanager
    def folder(self, path: str, *, create: bool = False) -> Iterator[int]:
        """Descriptor of a folder; with `create`, it and its parents are made and made durable."""
        fd = self._open_or_make(path) if create else self._open_folder(path)
        try:
            yield fd
        finally:
            os.close(fd)

    def is_inside(self, fd: int, path: str) -> bool:
        """Whether an open descriptor, got by `path`, is in the root."""
        if self._anywhere:
            return True
        real = _real_path(fd, f"{self.path}/{path}")
        if not self._holds(real):
            self._real = os.path.realpath(self.path)  # not known yet, or the root was moved
        return self._holds(real)

    def _holds(self, real: str) -> bool:
        base = self._real
        return bool(base) and (real == base or real.startswith(base if base == "/" else base + "/"))

    def _check(self, fd: int, path: str) -> None:
        if not self.is_inside(fd, path):
            raise Forbidden("a symbolic link leads out of the root")

    def _open_folder(self, path: str) -> int:
        fd = os.open(f"{self.path}/{path}", _FOLDER)
        try:
            self._check(fd, path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _open_or_make(self, path: str) -> int:
        try:
            return self._open_folder(path)
        except FileNotFoundError:
            if not path:
                _make_folders(self.path, durable=self._durable)
                return self._open_folder("")
        parent, _, name = path.rpartition("/")
        with self.folder(parent, create=True) as above:
            _make_folder(name, above, durable=self._durable)
        return self._open_folder(path)


def _status(fd: int) -> os.stat_result:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise Forbidden("not a regular file")
    return status


def _size(fd: int) -> int:
    return _status(fd).st_size


def _make_folder(name: str, above: int, *, durable: bool) -> None:
    try:
        os.mkdir(name, dir_fd=above)
    except FileExistsError:  # somebody else was faster; or a dangling link, which opening it will tell
        return
    if durable:
        os.fsync(above)


def _make_folders(path: str, *, durable: bool) -> None:
    """Make an absolute path and its parents: it belongs to the user, links in it are followed."""
    parent, name = os.path.split(path)
    try:
        above = os.open(parent, _FOLDER)
    except FileNotFoundError:
        _make_folders(parent, durable=durable)
        above = os.open(parent, _FOLDER)
    try:
        _make_folder(name, above, durable=durable)
    finally:
        os.close(above)


def _real_path(fd: int, path: str) -> str:
    """Where an open descriptor really is. A file that was unlinked meanwhile still tells its former folder."""
    try:
        if sys.platform == "linux":
            return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - on every read, pathlib is slower
        if sys.platform == "darwin":
            return os.fsdecode(fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).split(b"\0", 1)[0])
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):  # no /proc here, or a path beyond its limit
            raise
    return os.path.realpath(path)
