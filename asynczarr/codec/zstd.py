"""The ``zstd`` codec (registered extension; RFC 8878)."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from ..errors import CodecError
from ..types import BytesLike
from . import config
from .base import BytesBytesCodec

if TYPE_CHECKING:
    from zstandard import ZstdCompressor, ZstdDecompressor

__all__ = ["ZstdCodec"]

_MAX_WINDOW = 1 << 27
"""Largest window that is decoded: what level 22 writes, and the limit of the zstd command."""

_MAX_BLOCK = 1 << 17
"""No block holds more."""

_MAX_HEADER = 18
_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"

_local = threading.local()


@dataclass(frozen=True, slots=True)
class ZstdCodec(BytesBytesCodec):
    """Zstandard. Several frames, skippable frames and frames without a content size decode as well.

    Attributes:
        level: -131072 (fastest) to 22 (smallest); 0 stands for the library's default, 3.
        checksum: append a checksum to the frame. Where there is one it is always verified.
    """

    level: int = 3
    checksum: bool = False
    name: ClassVar[str] = "zstd"
    heavy: ClassVar[bool] = True
    grain: ClassVar[int] = 0

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from ``{"level": ..., "checksum": ...}``; raises MetadataError if it is anything else."""
        config.keys(configuration, "level", "checksum")
        level = config.integer(configuration, "level", -131072, 22)
        return cls(level, config.boolean(configuration, "checksum", default=False))

    def to_config(self) -> dict[str, Any]:
        """``{"level": ..., "checksum": ...}``; zarr-python and numcodecs want both."""
        return {"level": self.level, "checksum": self.checksum}

    def max_encoded_size(self, size: int) -> int:
        """libzstd's bound, and room for other writers' frames."""
        return size + (size >> 7) + (1 << 16)

    def encode(self, data: BytesLike) -> BytesLike:
        """One frame that names its content size."""
        return _compressor(self.level, self.checksum).compress(data)

    def decode(self, data: BytesLike, max_size: int) -> BytesLike:
        """All frames.

        Raises:
            CodecError: malformed, truncated, a wrong checksum, bytes after the last frame, a window above 128 MiB, or
                more than `max_size` bytes; no more than that is ever allocated.
        """
        import zstandard

        try:
            if data[:4] == _MAGIC and 0 <= zstandard.frame_content_size(data) <= max_size:
                return _decompressor().decompress(data, allow_extra_data=False)
        except zstandard.ZstdError:
            pass  # Several frames, or damage: going frame by frame tells which.
        return self._decode_frames(memoryview(data), max_size)

    def encode_many(self, chunks: Sequence[BytesLike]) -> Sequence[BytesLike] | None:
        """Each of `chunks` as :meth:`encode` does, in one call that leaves the GIL alone until all are done."""
        if not chunks or not all(map(len, chunks)):  # the library refuses to compress nothing
            return None
        encoded = _compressor(self.level, self.checksum).multi_compress_to_buffer(list(chunks), threads=1)
        return cast("Sequence[BytesLike]", encoded)

    def decode_many(self, chunks: Sequence[BytesLike], size: int) -> Sequence[BytesLike] | None:
        """Each of `chunks` to exactly `size` bytes, in one call that leaves the GIL alone until all are done.

        Returns:
            Views of one buffer that lives as long as any of them; ``None`` if one of the chunks is damaged, or is not a
            single frame of that size and nothing else: :meth:`decode` tells.
        """
        import zstandard

        # The library would take what follows a frame for nothing, and crash on an empty list.
        if not chunks or not all(_is_one_frame(chunk, size) for chunk in chunks):
            return None
        sizes = struct.pack("=Q", size) * len(chunks)
        try:
            decoded = _decompressor().multi_decompress_to_buffer(list(chunks), decompressed_sizes=sizes, threads=1)
        except zstandard.ZstdError:
            return None
        return cast("Sequence[BytesLike]", decoded)

    def _decode_frames(self, view: memoryview, max_size: int) -> bytes:
        import zstandard

        parts, size = [], 0
        try:
            for frame, most in _frames(view):
                content = zstandard.frame_content_size(frame)
                if content > max_size - size:
                    raise CodecError(f"decodes to more than {max_size} bytes")
                # The second argument only counts where the frame does not tell; 0 would mean that it has to.
                part = _decompressor().decompress(frame, max_output_size=min(most, max_size - size) + 1)
                if content >= 0 and len(part) != content:
                    raise CodecError(f"a frame of {content} bytes decodes to {len(part)}")
                parts.append(part)
                size += len(part)
        except zstandard.ZstdError as error:
            raise CodecError(f"not a valid zstd stream: {error}") from error
        if size > max_size:
            raise CodecError(f"decodes to more than {max_size} bytes")
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _compressor(level: int, checksum: bool) -> ZstdCompressor:
    # (De)compressors may not be shared by threads, and making one costs more than a small chunk.
    made: dict[tuple[int, bool], ZstdCompressor] = _local.__dict__.setdefault("compressors", {})
    if (level, checksum) not in made:
        import zstandard

        made[level, checksum] = zstandard.ZstdCompressor(level=level or 3, write_checksum=checksum)
    return made[level, checksum]


