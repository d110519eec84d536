"""The ``gzip`` codec (v3 specification, "Gzip codec"; RFC 1952)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

from isal import isal_zlib
from zlib_ng import zlib_ng

from ..errors import CodecError
from ..types import BytesLike
from . import config
from .base import BytesBytesCodec

__all__ = ["GzipCodec"]

_DeflateError = cast("type[Exception]", isal_zlib.error)  # whose stub takes it for an instance

_GZIP = 31
"""zlib's window bits for a gzip container."""

_MAGIC = b"\x1f\x8b"

_FIRST_PIECE, _LAST_PIECE = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class GzipCodec(BytesBytesCodec):
    """Deflate in a gzip container.

    Files of several members decode to all of them, as RFC 1952 says; anything else after a member is refused.

    Attributes:
        level: 0 (store) to 9 (smallest).
    """

    level: int = 5
    name: ClassVar[str] = "gzip"
    heavy: ClassVar[bool] = True
    grain: ClassVar[int] = 16 * 1024

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from ``{"level": 0..9}``; raises MetadataError if it is anything else."""
        config.keys(configuration, "level")
        return cls(config.integer(configuration, "level", 0, 9))

    def to_config(self) -> dict[str, Any]:
        """``{"level": ...}``."""
        return {"level": self.level}

    def max_encoded_size(self, size: int) -> int:
        """A bound for other writers too, who may flush often or name a file in the header."""
        return size + (size >> 3) + (1 << 16)

    def encode(self, data: BytesLike) -> BytesLike:
        """One member without name or time, so that equal data has equal bytes."""
        return zlib_ng.compress(data, self.level, wbits=_GZIP)

    def decode(self, data: BytesLike, max_size: int) -> BytesLike:
        """All members.

        Raises:
            CodecError: truncated, a wrong checksum, bytes after the last member, or more than `max_size` bytes; no
                more than `max_size` + 1 bytes are ever inflated.
        """
        try:
            member = isal_zlib.decompressobj(_GZIP)
            first = member.decompress(data, max_size + 1)
            _check(member, len(first), max_size)
            if not member.unused_data:
                return first
            return b"".join(_members(first, member.unused_data, max_size))
        except _DeflateError as error:
            raise CodecError(f"not a valid gzip stream: {error}") from error


def _check(member: Any, size: int, max_size: int) -> None:
    if size > max_size:
        raise CodecError(f"decodes to more than {max_size} bytes")
    if not member.eof:
        raise CodecError("the gzip stream is truncated")


def _members(first: bytes, rest: bytes, max_size: int) -> list[bytes]:
    # What follows a member is copied by zlib each time one ends: small pieces keep thousands of members linear.
    parts, size, view = [first], len(first), memoryview(rest)
    while view:
        if view[:2] != _MAGIC:
            raise CodecError(f"{len(view)} bytes follow the last gzip member")
        member, piece = isal_zlib.decompressobj(_GZIP), _FIRST_PIECE
        while view and not member.eof and size <= max_size:
            fed = view[:piece]
            part = member.decompress(fed, max_size - size + 1)
            parts.append(part)
            size += len(part)
            view = view[len(fed) - len(member.unused_data) :]
            piece = min(piece * 2, _LAST_PIECE)
        _check(member, size, max_size)
    return parts
