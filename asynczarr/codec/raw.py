"""What v2 does without saying so: elements as they are in memory, and array filters on bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import AsyncZarrError, CodecError, MetadataError
from ..metadata.dtypes import DataType
from ..types import BytesLike
from .base import Array, ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, ChunkSpec, CodecKind

__all__ = ["FilterOnBytes", "RawCodec"]


@dataclass(frozen=True, slots=True)
class RawCodec(ArrayBytesCodec):
    """The elements in C order, in the byte order of their dtype; the ``bytes`` codec of v3 without an ``endian``."""

    spec: ChunkSpec | None = field(default=None, repr=False)

    name: ClassVar[str] = "bytes"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; it has no configuration."""
        return cls()

    def to_config(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def bind(self, spec: ChunkSpec) -> RawCodec:
        """The codec for `spec`; raises MetadataError for elements of varying length."""
        if spec.dtype.itemsize is None:
            raise MetadataError(f"elements of data type {spec.dtype.name!r} need an object codec")
        return RawCodec(spec)

    def encoded_size(self) -> int:
        """Elements times their size."""
        assert self.spec is not None
        return self.spec.size * self.spec.dtype.numpy.itemsize

    def max_encoded_size(self) -> int:
        """Elements times their size."""
        return self.encoded_size()

    def encode(self, array: Array) -> BytesLike:
        """The elements."""
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.nbytes else b""

    def decode(self, data: BytesLike) -> Array:
        """The elements as a view of `data`; raises CodecError for a wrong number of bytes."""
        assert self.spec is not None
        if len(data) != self.encoded_size():
            raise CodecError(f"{len(data)} bytes, expected {self.encoded_size()}")
        if self.spec.dtype.kind == "bool":
            array: Array = np.frombuffer(data, np.uint8) != 0
        else:
            array = np.frombuffer(data, self.spec.dtype.numpy)
        return array.reshape(self.spec.shape)


@dataclass(frozen=True, slots=True)
class FilterOnBytes(BytesBytesCodec):
    """An array filter after a codec that makes bytes, as in ``[shuffle, delta]``: it sees them as its own dtype.

    Attributes:
        codec: the filter.
        decoded: dtype that it takes.
        encoded: dtype that it makes.
    """

    codec: ArrayArrayCodec
    decoded: np.dtype[Any] = field(default=np.dtype("u1"), repr=False)
    encoded: np.dtype[Any] = field(default=np.dtype("u1"), repr=False)

    name: ClassVar[str] = "filter"
    kind: ClassVar[CodecKind] = "bytes->bytes"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Refused: it has no name in metadata."""
        raise MetadataError("an array filter on bytes has no name in metadata")

    def to_config(self) -> dict[str, Any]:
        """The filter's."""
        return self.codec.to_config()

    def bind(self, spec: ChunkSpec) -> FilterOnBytes:
        """The filter bound to its own dtype; raises MetadataError if its configuration has none."""
        config = self.codec.to_config()
        name = config.get("dtype") or config.get("decode_dtype")
        if name is None or "labels" in config:
            raise MetadataError("a filter after bytes must name its dtype", codec=self.codec.name)
        dtype = DataType.from_numpy(np.dtype(name), zarr_format=2)
        bound, made = self.codec.bind(ChunkSpec((1,), dtype, dtype.default_fill()))
        return FilterOnBytes(bound, dtype.numpy, made.dtype.numpy)

    def encoded_size(self, size: int) -> int:
        """As many elements of the dtype that it makes."""
        return size // self.decoded.itemsize * self.encoded.itemsize

    def max_encoded_size(self, size: int) -> int:
        """As many elements of the dtype that it makes."""
        return self.encoded_size(size)

    def encode(self, data: BytesLike) -> BytesLike:
        """Filter; raises CodecError for a part of an element."""
        return self._run(self.codec.encode, data, self.decoded)

    def decode(self, data: BytesLike, max_size: int) -> BytesLike:
        """Undo it; raises CodecError for a part of an element or more than `max_size` bytes."""
        if len(data) > self.encoded_size(max_size):
            raise CodecError(f"decodes to more than {max_size} bytes", codec=self.codec.name)
        return self._run(self.codec.decode, data, self.encoded)

    def _run(self, function: Any, data: BytesLike, dtype: np.dtype[Any]) -> BytesLike:
        if not len(data) or len(data) % dtype.itemsize:
            raise CodecError(f"{len(data)} bytes are no multiple of {dtype.itemsize}", codec=self.codec.name)
        try:
            made: Array = function(np.frombuffer(data, dtype))
        except AsyncZarrError as error:
            raise error.at(codec=self.codec.name) from error.__cause__
        return np.ascontiguousarray(made).view(np.uint8).data
