"""The ``bitround`` codec: fewer significant bits, for compressors behind it (registered extension)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from ..errors import MetadataError
from ..metadata.dtypes import Complex
from . import config
from .base import Array, ArrayArrayCodec, ChunkSpec

__all__ = ["BitRoundCodec"]

_MANTISSA = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}


@dataclass(frozen=True, slots=True)
class BitRoundCodec(ArrayArrayCodec):
    """Rounds to nearest, ties to even, when encoding; decoding leaves everything as it is.

    NaN and infinity stay what they are.

    Attributes:
        keepbits: bits of the mantissa that floats (both parts of complex numbers) keep, or the bits that integers keep
            counted from their highest set bit; data types with fewer are not changed.
    """

    keepbits: int
    mantissa: int | None = field(default=None, repr=False)
    width: int = field(default=0, repr=False)
    signed: bool = field(default=False, repr=False)
    name: ClassVar[str] = "bitround"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from ``{"keepbits": 1...}``; raises MetadataError if it is anything else."""
        config.keys(configuration, "keepbits")
        return cls(config.integer(configuration, "keepbits", 1, 2**31))

    def to_config(self) -> dict[str, Any]:
        """``{"keepbits": ...}``."""
        return {"keepbits": self.keepbits}

    def bind(self, spec: ChunkSpec) -> tuple[BitRoundCodec, ChunkSpec]:
        """The codec for `spec`, of which only the fill value changes; raises MetadataError for other data types."""
        dtype = spec.dtype
        part = dtype.component if isinstance(dtype, Complex) else dtype
        if part.kind == "float" and part.name in _MANTISSA:
            mantissa: int | None = _MANTISSA[part.name]
        elif dtype.kind in ("int", "uint", "datetime", "timedelta") and (dtype.bits or 0) >= 8:
            mantissa = None
        else:
            raise MetadataError(f"cannot round data type {dtype.name!r}")
        bound = replace(self, mantissa=mantissa, width=part.numpy.itemsize, signed=dtype.kind != "uint")
        fill = bound.encode(np.array(spec.fill, dtype.numpy).reshape(()))[()]
        return bound, replace(spec, fill=fill)

    def encode(self, array: Array) -> Array:
        """A rounded copy."""
        native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        bits = native.reshape(-1).view(f"u{self.width}")
        rounded = self._round_ints(bits) if self.mantissa is None else self._round_floats(bits, self.mantissa)
        return rounded.view(native.dtype).reshape(array.shape).astype(array.dtype, copy=False)

    def decode(self, array: Array) -> Array:
        """The array."""
        return array

    def _round_floats(self, bits: npt.NDArray[Any], mantissa: int) -> npt.NDArray[Any]:
        if (drop := mantissa - self.keepbits) <= 0:
            return bits
        one = bits.dtype.type(1)
        rounded = bits + (bits >> drop & one) + ((one << drop - 1) - one)
        rounded &= ~((one << drop) - one)
        exponent = ((one << 8 * self.width - 1 - mantissa) - one) << mantissa
        return np.where(bits & exponent == exponent, bits, rounded)

    def _round_ints(self, bits: npt.NDArray[Any]) -> npt.NDArray[Any]:
        one, keep = bits.dtype.type(1), min(self.keepbits, 8 * self.width)
        drop = np.maximum(_bit_length(bits), keep).astype(bits.dtype) - bits.dtype.type(keep)
        mask = ~((one << drop) - one)
        half = (one << np.maximum(drop, one) - one) - one
        rounded = bits + (bits >> drop & one) + half
        # Where rounding up leaves the data type, or gets a sign, the bits are cut off instead.
        limit = bits.dtype.type(1 << 8 * self.width - 1) if self.signed else bits.dtype.type(0)
        overflow = (rounded < bits) | ((bits < limit) & (rounded >= limit))
        return np.where(drop == 0, bits, np.where(overflow, bits, rounded) & mask)


def _bit_length(bits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    below = bits.copy()
    for shift in (1, 2, 4, 8, 16, 32)[: bits.itemsize.bit_length() + 2]:
        below |= below >> bits.dtype.type(shift)
    length: npt.NDArray[Any] = np.bitwise_count(below)
    return length
