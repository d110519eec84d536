"""From array to array: delta, fixedscaleoffset, quantize, astype, categorize and packbits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from ...errors import CodecError, MetadataError
from ...metadata.dtypes import DataType
from ..base import Array, ArrayArrayCodec, ChunkSpec, CodecKind
from ..bitround import BitRoundCodec
from ..config import keys
from ..fill import filled
from .base import Configured, Parameter, Parameters, dtype, integer, number, optional

__all__ = ["AsType", "BitRound", "Categorize", "Delta", "FixedScaleOffset", "PackBits", "Quantize"]


@dataclass(frozen=True, slots=True)
class _Filter(Configured, ArrayArrayCodec):
    """A filter that numcodecs computes on a flat array and that keeps the number of elements.

    As in numcodecs, the bytes of the array are looked at as the dtype of the configuration, and nothing checks that
    the encoded dtype can hold what it is given. Filters that calculate with values (`same`) take none but a dtype of
    the same kind: numbers are then what they look like.
    """

    spec: ChunkSpec | None = field(default=None, compare=False)
    library: Any = field(default=None, compare=False, repr=False)

    kind: ClassVar[CodecKind] = "array->array"
    class_name: ClassVar[str]
    kinds: ClassVar[str] = "biufcmMUO"
    same: ClassVar[bool] = True
    decoded: ClassVar[str] = "dtype"
    encoded: ClassVar[str] = "astype"

    def bind(self, spec: ChunkSpec) -> tuple[Self, ChunkSpec]:
        """The filter with its dtypes known: the array's unless the configuration names another of the same size.

        Raises:
            MetadataError: a dtype of another size, one that the filter cannot calculate with or that numcodecs refuses.
        """
        import numcodecs

        config = dict(self.config)
        config[self.decoded] = config[self.decoded] or spec.dtype.numpy.str
        config[self.encoded] = config[self.encoded] or config[self.decoded]
        try:
            decoded, encoded = np.dtype(config[self.decoded]), np.dtype(config[self.encoded])
        except TypeError as error:  # data types that NumPy itself does not have
            raise MetadataError(f"the filter is not for data type {spec.dtype.name!r}") from error
        looked_at, stored = ("i" if kind in "iumM" else kind for kind in (decoded.kind, spec.dtype.numpy.kind))
        if decoded.kind not in self.kinds or (self.same and looked_at != stored and not _is_text(spec)):
            raise MetadataError(f"the filter is for dtype {decoded}, which {spec.dtype.numpy} is not to it")
        if decoded.hasobject != _is_text(spec) or (not decoded.hasobject and decoded.itemsize != spec.dtype.itemsize):
            raise MetadataError(f"the filter is for dtype {decoded}, the array has {spec.dtype.numpy}")
        try:
            library = getattr(numcodecs, self.class_name)(**config)
            bound = type(self)(config, spec, library)
            fill = bound._run(library.encode, filled((1,), spec.dtype.numpy, spec.fill), encoded)[0]
        except (TypeError, ValueError, CodecError) as error:
            raise MetadataError(f"numcodecs refuses the configuration: {error}") from error
        made = spec.dtype if encoded == spec.dtype.numpy else DataType.from_numpy(encoded, zarr_format=2)
        return bound, ChunkSpec(spec.shape, made, fill)

    def encode(self, array: Array) -> Array:
        """Filter one chunk."""
        encoded = np.dtype(self.config[self.encoded])
        return self._run(self.library.encode, array, encoded).reshape(array.shape)

    def decode(self, array: Array) -> Array:
        """Undo the filter; raises CodecError if numcodecs cannot."""
        assert self.spec is not None
        return self._run(self.library.decode, array, self.spec.dtype.numpy).reshape(array.shape)

    def _run(self, function: Any, array: Array, made: np.dtype[Any]) -> Array:
        try:
            with np.errstate(all="ignore"):
                result = np.asarray(function(np.ascontiguousarray(array).reshape(-1)))
        except (TypeError, ValueError) as error:
            raise CodecError(f"numcodecs refuses the chunk: {error}") from error
        text = made.kind in ("O", "T") or result.dtype.kind == "O"
        return result.astype(made) if text else result.view(made)


def _is_text(spec: ChunkSpec) -> bool:
    return spec.dtype.itemsize is None


class Delta(_Filter):
    """Differences of neighbours, in C order of the chunk."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.delta"
    class_name: ClassVar[str] = "Delta"
    kinds: ClassVar[str] = "iufcm"  # it would take booleans, and lose them
    same: ClassVar[bool] = False
    parameters: ClassVar[Parameters] = {"dtype": optional(dtype()), "astype": optional(dtype())}


