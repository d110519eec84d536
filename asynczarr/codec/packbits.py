"""The ``packbits`` codec: elements of a few bits without gaps (registered extension).

Bits are counted from the least significant one, in elements and in bytes: the ``uint4`` values 6, 7 become ``0x76``.
The v2 filter of the same name counts from the other end; it is another codec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from ..errors import CodecError, MetadataError
from ..metadata.dtypes import Complex
from ..types import BytesLike
from . import config
from .base import Array, ArrayBytesCodec, ChunkSpec
from .bytes import byte_order

__all__ = ["PackBitsCodec"]

_PADDINGS = ("none", "first_byte", "last_byte")
_KINDS = ("bool", "int", "uint", "float", "complex", "datetime", "timedelta")


@dataclass(frozen=True, slots=True)
class PackBitsCodec(ArrayBytesCodec):
    """Packs the bits `first_bit` to `last_bit` of every element, of both parts of complex numbers.

    Attributes:
        padding: where the number of padding bits is stored: ``"none"``, ``"first_byte"`` or ``"last_byte"``.
        first_bit: lowest bit that is kept; ``None`` stands for 0.
        last_bit: highest bit that is kept; ``None`` stands for the highest of the data type. Signed integers are
            sign-extended from it.
    """

    padding: str = "none"
    first_bit: int | None = None
    last_bit: int | None = None
    spec: ChunkSpec | None = field(default=None, repr=False)
    name: ClassVar[str] = "packbits"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError for unknown keys or values, and if `last_bit` is below `first_bit`."""
        config.keys(configuration, "padding_encoding", "first_bit", "last_bit")
        first, last = (
            None if configuration.get(key) is None else config.integer(configuration, key, 0, 63)
            for key in ("first_bit", "last_bit")
        )
        if last is not None and last < (first or 0):
            raise MetadataError(f"'last_bit' {last} is below 'first_bit' {first}")
        return cls(config.choice(configuration, "padding_encoding", _PADDINGS, "none"), first, last)

    def to_config(self) -> dict[str, Any]:
        """``padding_encoding``, and the bits where they are given."""
        bits = {"first_bit": self.first_bit, "last_bit": self.last_bit}
        return {"padding_encoding": self.padding} | {key: bit for key, bit in bits.items() if bit is not None}

    def bind(self, spec: ChunkSpec) -> PackBitsCodec:
        """The codec for `spec`.

        Raises:
            MetadataError: a data type that is no number, or bits beyond it.
        """
        if spec.dtype.kind not in _KINDS:
            raise MetadataError(f"cannot encode data type {spec.dtype.name!r}")
        bound = replace(self, spec=spec)
        first, last, width = bound._bits()
        if not first <= last < width:
            raise MetadataError(f"bits {first} to {last} of data type {spec.dtype.name!r}, which has {width}")
        return bound

    def _bits(self) -> tuple[int, int, int]:
        """First and last bit, and the number of bits of a component."""
        dtype = self._spec.dtype
        # One byte of a bool is one bit of information.
        width = 1 if dtype.kind == "bool" else (dtype.component if isinstance(dtype, Complex) else dtype).bits or 0
        return self.first_bit or 0, width - 1 if self.last_bit is None else self.last_bit, width

    @property
    def _spec(self) -> ChunkSpec:
        if self.spec is None:
            raise MetadataError("the codec is not bound to a chunk", codec=self.name)
        return self.spec

    @property
    def _components(self) -> int:
        return self._spec.size * (2 if self._spec.dtype.kind == "complex" else 1)

    @property
    def _padding_bits(self) -> int:
        first, last, _ = self._bits()
        return -self._components * (last - first + 1) % 8

    def encoded_size(self) -> int:
        """The bits, rounded up to bytes, and the byte of the padding."""
        first, last, _ = self._bits()
        return (self._components * (last - first + 1) + 7) // 8 + (self.padding != "none")

    def max_encoded_size(self) -> int:
        """The same."""
        return self.encoded_size()

    def encode(self, array: Array) -> BytesLike:
        """Pack one chunk."""
        if byte_order(array.dtype) == "big":
            array = array.byteswap()
        first, last, width = self._bits()
        raw: Array = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        raw = raw.reshape(self._components, (width + 7) // 8)
        if (first, last) == (0, 8 * raw.shape[1] - 1):
            packed = raw.tobytes()
        else:
            bits = np.unpackbits(raw, axis=1, count=width, bitorder="little")
            packed = np.packbits(bits[:, first : last + 1], bitorder="little").tobytes()
        note = bytes([self._padding_bits])
        return {"none": packed, "first_byte": note + packed, "last_byte": packed + note}[self.padding]

    def decode(self, data: BytesLike) -> Array:
        """Unpack one chunk; bits that are not stored are zero, or the sign.

        Raises:
            CodecError: a wrong number of bytes, or a padding that contradicts it.
        """
        if len(data) != self.encoded_size():
            raise CodecError(f"{len(data)} bytes, expected {self.encoded_size()}")
        view = memoryview(data)
        if self.padding != "none":
            noted = view[0] if self.padding == "first_byte" else view[-1]
            if noted != self._padding_bits:
                raise CodecError(f"{noted} padding bits, expected {self._padding_bits}")
            view = view[1:] if self.padding == "first_byte" else view[:-1]
        dtype = self._spec.dtype.numpy
        array = self._unpack(np.frombuffer(view, np.uint8)).view(dtype).reshape(self._spec.shape)
        return array.byteswap() if byte_order(dtype) == "big" else array

    def _unpack(self, packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        first, last, width = self._bits()
        stored = (width + 7) // 8 * 8
        if (first, last) == (0, stored - 1):
            return packed
        if width == 1:
            return np.unpackbits(packed, count=self._components, bitorder="little")
        kept = last - first + 1
        bits: Array = np.unpackbits(packed, count=self._components * kept, bitorder="little")
        bits = bits.reshape(-1, kept)
        whole = np.zeros((self._components, stored), np.uint8)
        whole[:, first : last + 1] = bits
        if self._spec.dtype.kind in ("int", "datetime", "timedelta"):
            whole[:, last + 1 : width] = bits[:, -1:]
        return np.packbits(whole, axis=1, bitorder="little").reshape(-1)