def _decompressor() -> ZstdDecompressor:
    if not hasattr(_local, "decompressor"):
        import zstandard

        _local.decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    decompressor: ZstdDecompressor = _local.decompressor
    return decompressor


def _frames(view: memoryview) -> Iterator[tuple[memoryview, int]]:
    """Each frame that is not skippable and the most bytes it can hold, from the headers of its blocks."""
    if not view:
        raise CodecError("the zstd stream is empty")
    position = 0
    while position < len(view):
        start, magic = position, bytes(view[position : position + 4])
        if magic == _MAGIC:
            position, most = _walk(view, start)
            yield view[start:position], most
        elif magic[1:] == _SKIPPABLE and magic[0] & 0xF0 == 0x50:
            position = _advance(view, start + 8, int.from_bytes(view[start + 4 : start + 8], "little"))
        else:
            raise CodecError(f"no zstd frame at byte {start}")


def _is_one_frame(chunk: BytesLike, size: int) -> bool:
    """Whether `chunk` looks like one frame of `size` bytes that ends where it does."""
    import zstandard

    try:
        if chunk[:4] != _MAGIC or zstandard.frame_content_size(chunk) != size:
            return False
        start = zstandard.frame_header_size(chunk)
        block = int.from_bytes(chunk[start : start + 3], "little")
        if block & 1 and block >> 1 & 3 != 1:  # one block, as small chunks have; see _walk
            return start + 3 + (block >> 3) + (4 if chunk[4] & 4 else 0) == len(chunk)
        return _walk(memoryview(chunk), 0)[0] == len(chunk)
    except (zstandard.ZstdError, CodecError):
        return False


def _walk(view: memoryview, position: int) -> tuple[int, int]:
    """The end of the frame at `position` and the most bytes it can hold."""
    import zstandard

    header = view[position : position + _MAX_HEADER]
    has_checksum = zstandard.get_frame_parameters(header).has_checksum
    position = _advance(view, position, zstandard.frame_header_size(header))
    most, last = 0, 0
    while not last:
        # RFC 8878, 3.1.1.2: one bit "last", two bits type, 21 bits size; a run (type 1) is one byte whatever its size.
        block = int.from_bytes(view[position : position + 3], "little")
        position = _advance(view, position, 3)
        last, kind, size = block & 1, block >> 1 & 3, block >> 3
        position = _advance(view, position, 1 if kind == 1 else size)
        most += _MAX_BLOCK if kind == 2 else size
    return _advance(view, position, 4 if has_checksum else 0), most


def _advance(view: memoryview, position: int, count: int) -> int:
    if position + count > len(view):
        raise CodecError("the zstd stream is truncated")
    return position + count
