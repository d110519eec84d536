"""The ``vlen-utf8`` and ``vlen-bytes`` codecs: strings and bytes of any length (registered extensions).

A chunk is the number of elements and then, in C order, each element's length and bytes; numbers are little-endian, of
32 bits. The codecs differ in name only: some writers take one for the data type of the other, and zarrs has a third
name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from ..errors import CodecError, MetadataError
from ..types import BytesLike
from . import config
from .base import Array, ArrayBytesCodec, ChunkSpec

__all__ = ["MAX_CHUNK_BYTES", "VlenBytesCodec", "VlenUtf8Codec", "ZarrsVlenCodec"]

MAX_CHUNK_BYTES = 1 << 30
"""The most bytes that an encoded chunk may have: nothing else bounds what a compressed chunk of strings unfolds to."""


@dataclass(frozen=True, slots=True)
class VlenUtf8Codec(ArrayBytesCodec):
    """Strings, as UTF-8. It has no configuration."""

    spec: ChunkSpec | None = field(default=None, repr=False)
    name: ClassVar[str] = "vlen-utf8"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError if there is any configuration."""
        config.keys(configuration)
        return cls()

    def to_config(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def bind(self, spec: ChunkSpec) -> Self:
        """The codec for `spec`; raises MetadataError for elements that are neither strings nor bytes of any length."""
        if spec.dtype.kind not in ("vlen-text", "vlen-bytes"):
            raise MetadataError(f"cannot encode data type {spec.dtype.name!r}")
        return replace(self, spec=spec)

    @property
    def _spec(self) -> ChunkSpec:
        if self.spec is None:
            raise MetadataError("the codec is not bound to a chunk", codec=self.name)
        return self.spec

    @property
    def _is_text(self) -> bool:
        return self._spec.dtype.kind == "vlen-text"

    def max_encoded_size(self) -> int:
        """``MAX_CHUNK_BYTES``, or what empty elements take if that is more."""
        return max(MAX_CHUNK_BYTES, 4 + 4 * self._spec.size)

    def encode(self, array: Array) -> BytesLike:
        """Encode one chunk.

        Raises:
            CodecError: an element of another type, a lone surrogate, or more than ``MAX_CHUNK_BYTES``.
        """
        # The library would take the elements of an array in F order as they lie in memory.
        elements = np.ascontiguousarray(array.astype(object)).reshape(-1)
        wanted = str if self._is_text else bytes
        kinds = set(map(type, elements))
        if not all(issubclass(kind, wanted) for kind in kinds):
            raise CodecError(f"every element must be {wanted.__name__}")
        if kinds - {wanted}:  # the library takes no subclass, such as numpy.bytes_
            elements = np.fromiter(map(wanted, elements), object, len(elements))
        try:
            encoded = _library(self._is_text).encode(elements)
        except UnicodeEncodeError as error:
            raise CodecError(f"an element is not valid Unicode: {error}") from error
        if len(encoded) > self.max_encoded_size():
            raise CodecError(f"{len(encoded)} bytes; a chunk holds at most {self.max_encoded_size()}")
        return encoded

    def decode(self, data: BytesLike) -> Array:
        """Decode one chunk.

        Raises:
            CodecError: another number of elements, lengths that do not fit, bytes after the last one, invalid UTF-8.
        """
        count, size = int.from_bytes(data[:4], "little"), self._spec.size
        if count != size or len(data) < 4 + 4 * size:
            raise CodecError(f"{count} elements in {len(data)} bytes, expected {size} elements")
        try:
            elements = _library(self._is_text).decode(data)
        except ValueError as error:  # UnicodeDecodeError is one
            raise CodecError(str(error)) from error
        used = 4 + 4 * size + sum(map(_utf8_length if self._is_text else len, elements))
        if used != len(data):
            raise CodecError(f"{len(data) - used} bytes follow the last element")
        return elements.reshape(self._spec.shape).astype(self._spec.dtype.numpy, copy=False)


@dataclass(frozen=True, slots=True)
class VlenBytesCodec(VlenUtf8Codec):
    """Bytes. It has no configuration."""

    name: ClassVar[str] = "vlen-bytes"


@dataclass(frozen=True, slots=True)
class ZarrsVlenCodec(VlenUtf8Codec):
    """``zarrs.vlen_v2``. It has no configuration."""

    name: ClassVar[str] = "zarrs.vlen_v2"


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class _Library(Protocol):
    def encode(self, buf: Any) -> bytearray: ...
    def decode(self, buf: Any) -> Array: ...


@cache
def _library(text: bool) -> _Library:
    from numcodecs.vlen import VLenBytes, VLenUTF8

    library: _Library = VLenUTF8() if text else VLenBytes()
    return library
