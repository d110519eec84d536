"""The ``bytes`` codec: elements one after the other, in C order (v3 specification, "Bytes codec")."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias, cast

import numpy as np

from ..errors import CodecError, MetadataError
from ..metadata.dtypes import Complex, DataType
from ..types import BytesLike
from . import config
from .base import Array, ArrayBytesCodec, ChunkSpec

__all__ = ["BytesCodec", "Endian", "byte_order"]

Endian: TypeAlias = Literal["little", "big"]

_NATIVE: Endian = sys.byteorder


@dataclass(frozen=True, slots=True)
class BytesCodec(ArrayBytesCodec):
    """The elements as they are in memory, in one byte order.

    Attributes:
        endian: byte order of stored elements and of each field in them; may be ``None`` where an element has no
            parts of several bytes. Structured data types that do not name one are little-endian, as older writers
            meant it.
        spec: what it is bound to.
        plain: stored elements are those in memory, bit by bit.
    """

    endian: Endian | None = None
    spec: ChunkSpec | None = field(default=None, repr=False)
    plain: bool = field(default=False, repr=False, compare=False)
    name: ClassVar[str] = "bytes"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from ``{"endian": "little" | "big"}``; raises MetadataError if it is anything else."""
        config.keys(configuration, "endian")
        if configuration.get("endian") is None:
            return cls()
        return cls(cast("Endian", config.choice(configuration, "endian", ("little", "big"))))

    def to_config(self) -> dict[str, Any]:
        """``{"endian": ...}`` or nothing."""
        return {} if self.endian is None else {"endian": self.endian}

    def bind(self, spec: ChunkSpec) -> BytesCodec:
        """The codec for `spec`.

        Raises:
            MetadataError: elements of varying length, or a missing byte order.
        """
        if spec.dtype.itemsize is None:
            raise MetadataError(f"elements of data type {spec.dtype.name!r} have no fixed size")
        endian = self.endian
        if endian is None and byte_order(spec.dtype.numpy) is not None:
            if spec.dtype.kind != "struct":
                raise MetadataError(f"'endian' is required for data type {spec.dtype.name!r}")
            endian = "little"
        plain = byte_order(spec.dtype.numpy) in (None, endian) and not _has_idle_bits(spec.dtype)
        return replace(self, endian=endian, spec=spec, plain=plain)

    def encoded_size(self) -> int:
        """Elements times their size."""
        return _bound(self.spec).size * _bound(self.spec).dtype.numpy.itemsize

    def max_encoded_size(self) -> int:
        """Elements times their size."""
        return self.encoded_size()

    def encode(self, array: Array) -> BytesLike:
        """The elements in C order, as a view of `array` where nothing needs to be moved."""
        if byte_order(array.dtype) not in (None, self.endian):
            array = array.byteswap()
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b""

    def decode(self, data: BytesLike) -> Array:
        """The elements, as a view of `data` where the byte order is the one of the data type.

        Raises:
            CodecError: a wrong number of bytes.
        """
        spec = _bound(self.spec)
        if len(data) != self.encoded_size():
            raise CodecError(f"{len(data)} bytes, expected {self.encoded_size()}")
        dtype = spec.dtype.numpy
        if not len(data):
            return np.zeros(spec.shape, dtype)
        array = np.frombuffer(data, dtype)
        if self.plain:
            return array.reshape(spec.shape)
        if byte_order(dtype) not in (None, self.endian):
            array = array.byteswap()
        return _clean(array, spec.dtype).reshape(spec.shape)


def byte_order(dtype: np.dtype[Any]) -> Endian | None:
    """The byte order of a dtype, ``None`` if it has no parts of several bytes.

    Raises:
        MetadataError: the fields of a structured dtype are of both.
    """
    if dtype.subdtype is not None:
        return byte_order(dtype.subdtype[0])
    if dtype.fields is not None:
        found: list[Endian] = [order for each in dtype.fields.values() if (order := byte_order(each[0])) is not None]
        if len(set(found)) > 1:
            raise MetadataError(f"fields of both byte orders: {dtype}")
        return found[0] if found else None
    # Small floats are of kind V as raw bytes are, and byteorder "=".
    if dtype.byteorder == "|" or dtype.itemsize == 1 or dtype.type is np.void:
        return None
    orders: dict[str, Endian] = {"<": "little", ">": "big", "=": _NATIVE}
    return orders[dtype.byteorder]


def _clean(array: Array, dtype: DataType) -> Array:
    """The flat array without bits that mean nothing: what is equal in value is equal in memory."""
    if dtype.kind == "bool":
        raw = array.view(np.uint8)
        return raw != 0 if raw.max() > 1 else array
    bits = _bits(dtype)
    if bits is not None and bits < 8:
        return (array.view(np.uint8) & np.uint8((1 << bits) - 1)).view(array.dtype)
    return array


def _has_idle_bits(dtype: DataType) -> bool:
    bits = _bits(dtype)
    return dtype.kind == "bool" or (bits is not None and bits < 8)


def _bits(dtype: DataType) -> int | None:
    return dtype.component.bits if isinstance(dtype, Complex) else dtype.bits


def _bound(spec: ChunkSpec | None) -> ChunkSpec:
    if spec is None:
        raise MetadataError("the codec is not bound to a chunk", codec="bytes")
    return spec
