"""The ``crc32c`` codec: a checksum of four bytes after the data (v3 specification, "CRC32C codec")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import CodecError
from ..types import BytesLike
from . import config
from .base import BytesBytesCodec

__all__ = ["Crc32cCodec"]


@dataclass(frozen=True, slots=True)
class Crc32cCodec(BytesBytesCodec):
    """Appends the CRC32C of the data, little-endian, and checks it on decoding. It has no configuration."""

    name: ClassVar[str] = "crc32c"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError if there is any configuration."""
        config.keys(configuration)
        return cls()

    def to_config(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def encoded_size(self, size: int) -> int:
        """Four bytes more."""
        return size + 4

    def max_encoded_size(self, size: int) -> int:
        """Four bytes more."""
        return size + 4

    def encode(self, data: BytesLike) -> BytesLike:
        """The data and its checksum."""
        return b"".join((data, _crc32c(data)))

    def decode(self, data: BytesLike, max_size: int) -> BytesLike:
        """The data, without a copy.

        Raises:
            CodecError: fewer than four bytes, too many, or a checksum that does not fit.
        """
        if not 4 <= len(data) <= max_size + 4:
            raise CodecError(f"{len(data)} bytes, expected between 4 and {max_size + 4}")
        view = memoryview(data)
        stored, computed = bytes(view[-4:]), _crc32c(view[:-4])
        if stored != computed:
            raise CodecError(f"checksum mismatch: stored {stored[::-1].hex()}, computed {computed[::-1].hex()}")
        return view[:-4]


@cache
def _library() -> Any:
    import google_crc32c

    return google_crc32c


def _crc32c(data: BytesLike) -> bytes:
    # The C function takes bytes and arrays, but no memoryview; the stub knows bytes only.
    checksum: int = _library().value(data if isinstance(data, bytes) else np.frombuffer(data, np.uint8))
    return checksum.to_bytes(4, "little")
