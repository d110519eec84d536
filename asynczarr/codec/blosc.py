"""The ``blosc`` codec: Blosc 1 frames (v3 specification, "Blosc codec")."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, Self

from ..errors import CodecError, MetadataError
from ..types import BytesLike
from . import config
from .base import BytesBytesCodec, ChunkSpec

__all__ = ["BloscCodec"]

_HEADER = struct.Struct("<BBBBIII")
"""Version, version of the compressor, flags, type size, decoded bytes, bytes of a block, encoded bytes."""

_COMPRESSORS = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")
_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
_FORMATS = ("blosclz", "lz4", "snappy", "zlib", "zstd")
"""By number in the header's flags; lz4hc writes lz4."""

_MAX_SIZE = 2**31 - 1 - 16
_MAX_TYPESIZE = 255


@dataclass(frozen=True, slots=True)
class BloscCodec(BytesBytesCodec):
    """Blosc, version 1 of the format: the one that numcodecs, tensorstore and zarrs read.

    Attributes:
        cname: inner compressor: lz4, lz4hc, blosclz, zstd, zlib; snappy frames cannot be made or read.
        clevel: 0 (store) to 9 (smallest).
        shuffle: ``"noshuffle"``, ``"shuffle"`` (bytes) or ``"bitshuffle"``.
        typesize: bytes of an element, for the shuffle; ``None`` to take it from the data type.
        blocksize: bytes of a block, 0 to let Blosc choose.
    """

    cname: str = "lz4"
    clevel: int = 5
    shuffle: str = "shuffle"
    typesize: int | None = None
    blocksize: int = 0
    name: ClassVar[str] = "blosc"
    heavy: ClassVar[bool] = True

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError for unknown keys or values. Some leave ``typesize`` out; so may you."""
        config.keys(configuration, "cname", "clevel", "shuffle", "typesize", "blocksize")
        typesize = configuration.get("typesize")
        return cls(
            config.choice(configuration, "cname", _COMPRESSORS),
            config.integer(configuration, "clevel", 0, 9),
            config.choice(configuration, "shuffle", _SHUFFLES, "noshuffle"),
            None if typesize is None else config.integer(configuration, "typesize", 1, 2**31 - 1),
            config.integer(configuration, "blocksize", 0, _MAX_SIZE, 0),
        )

    def to_config(self) -> dict[str, Any]:
        """All members; ``typesize`` once the codec is bound."""
        made: dict[str, Any] = {"cname": self.cname, "clevel": self.clevel, "shuffle": self.shuffle}
        if self.typesize is not None:
            made["typesize"] = self.typesize
        return made | {"blocksize": self.blocksize}

    def bind(self, spec: ChunkSpec) -> BloscCodec:
        """The codec with its `typesize` known."""
        if self.typesize is not None:
            return self
        return replace(self, typesize=1 if spec.dtype.numpy.hasobject else max(spec.dtype.numpy.itemsize, 1))

    def max_encoded_size(self, size: int) -> int:
        """The header more: what does not shrink is stored."""
        return size + 16

    def encode(self, data: BytesLike) -> BytesLike:
        """One frame.

        Raises:
            CodecError: more than 2 GiB, or the snappy compressor.
        """
        library = _library()
        if self.cname not in library.list_compressors():
            raise CodecError(f"the Blosc library at hand was built without {self.cname}")
        if len(data) > _MAX_SIZE:
            raise CodecError(f"a Blosc frame holds at most {_MAX_SIZE} bytes, not {len(data)}")
        # Blosc takes sizes it cannot shuffle as bytes, too.
        typesize = self.typesize if self.typesize is not None and self.typesize <= _MAX_TYPESIZE else 1
        shuffle = _SHUFFLES.index(self.shuffle)
        frame: bytes = library.compress(data, self.cname.encode(), self.clevel, shuffle, self.blocksize, typesize)
        return frame

    def decode(self, data: BytesLike, max_size: int) -> BytesLike:
        """One frame.

        Raises:
            CodecError: a header that contradicts the data or announces more than `max_size` bytes, a compressor that is
                not at hand, or malformed blocks.
        """
        size = _check_header(data, max_size)
        if size == 0:
            return b""
        try:
            decoded: bytes = _library().decompress(data)
        except (RuntimeError, ValueError) as error:
            raise CodecError(f"not a valid Blosc frame: {error}") from error
        return decoded


def _check_header(data: BytesLike, max_size: int) -> int:
    if len(data) < _HEADER.size:
        raise CodecError(f"{len(data)} bytes are too few for a Blosc header")
    version, _, flags, typesize, nbytes, blocksize, cbytes = _HEADER.unpack_from(data)
    if version > 2:
        raise CodecError(f"not a Blosc 1 frame: format version {version}")
    if cbytes != len(data):
        raise CodecError(f"the Blosc header announces a frame of {cbytes} bytes, there are {len(data)}")
    if nbytes > max_size:
        raise CodecError(f"decodes to {nbytes} bytes, expected at most {max_size}")
    if typesize == 0 or (nbytes and not 0 < blocksize <= nbytes):
        raise CodecError(f"type size {typesize} or block size {blocksize} do not fit {nbytes} bytes")
    number, stored = flags >> 5, flags & 2
    if not stored and number == _FORMATS.index("snappy") and "snappy" not in _library().list_compressors():
        raise CodecError("compressed with snappy, which the Blosc library at hand was built without")
    if not stored and number >= len(_FORMATS):
        raise CodecError(f"unknown Blosc compressor number {number}")
    return int(nbytes)


@cache
def _library() -> ModuleType:
    # numcodecs takes Blosc's own threads only where it is called from the main thread of the process that imported it,
    # and its context functions, which share nothing, elsewhere: the right thing in workers and after a fork.
    try:
        return import_module("numcodecs.blosc")
    except ImportError as error:
        raise MetadataError(f"the blosc codec needs numcodecs with Blosc: {error}", codec="blosc") from error
