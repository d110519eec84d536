"""The ``scale_offset`` codec: ``(value - offset) * scale`` in the data type of the array (registered extension)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import CodecError, MetadataError
from . import config
from .base import Array, ArrayArrayCodec, ChunkSpec

__all__ = ["ScaleOffsetCodec"]


@dataclass(frozen=True, slots=True)
class ScaleOffsetCodec(ArrayArrayCodec):
    """Subtracts an offset and multiplies by a scale when encoding.

    Nothing is rounded beyond the arithmetic of the data type: an integer that overflows or that the scale does not
    divide, and a finite float that becomes infinite, are errors.

    Attributes:
        offset: as in the document, a fill value of the array's data type; ``None`` for 0.
        scale: likewise; ``None`` for 1. Never zero.
    """

    offset: Any = None
    scale: Any = None
    bound: tuple[Any, Any, bool] = field(default=(None, None, False), repr=False)
    name: ClassVar[str] = "scale_offset"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from ``{"offset": ..., "scale": ...}``; raises MetadataError for other keys."""
        config.keys(configuration, "offset", "scale")
        return cls(configuration.get("offset"), configuration.get("scale"))

    def to_config(self) -> dict[str, Any]:
        """Whichever of ``offset`` and ``scale`` are given."""
        given = {"offset": self.offset, "scale": self.scale}
        return {key: value for key, value in given.items() if value is not None}

    def bind(self, spec: ChunkSpec) -> tuple[ScaleOffsetCodec, ChunkSpec]:
        """The codec for `spec`, of which only the fill value changes.

        Raises:
            MetadataError: a data type that is not numeric, an offset or scale that is none of its values, a scale of
                zero or NaN, or a fill value that cannot be encoded.
        """
        dtype = spec.dtype
        # The smallest floats have no infinity that would show an overflow, small complex numbers no arithmetic.
        small = dtype.bits in (4, 6) if dtype.kind == "float" else dtype.kind == "complex" and dtype.numpy.kind != "c"
        if dtype.kind not in ("int", "uint", "float", "complex") or small:
            raise MetadataError(f"cannot scale data type {dtype.name!r}")
        offset = dtype.scalar(0) if self.offset is None else dtype.fill_from_json(self.offset)
        scale = dtype.scalar(1) if self.scale is None else dtype.fill_from_json(self.scale)
        if scale == 0 or np.isnan(scale):
            raise MetadataError(f"'scale' must not be {self.scale!r:.80}")
        codec = replace(self, bound=(offset, scale, dtype.kind in ("int", "uint")))
        try:
            fill = codec.encode(np.array([spec.fill], dtype.numpy))[0]
        except CodecError as error:
            raise MetadataError(f"the fill value cannot be encoded: {error.reason}") from error
        return codec, replace(spec, fill=fill)

    def encode(self, array: Array) -> Array:
        """``(array - offset) * scale``; raises CodecError for a result that the data type does not hold."""
        offset, scale, exact = self.bound
        if exact:
            _check_range(array, lambda value: ((value - int(offset)), (value - int(offset)) * int(scale)))
            result: Array = (array - offset) * scale
            return result
        with np.errstate(all="ignore"):
            moved: Array = array - offset
            scaled: Array = moved * scale
        _check_finite(array, moved, scaled)
        return scaled

    def decode(self, array: Array) -> Array:
        """``array / scale + offset``; raises CodecError for a result that the data type does not hold."""
        offset, scale, exact = self.bound
        if exact:
            if array.size and (array % scale).any():
                raise CodecError(f"a value is no multiple of the scale {scale}")
            _check_range(array, lambda value: (value // int(scale), value // int(scale) + int(offset)))
            result: Array = array // scale + offset
            return result
        with np.errstate(all="ignore"):
            scaled: Array = array / scale
            moved: Array = scaled + offset
        _check_finite(array, scaled, moved)
        return moved


def _check_range(array: Array, steps: Callable[[int], tuple[int, ...]]) -> None:
    # Every step is monotonic: if the smallest and the largest element stay in range, so do all others.
    if not array.size:
        return
    low, high = _limits(array.dtype)
    for extreme in (int(array.min()), int(array.max())):
        for value in steps(extreme):
            if not low <= value <= high:
                raise CodecError(f"{extreme} becomes {value}, which {array.dtype} does not hold")


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    if dtype.kind in "iu":
        native = np.iinfo(dtype)
        return int(native.min), int(native.max)
    import ml_dtypes

    small: Any = ml_dtypes.iinfo(dtype)  # type: ignore[no-untyped-call]  # it has no annotations
    return int(small.min), int(small.max)


def _check_finite(array: Array, *results: Array) -> None:
    finite = np.isfinite(array)
    for result in results:
        if not np.isfinite(result[finite]).all():
            raise CodecError(f"a finite value becomes one that {array.dtype} does not hold")
