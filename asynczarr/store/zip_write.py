"""Writing of zip archives beside the old one, which stays as it is until the new one is complete. Every call blocks."""

# Text paths throughout: they are joined with temporary names and handed to descriptors.
# ruff: noqa: PTH103, PTH105, PTH108, PTH116, PTH118, PTH120

from __future__ import annotations

import os
import secrets
import stat
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from ..errors import AlreadyExists, PreconditionFailed
from .file_write import folder_lock, version_of
from .fileio import read_exactly, write_all
from .keys import temporary_name
from .zip_read import Entry, Source, locate

__all__ = ["ZipWriter"]

_PIECE = 1 << 20


class ZipWriter:
    """A temporary file in the folder of an archive, which :meth:`publish` completes and gives the archive's name.

    Not thread-safe; entries that were written can be read at once, from any thread.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._folder = os.path.dirname(path) or "."
        os.makedirs(self._folder, exist_ok=True)
        self._temporary = ""
        self._source = self._new_source()

    def append(self, name: str, data: bytes | memoryview, *, deflate: bool) -> Entry:
        """Write one entry. After an error the next one overwrites what was left of this one."""
        size, crc, method = len(data), zlib.crc32(data), ZIP_STORED
        if deflate:
            packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            packed = packer.compress(data) + packer.flush()
            if len(packed) < size:
                data, method = packed, ZIP_DEFLATED
        source = self._source
        entry = Entry(source, name, source.end, len(data), size, crc, method, 0, _now())
        source.end = write_all(source.fd, data, write_all(source.fd, _info(name, entry).FileHeader(), entry.offset))
        return entry

    def publish(self, entries: Mapping[str, Entry], comment: bytes, *, replaces: str | None) -> None:
        """Complete the archive with `entries`, from whatever file, make it durable and give it its name.

        Args:
            entries: all values by name.
            comment: comment of the archive.
            replaces: version of the file that may be replaced, an empty string if there may be none, ``None`` for any.

        Raises:
            AlreadyExists: `replaces` is empty and there is a file.
            PreconditionFailed: another file than `replaces` is there.
            IntegrityError: an entry of the old archive contradicts itself.
        """
        abandoned = self._drop_dead_space(entries)
        try:
            infos = [self._adopt(name, entry) for name, entry in sorted(entries.items(), key=_place)]
            fd = self._source.fd
            os.ftruncate(fd, self._source.end)
            with open(fd, "r+b", closefd=False) as file, ZipFile(file, "w") as directory:
                directory.filelist = infos
                directory.start_dir = self._source.end
                directory.comment = comment
            os.fsync(fd)
            self._rename(replaces)
        finally:
            for source, temporary in abandoned:
                _discard(source, temporary)

    def discard(self, *, remove: bool = True) -> None:
        """Close the temporary file and, unless it is somebody else's, remove it if it has not become the archive."""
        _discard(self._source, self._temporary if remove else None)

    def _new_source(self) -> Source:
        self._temporary = os.path.join(self._folder, temporary_name())
        fd = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        return Source(fd, secrets.token_hex(8), 0)

    def _drop_dead_space(self, entries: Mapping[str, Entry]) -> list[tuple[Source, str]]:
        """If values were overwritten or deleted, go on with a new file; return what is to be discarded afterwards."""
        own = [(name, entry) for name, entry in entries.items() if entry.source is self._source]
        if self._source.end == sum(len(_info(name, entry).FileHeader()) + entry.packed for name, entry in own):
            return []
        old = self._source, self._temporary
        self._source = self._new_source()
        return [old]

    def _adopt(self, name: str, entry: Entry) -> ZipInfo:
        """Describe an entry for the directory, after it was copied here if it is in another file."""
        info = _info(name, entry)
        if entry.source is self._source:
            return info
        begin = locate(entry)
        info.header_offset = self._source.end
        end = write_all(self._source.fd, info.FileHeader(), self._source.end)
        for start in range(begin, begin + entry.packed, _PIECE):
            piece = read_exactly(entry.source.fd, start, min(start + _PIECE, begin + entry.packed))
            end = write_all(self._source.fd, piece, end)
        self._source.end = end
        return info

    def _rename(self, replaces: str | None) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with folder_lock(folder, exclusive=True):
                if replaces:
                    _expect(self._path, replaces)
                if replaces == "":
                    _link(self._temporary, self._path)
                else:
                    os.replace(self._temporary, self._path)
            os.fsync(folder)
        finally:
            os.close(folder)


def _info(name: str, entry: Entry) -> ZipInfo:
    info = ZipInfo(name, entry.date)
    info.header_offset = entry.offset
    info.compress_size = entry.packed
    info.file_size = entry.size
    info.CRC = entry.crc
    info.compress_type = entry.method
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


def _now() -> tuple[int, int, int, int, int, int]:
    """The time as far as an archive can tell it: a clock that was never set stands in 1970, and zip begins in 1980."""
    now = time.localtime()[:6]
    return min(max(now, (1980, 1, 1, 0, 0, 0)), (2107, 12, 31, 23, 59, 59))


def _place(item: tuple[str, Entry]) -> tuple[str, int]:
    return item[1].source.token, item[1].offset


def _expect(path: str, version: str) -> None:
    try:
        found = version_of(os.stat(path))
    except FileNotFoundError:
        found = "none"
    if found != version:
        raise PreconditionFailed("the archive was replaced by somebody else while it was open for writing")


def _link(temporary: str, path: str) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise AlreadyExists("the archive exists") from None


def _discard(source: Source, temporary: str | None) -> None:
    os.close(source.fd)
    if temporary is not None:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
