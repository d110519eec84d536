"""zlib, bz2, lzma, lz4 and base64, each decoded into no more bytes than expected."""

from __future__ import annotations

import base64
import struct
import zlib
from abc import abstractmethod
from typing import Any, ClassVar

from ...errors import CodecError
from ...types import BytesLike
from ..base import BytesBytesCodec, CodecKind
from .base import Configured, Parameter, Parameters, integer, optional

__all__ = ["Base64", "Bz2", "Lz4", "Lzma", "Zlib"]

_LZMA_MEMORY = 2**27
"""Bytes that decoding LZMA may take: twice what the strongest preset needs."""

_PIECE = 2**16


class _Compressor(Configured, BytesBytesCodec):
    __slots__ = ()
    kind: ClassVar[CodecKind] = "bytes->bytes"
    heavy: ClassVar[bool] = True

    def max_encoded_size(self, size: int) -> int:
        """An eighth and 64 KiB more: data that does not shrink, in the frames of any writer."""
        return size + (size >> 3) + (1 << 16)


class _Streamed(_Compressor):
    """A format of the standard library, decompressed piece by piece."""

    __slots__ = ()
    concatenated: ClassVar[bool] = True

    @abstractmethod
    def _decompressor(self) -> Any:
        """A new object with ``decompress(data, max_length)``, ``eof`` and ``unused_data``."""

    def decode(self, data: BytesLike, max_size: int) -> bytes:
        """Decode one stream, or several one after the other where the format has that.

        Raises:
            CodecError: malformed or truncated data, bytes after the end, or more than `max_size` bytes; not more than
                one byte above `max_size` is ever made.
        """
        from lzma import LZMAError

        view, at, parts, room = memoryview(data), 0, [], max_size + 1
        try:
            stream = self._decompressor()
            while True:
                # Small pieces, because what follows a stream is copied when one ends: thousands of them stay cheap.
                piece = view[at : at + _PIECE]
                part = stream.decompress(piece, room)
                parts.append(part)
                room -= len(part)
                at += len(piece)
                if room == 0:
                    raise CodecError(f"decodes to more than {max_size} bytes")
                if stream.eof:
                    at -= len(stream.unused_data)
                    if at == len(view):
                        return b"".join(parts)
                    if not self.concatenated:
                        raise CodecError(f"{len(view) - at} bytes follow the end of the stream")
                    stream = self._decompressor()
                elif not piece:
                    raise CodecError("the stream is truncated")
        except (OSError, EOFError, ValueError, zlib.error, LZMAError) as error:
            raise CodecError(f"not a valid stream: {error}") from error


class Zlib(_Streamed):
    """Deflate in a zlib container (RFC 1950)."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.zlib"
    parameters: ClassVar[Parameters] = {"level": integer(-1, 9, 1)}
    concatenated: ClassVar[bool] = False

    def encode(self, data: BytesLike) -> bytes:
        """Compress."""
        return zlib.compress(data, self.config["level"])

    def _decompressor(self) -> Any:
        return zlib.decompressobj()


class Bz2(_Streamed):
    """bzip2."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.bz2"
    parameters: ClassVar[Parameters] = {"level": integer(1, 9, 1)}

    def encode(self, data: BytesLike) -> bytes:
        """Compress."""
        import bz2

        return bz2.compress(data, self.config["level"])

    def _decompressor(self) -> Any:
        import bz2

        return bz2.BZ2Decompressor()


def _is_filters(value: Any) -> bool:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= 4:
        return False
    if not all(isinstance(step, dict) and all(type(number) is int for number in step.values()) for step in value):
        return False
    return all("id" in step and step.get("dict_size", 0) <= _LZMA_MEMORY for step in value)


class Lzma(_Streamed):
    """LZMA in an xz container, the old ``.lzma`` one, or none; decoding takes at most 128 MiB of memory."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.lzma"
    parameters: ClassVar[Parameters] = {
        "format": integer(0, 3, 1),
        "check": integer(-1, 15, -1),
        "preset": optional(integer(0, 9 | 1 << 31)),
        "filters": Parameter(_is_filters, "a list of at most 4 LZMA filters with dictionaries up to 128 MiB", None),
    }

    def encode(self, data: BytesLike) -> bytes:
        """Compress."""
        import lzma

        try:
            return lzma.compress(data, **self.config)
        except (lzma.LZMAError, ValueError, TypeError) as error:
            raise CodecError(f"LZMA does not take its configuration: {error}") from error

    def _decompressor(self) -> Any:
        import lzma

        if self.config["format"] == lzma.FORMAT_RAW:
            return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=self.config["filters"])
        return lzma.LZMADecompressor(self.config["format"], memlimit=_LZMA_MEMORY)


class Lz4(_Compressor):
    """One LZ4 block after its decoded size, 4 bytes little-endian."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.lz4"
    parameters: ClassVar[Parameters] = {"acceleration": integer(-(2**31), 2**31 - 1, 1)}

    def encode(self, data: BytesLike) -> bytes:
        """Compress.

        Raises:
            CodecError: more than 2 GiB, which the format cannot hold.
        """
        from lz4 import block

        if len(data) > 0x7E000000:
            raise CodecError(f"LZ4 holds at most {0x7E000000} bytes, not {len(data)}")
        acceleration = max(1, self.config["acceleration"])
        body: bytes = block.compress(data, mode="fast", acceleration=acceleration, store_size=False)
        return struct.pack("<I", len(data)) + body

    def decode(self, data: BytesLike, max_size: int) -> bytes:
        """Decode one block; its size is checked before anything is allocated.

        Raises:
            CodecError: malformed data, or a size that is not true or above `max_size`.
        """
        from lz4 import block

        if len(data) < 5:
            raise CodecError(f"{len(data)} bytes are too few for an LZ4 block")
        (size,) = struct.unpack_from("<I", data)
        if size > max_size:
            raise CodecError(f"decodes to {size} bytes, expected at most {max_size}")
        try:
            decoded: bytes = block.decompress(memoryview(data)[4:], uncompressed_size=size)
        except block.LZ4BlockError as error:
            raise CodecError(f"not a valid LZ4 block: {error}") from error
        if len(decoded) != size:
            raise CodecError(f"decodes to {len(decoded)} bytes, the header says {size}")
        return decoded


class Base64(_Compressor):
    """Base64 with padding, without line breaks (RFC 4648)."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.base64"
    heavy: ClassVar[bool] = False

    def encoded_size(self, size: int) -> int:
        """Four bytes for each three."""
        return (size + 2) // 3 * 4

    def max_encoded_size(self, size: int) -> int:
        """Four bytes for each three."""
        return (size + 2) // 3 * 4

    def encode(self, data: BytesLike) -> bytes:
        """Encode."""
        return base64.b64encode(data)

    def decode(self, data: BytesLike, max_size: int) -> bytes:
        """Decode; raises CodecError for anything that is not base64 or has more than `max_size` bytes."""
        if len(data) > self.max_encoded_size(max_size):
            raise CodecError(f"decodes to more than {max_size} bytes")
        try:
            decoded = base64.b64decode(data, validate=True)
        except ValueError as error:
            raise CodecError(f"not base64: {error}") from error
        if len(decoded) > max_size:
            raise CodecError(f"decodes to more than {max_size} bytes")
        return decoded
