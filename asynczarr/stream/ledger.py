"""A durable list of finished stored objects, so that a killed ``write_stream`` goes on where it was.

A plain text file: the first line says which array it belongs to. Every further line is the coordinates of one object
that the store has acknowledged, the number of the last item that is in it, and ``"empty"`` if it holds nothing but fill
values and is not stored; it is appended and synced to disk only after that. A line torn by a crash is cut off.

The file is locked as long as it is open, where the file system has locks; the system takes the lock back when a process
dies.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from ..codec import pool
from ..errors import MetadataError, Unavailable
from ..store.oserrors import NO_LOCKS, store_error
from ..types import Coords

__all__ = ["Ledger"]


class Ledger:
    """The ledger in one file. Use :meth:`open`; what may wait for the disk happens in a worker thread.

    Attributes:
        finished: coordinates of the objects that earlier runs and this one have written completely, and the number of
            the last item that is in each.
        empty: those of them that need not be stored.
    """

    def __init__(self, path: Path, fd: int, finished: dict[Coords, int], empty: set[Coords]) -> None:
        self._path = path
        self._fd = fd
        self.finished = finished
        self.empty = empty

    @classmethod
    async def open(cls, path: str | os.PathLike[str], identity: dict[str, Any]) -> Ledger:
        """Open a ledger, or begin one.

        Args:
            path: the file.
            identity: JSON that must be the same in every run: store, path, shape and grid of the array.

        Raises:
            MetadataError: the file is no ledger, or the ledger of another array.
            Unavailable: another ``write_stream`` has it open, here or in another process.
            StoreError: the file cannot be opened or written.
        """
        return await pool.run(_open, cls, Path(path), identity)

    async def add(self, objects: Mapping[Coords, int], empty: Collection[Coords] = ()) -> None:
        """Record finished objects and their last items; they are on disk when this returns.

        Args:
            objects: coordinates and numbers of the last items.
            empty: of these, and perhaps of others, which are not stored.

        Raises:
            StoreError: they could not be written.
        """
        if objects:
            await pool.run(self._append, objects, empty)
            self.finished.update(objects)
            self.empty.difference_update(objects)
            self.empty.update(coords for coords in objects if coords in empty)

    def _append(self, objects: Mapping[Coords, int], empty: Collection[Coords]) -> None:
        lines = [[coords, number, *(["empty"] if coords in empty else [])] for coords, number in objects.items()]
        with _typed(self._path):
            _write(self._fd, b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def close(self) -> None:
        """Close the file. It stays where it is: remove it when the array is complete and the source is done with."""
        _unlock(self._fd)
        os.close(self._fd)


def _open(cls: type[Ledger], path: Path, identity: dict[str, Any]) -> Ledger:
    header = json.dumps({"asynczarr": "ledger", **identity}, sort_keys=True).encode() + b"\n"
    with _typed(path), ExitStack() as failed:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        failed.callback(os.close, fd)
        _lock(fd)
        data = path.read_bytes()
        finished, empty, good = _parse(data, len(header)) if data.startswith(header) else ({}, set(), 0)
        if not good and not header.startswith(data):
            raise MetadataError(f"{path} is not a ledger of this array: {header.decode().strip()}")
        os.ftruncate(fd, good)
        os.lseek(fd, good, os.SEEK_SET)
        if not good:  # new, or killed while the header was written
            _write(fd, header)
            _sync_folder(path.parent)
        failed.pop_all()
        return cls(path, fd, finished, empty)


def _parse(data: bytes, start: int) -> tuple[dict[Coords, int], set[Coords], int]:
    """The objects in the complete lines, which of them are empty, and how many bytes those lines are."""
    finished: dict[Coords, int] = {}
    empty: set[Coords] = set()
    good = start
    for line in data[start:].splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        try:
            where, number, *mark = json.loads(line)
            coords, number = tuple(int(part) for part in where), int(number)
            if mark not in ([], ["empty"]):
                break
        except (ValueError, TypeError):
            break
        finished[coords] = number
        (empty.add if mark else empty.discard)(coords)
        good += len(line)
    return finished, empty, good


def _write(fd: int, data: bytes) -> None:
    """Write all of it and bring it to the disk, or leave nothing of it."""
    start = os.lseek(fd, 0, os.SEEK_CUR)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
    except OSError:
        os.ftruncate(fd, start)
        os.lseek(fd, start, os.SEEK_SET)
        raise


@contextmanager
def _typed(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise store_error(error, store=f"ledger {path}") from error
    except Unavailable as error:
        raise error.at(store=f"ledger {path}")  # noqa: B904 - the same error, with its place


def _lock(fd: int) -> None:
    import fcntl  # not everywhere

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Unavailable("another write_stream is using it") from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _unlock(fd: int) -> None:
    """Closing would not do it if the process was forked meanwhile."""
    import fcntl

    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
