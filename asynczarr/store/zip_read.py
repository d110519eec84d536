"""Reading of zip archives that nobody vouches for. Every function blocks.

The central directory is parsed by :mod:`zipfile`; values are then read with ``pread``, so that any number of threads
read at once. What the directory says is checked against the local header before a byte is allocated, the checksum when
a value is read whole. Encrypted entries and methods other than stored and deflated are ``Unsupported``.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ..errors import Forbidden, IntegrityError, Unsupported
from ..types import ByteRange, BytesLike
from .file_write import version_of
from .fileio import read_exactly
from .keys import is_valid_key

__all__ = ["Archive", "Entry", "Source", "find_root", "load", "locate", "read_ranges"]

_DAMAGE = (BadZipFile, ValueError, struct.error, NotImplementedError, EOFError, OverflowError, IndexError)
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x1, 0x8, 0x800
_MAX_RATIO = 1032  # what deflate can reach
_DOCUMENTS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")


@dataclass(slots=True)
class Source:
    """A file with entries.

    Attributes:
        fd: descriptor open for reading.
        token: different for all files and states of files.
        end: where the entries end, in bytes.
    """

    fd: int
    token: str
    end: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What a central directory says of one value; ``offset`` is the place of its local header in ``source``."""

    source: Source
    name: str
    offset: int
    packed: int
    size: int
    crc: int
    method: int
    flags: int
    date: tuple[int, int, int, int, int, int]

    @property
    def version(self) -> str:
        """Different for every value in every state of an archive."""
        return f"{self.source.token}-{self.offset:x}"

    @property
    def encrypted(self) -> bool:
        """Whether only a password opens it."""
        return bool(self.flags & _ENCRYPTED)


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive: its file, its entries by name, its comment."""

    source: Source
    entries: dict[str, Entry]
    comment: bytes


def load(path: str) -> Archive:
    """Open an archive and read its directory.

    Of entries with the same name the last one counts. Folders are left out, and so are names that no key may have
    (``..``, absolute, backslash): nothing is ever extracted, and no key could ask for them.

    Raises:
        IntegrityError: it is no zip archive, or its directory is damaged.
        Forbidden: it is no regular file.
        OSError: it could not be opened or read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Forbidden("not a regular file")
        try:
            with open(fd, "rb", closefd=False) as file, ZipFile(file) as parsed:
                source = Source(fd, version_of(status), parsed.start_dir)
                entries = {info.filename: _entry(info, source) for info in parsed.filelist if _is_value(info)}
                return Archive(source, entries, parsed.comment)
        except _DAMAGE as error:
            raise IntegrityError(f"not a zip archive, or a damaged one: {error}") from error
    except BaseException:
        os.close(fd)
        raise


def find_root(names: Iterable[str]) -> str:
    """The folder in an archive that holds the store: the top, or, if all is in one folder, that folder (and so on)."""
    names = [name for name in names if not name.startswith("__MACOSX/")]
    root = ""
    while not any(root + document in names for document in _DOCUMENTS):
        tops = {name[len(root) :].partition("/")[0] + "/" for name in names if "/" in name[len(root) :]}
        if len(tops) != 1 or not all(name.startswith(root + min(tops)) for name in names):
            return ""
        root += tops.pop()
    return root.rstrip("/")


def locate(entry: Entry) -> int:
    """Where the bytes of an entry begin, after its local header was compared with the directory.

    Raises:
        IntegrityError: the two contradict each other, or the entry reaches beyond the entries of the archive.
    """
    fd, limit = entry.source.fd, entry.source.end
    begin = entry.offset + _LOCAL.size
    if not 0 <= begin <= limit:
        raise IntegrityError("a zip entry lies outside of the archive")
    header = _LOCAL.unpack(read_exactly(fd, entry.offset, begin))
    magic, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
    start: int = begin + name_length + extra_length
    if magic != b"PK\3\4" or start + entry.packed > limit:
        raise IntegrityError("a zip entry has no local header or reaches beyond the archive")
    tail = read_exactly(fd, begin, start)
    found = tail[:name_length].decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    agrees = found == entry.name and method == entry.method and not (flags ^ entry.flags) & _ENCRYPTED
    if not flags & _DESCRIPTOR:  # else the sizes follow the data, and the local header may have zeros
        if 0xFFFFFFFF in (packed, size):
            size, packed = _zip64_sizes(tail[name_length:], size, packed)
        agrees = agrees and (crc, packed, size) == (entry.crc, entry.packed, entry.size)
    if not agrees:
        raise IntegrityError("the local header of a zip entry contradicts the directory")
    return start


def read_ranges(entry: Entry, ranges: Sequence[ByteRange], max_inflated: int) -> list[BytesLike]:
    """Read ranges of one value; if one of them is the whole value, its checksum is verified.

    Raises:
        IntegrityError: sizes, checksum or compressed bytes are wrong, or more than `max_inflated` bytes were to come.
        Unsupported: encrypted, or a method other than stored and deflated.
    """
    if entry.encrypted:
        raise Unsupported("the zip entry is encrypted")
    if entry.method not in (ZIP_STORED, ZIP_DEFLATED):
        raise Unsupported(f"zip method {entry.method} is neither stored (0) nor deflated (8)")
    start = locate(entry)
    spans = [part.resolve(entry.size) for part in ranges]
    if entry.method == ZIP_STORED:
        if entry.packed != entry.size:
            raise IntegrityError("a stored zip entry has two sizes")
        pieces = [read_exactly(entry.source.fd, start + first, start + last) for first, last in spans]
    else:
        value = _inflate(entry, start, max((last for _, last in spans), default=0), max_inflated)
        pieces = [value[first:last] for first, last in spans]
    for piece in pieces:
        if len(piece) == entry.size and zlib.crc32(piece) != entry.crc:
            raise IntegrityError("the checksum of a zip entry is wrong")
    return [*pieces]


def _inflate(entry: Entry, start: int, stop: int, max_inflated: int) -> bytes:
    """The first `stop` bytes of a deflated entry."""
    if stop > max_inflated:
        raise IntegrityError(f"a zip entry would inflate to {stop} bytes, the limit (max_inflated) is {max_inflated}")
    if entry.size > _MAX_RATIO * entry.packed:
        raise IntegrityError(f"{entry.packed} deflated bytes cannot hold {entry.size}")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than due, so that a value that is longer than it says is found out; 0 would mean no limit.
        data = inflater.decompress(read_exactly(entry.source.fd, start, start + entry.packed), stop + 1)
    except zlib.error as error:
        raise IntegrityError(f"a zip entry cannot be inflated: {error}") from error
    if len(data) < stop or (stop == entry.size and (len(data) > stop or not inflater.eof)):
        raise IntegrityError("a zip entry inflates to another size than it says")
    return data[:stop]


def _is_value(info: ZipInfo) -> bool:
    return "\0" not in info.orig_filename and is_valid_key(info.filename)  # zipfile cuts names at a NUL


def _entry(info: ZipInfo, source: Source) -> Entry:
    return Entry(
        source=source,
        name=info.orig_filename,
        offset=info.header_offset,
        packed=info.compress_size,
        size=info.file_size,
        crc=info.CRC,
        method=info.compress_type,
        flags=info.flag_bits,
        date=info.date_time,
    )


def _zip64_sizes(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """The sizes in a local header whose 32-bit fields overflowed."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 1 and length >= 16 and len(extra) >= 20:
            big_size, big_packed = struct.unpack_from("<QQ", extra, 4)
            return (big_size if size == 0xFFFFFFFF else size), (big_packed if packed == 0xFFFFFFFF else packed)
        extra = extra[4 + length :]
    return size, packed
