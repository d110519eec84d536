"""Atomic, durable and conditional changes of files below a root."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Literal, TypeAlias

from ..errors import AlreadyExists, OutcomeUnknown, Unavailable, Unsupported
from ..types import BytesLike, Version
from .beneath import Root
from .conditions import expect, one_condition
from .fileio import flat_view, write_all
from .keys import temporary_name
from .oserrors import MISSING, NO_LOCKS

__all__ = ["Durability", "FileWriter", "folder_lock", "version_of"]

Durability: TypeAlias = Literal["full", "data", "none"]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_LOCK_SECONDS = 60.0
_ATTEMPTS = 100


class FileWriter:
    """Writes and removes files of a :class:`Root`. Every method blocks."""

    def __init__(self, root: Root, durability: Durability) -> None:
        self._root = root
        self._sync_data = durability != "none"
        self._sync_names = durability == "full"

    def write(self, key: str, value: BytesLike, *, create: bool, if_version: Version | None) -> Version:
        """Write a temporary file beside `key` and give it its name, if the condition holds at that moment."""
        one_condition(create, if_version)
        path, _, name = key.rpartition("/")
        data = flat_view(value)
        with ExitStack() as stack:
            folder, temporary, fd = self._start(path, stack)
            try:
                version = self._fill(fd, data)
                with folder_lock(folder, exclusive=if_version is not None):
                    self._publish(temporary, name, folder, create=create, if_version=if_version)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            self._settle(folder)
            return version

    def write_many(self, path: str, items: Sequence[tuple[str, BytesLike]]) -> None:
        """Write several files of one folder, which is opened, locked and synced once. Each appears whole or not."""
        waiting: deque[tuple[str, str]] = deque()
        with ExitStack() as stack:
            folder, temporary, fd = self._start(path, stack)
            try:
                for number, (name, value) in enumerate(items):
                    if number:
                        temporary = temporary_name()
                        fd = os.open(temporary, _NEW, 0o666, dir_fd=folder)
                    waiting.append((temporary, name))
                    self._fill(fd, flat_view(value))
                with folder_lock(folder, exclusive=False):
                    while waiting:
                        temporary, name = waiting[0]
                        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
                        waiting.popleft()
            except BaseException:
                for temporary, _ in waiting:
                    with suppress(OSError):
                        os.unlink(temporary, dir_fd=folder)
                raise
            self._settle(folder)

    def remove(self, keys: Sequence[str], *, if_version: Version | None = None) -> None:
        """Remove files of one folder, and folders that this leaves empty."""
        path = keys[0].rpartition("/")[0]
        try:
            with self._root.folder(path) as folder:
                with folder_lock(folder, exclusive=if_version is not None):
                    if if_version is not None:
                        expect(_version_at(keys[0].rpartition("/")[2], folder), if_version)
                    removed = [_unlink(key.rpartition("/")[2], folder) for key in keys]
                if any(removed):
                    self._settle(folder)
        except OSError as error:
            if error.errno not in MISSING:
                raise
            expect(None, if_version)
            return
        if any(removed):
            self._prune(path)

    def _start(self, path: str, stack: ExitStack) -> tuple[int, str, int]:
        """Open a folder, for as long as `stack` lasts, and a new temporary file in it."""
        for _ in range(_ATTEMPTS):
            # Between making a folder and using it, somebody may find it empty and remove it.
            with suppress(FileNotFoundError), ExitStack() as trial:
                folder = trial.enter_context(self._root.folder(path, create=True))
                temporary = temporary_name()
                fd = os.open(temporary, _NEW, 0o666, dir_fd=folder)
                stack.push(trial.pop_all())
                return folder, temporary, fd
        raise Unavailable("the folder vanished again and again while it was written to")

    def _fill(self, fd: int, data: memoryview) -> Version:
        try:
            write_all(fd, data)
            # The kernel's clock stands still for milliseconds: two writes with one reused inode could look the same.
            now = _unique_time()
            os.utime(fd, ns=(now, now))
            if self._sync_data:
                os.fsync(fd)
            return version_of(os.fstat(fd))
        finally:
            os.close(fd)

    def _publish(self, temporary: str, name: str, folder: int, *, create: bool, if_version: Version | None) -> None:
        if if_version is not None:
            expect(_version_at(name, folder), if_version)
        if not create:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            return
        try:
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            raise AlreadyExists("the key exists") from None
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise Unsupported("create-only needs hard links, which this file system lacks") from error
            raise
        os.unlink(temporary, dir_fd=folder)

    def _settle(self, folder: int) -> None:
        if self._sync_names:
            try:
                os.fsync(folder)
            except OSError as error:
                raise OutcomeUnknown(f"the change is visible but may not survive: {error.strerror}") from error

    def _prune(self, path: str) -> None:
        """Remove a folder and its parents as long as they are empty; that somebody uses them is no error."""
        with suppress(OSError):
            while path:
                path, _, name = path.rpartition("/")
                with self._root.folder(path) as above:
                    os.rmdir(name, dir_fd=above)


def version_of(status: os.stat_result) -> Version:
    """Version of a file: every write of ours makes a new inode with a time of its own."""
    return f"{status.st_dev:x}-{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def _version_at(name: str, folder: int) -> Version | None:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=True)
    except OSError as error:
        if error.errno in MISSING:
            return None
        raise
    return version_of(status) if stat.S_ISREG(status.st_mode) else None


def _unlink(name: str, folder: int) -> bool:
    """Remove a file; whether there was one. A folder is no key and stays."""
    try:
        os.unlink(name, dir_fd=folder)
    except (FileNotFoundError, IsADirectoryError):
        return False
    except PermissionError:  # what macOS says of a folder
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise
        return False
    return True


@contextmanager
def folder_lock(folder: int, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock of a folder for a stat and a rename: conditional changes alone, the others side by side.

    Between processes it is what makes compare-and-swap one step. It dies with its process.
    """
    deadline = time.monotonic() + _LOCK_SECONDS
    pause = 0.0002
    while True:
        try:
            fcntl.flock(folder, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unavailable(f"another process has locked the folder for {_LOCK_SECONDS:.0f} s") from None
            time.sleep(pause)
            pause = min(2 * pause, 0.01)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            if exclusive:
                raise Unsupported("compare-and-swap needs flock, which this file system lacks") from error
            break
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_UN)


_clock = threading.Lock()
_last = 0


def _renew_clock() -> None:
    """In a forked child: a thread that is not there may have held the lock."""
    global _clock
    _clock = threading.Lock()


os.register_at_fork(after_in_child=_renew_clock)


def _unique_time() -> int:
    """Now in nanoseconds, and never twice the same in this process."""
    global _last
    with _clock:
        _last = max(_last + 1, time.time_ns())
        return _last