class FixedScaleOffset(_Filter):
    """``round((x - offset) * scale)``."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.fixedscaleoffset"
    class_name: ClassVar[str] = "FixedScaleOffset"
    kinds: ClassVar[str] = "iufc"
    parameters: ClassVar[Parameters] = {
        "offset": number(),
        "scale": number(),
        "dtype": optional(dtype()),
        "astype": optional(dtype()),
    }


class Quantize(_Filter):
    """Floats rounded to a number of decimal digits."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.quantize"
    class_name: ClassVar[str] = "Quantize"
    parameters: ClassVar[Parameters] = {
        "digits": integer(-400, 400),
        "dtype": optional(dtype("f")),
        "astype": optional(dtype("f")),
    }


class AsType(_Filter):
    """Conversion to another dtype by the rules of NumPy."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.astype"
    class_name: ClassVar[str] = "AsType"
    decoded: ClassVar[str] = "decode_dtype"
    encoded: ClassVar[str] = "encode_dtype"
    parameters: ClassVar[Parameters] = {"encode_dtype": dtype(), "decode_dtype": optional(dtype())}


class BitRound(BitRoundCodec):
    """``bitround`` under the name that zarr-python knows."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.bitround"


def _is_labels(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(label, str) for label in value)


class Categorize(_Filter):
    """Strings as numbers: 0 for strings that are no label, which decode to ``""``, else 1 + the label's position."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.categorize"
    class_name: ClassVar[str] = "Categorize"
    parameters: ClassVar[Parameters] = {
        "labels": Parameter(_is_labels, "a list of strings"),
        "dtype": dtype("UO"),
        "astype": dtype("biuf", "u1"),
    }


@dataclass(frozen=True, slots=True)
class PackBits(ArrayArrayCodec):
    """Booleans as bits, the first in the highest bit, after one byte that counts the unused bits of the last byte.

    Not the ``packbits`` of v3, which starts at the lowest bit.
    """

    spec: ChunkSpec | None = field(default=None, compare=False)

    name: ClassVar[str] = "numcodecs.packbits"
    kind: ClassVar[CodecKind] = "array->array"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError if there is any configuration."""
        keys(configuration)
        return cls()

    def to_config(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def bind(self, spec: ChunkSpec) -> tuple[PackBits, ChunkSpec]:
        """The codec for booleans; raises MetadataError for anything else."""
        if spec.dtype.kind != "bool":
            raise MetadataError(f"packbits is for booleans, not {spec.dtype.name}")
        packed = ChunkSpec((1 + (spec.size + 7) // 8,), DataType.from_v3("uint8"), np.uint8(0))
        return PackBits(spec), packed

    def encode(self, array: Array) -> Array:
        """Pack one chunk."""
        return np.concatenate([np.array([-array.size % 8], np.uint8), np.packbits(array)])

    def decode(self, array: Array) -> Array:
        """Unpack one chunk; raises CodecError if the count of unused bits is wrong."""
        assert self.spec is not None
        size = self.spec.size
        if array[0] != -size % 8:
            raise CodecError(f"{array[0]} unused bits, expected {-size % 8}")
        return np.unpackbits(array[1:], count=size).view(np.bool_).reshape(self.spec.shape)
