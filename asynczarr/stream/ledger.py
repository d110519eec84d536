"""A durable list of finished stored objects, so that a killed ``write_stream`` goes on where it was.

A plain text file: the first line says which array it belongs to, every further line is the coordinates of one object
that the store has acknowledged. Lines are appended and synced to disk only after that. A line torn by a crash is cut
off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..codec import pool
from ..errors import MetadataError
from ..types import Coords

__all__ = ["Ledger"]


class Ledger:
    """The ledger in one file. Use :meth:`open`; all file work happens in a worker thread.

    Attributes:
        finished: coordinates of the objects that earlier runs and this one have written completely.
    """

    def __init__(self, path: Path, fd: int, finished: set[Coords]) -> None:
        self._path = path
        self._fd = fd
        self.finished = finished

    @classmethod
    async def open(cls, path: str | os.PathLike[str], identity: dict[str, Any]) -> Ledger:
        """Open a ledger, or begin one.

        Args:
            path: the file.
            identity: JSON that must be the same in every run: store, path, shape and grid of the array.

        Raises:
            MetadataError: the file is no ledger, or the ledger of another array.
        """
        return await pool.run(_open, cls, Path(path), identity)

    async def add(self, objects: Iterable[Coords]) -> None:
        """Record finished objects; they are on disk when this returns."""
        new = list(objects)
        if new:
            await pool.run(self._append, new)
            self.finished.update(new)

    def _append(self, objects: list[Coords]) -> None:
        os.write(self._fd, b"".join(json.dumps(list(coords)).encode() + b"\n" for coords in objects))
        os.fsync(self._fd)

    async def aclose(self) -> None:
        """Close the file. It stays where it is: remove it when the array is complete and the source is done with."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            await pool.run(os.close, fd)


def _open(cls: type[Ledger], path: Path, identity: dict[str, Any]) -> Ledger:
    header = json.dumps({"asynczarr": "ledger", **identity}, sort_keys=True).encode() + b"\n"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        data = path.read_bytes()
        if header.startswith(data):  # new, or killed while the header was written
            os.ftruncate(fd, 0)
            os.write(fd, header)
            os.fsync(fd)
            _sync_folder(path.parent)
            return cls(path, fd, set())
        if not data.startswith(header):
            raise MetadataError(f"{path} is not a ledger of this array: {header.decode().strip()}")
        finished, good = _parse(data, len(header))
        os.ftruncate(fd, good)
        os.lseek(fd, 0, os.SEEK_END)
        return cls(path, fd, finished)
    except BaseException:
        os.close(fd)
        raise


def _parse(data: bytes, start: int) -> tuple[set[Coords], int]:
    """The objects in the complete lines, and how many bytes those lines are."""
    finished: set[Coords] = set()
    good = start
    for line in data[start:].splitlines(keepends=True):
        try:
            coords = tuple(int(part) for part in json.loads(line))
        except (ValueError, TypeError):
            break
        if not line.endswith(b"\n"):
            break
        finished.add(coords)
        good += len(line)
    return finished, good


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
