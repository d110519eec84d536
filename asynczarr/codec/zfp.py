"""The ``zfp`` codec: floating-point and integer blocks by the zfp library, with no header (registered extension)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from math import prod
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import CodecError, MetadataError
from ..types import BytesLike
from . import config
from .base import Array, ArrayBytesCodec, ChunkSpec

__all__ = ["ZfpCodec"]

_PARAMETERS = {"reversible": None, "fixed_accuracy": "tolerance", "fixed_rate": "rate", "fixed_precision": "precision"}
_EXPERT = ("minbits", "maxbits", "maxprec", "minexp")
_TYPES = {"i": ("int32", "int64"), "u": ("int32", "int64"), "f": ("float32", "float64")}


@dataclass(frozen=True, slots=True)
class ZfpCodec(ArrayBytesCodec):
    """Chunks of at most four axes, of floats or integers; integers of 8 and 16 bits are widened as zfp has it.

    The expert mode is refused: the Python binding of zfp does not offer it.

    Attributes:
        mode: ``"reversible"``, ``"fixed_accuracy"``, ``"fixed_rate"`` or ``"fixed_precision"``.
        parameter: the mode's tolerance, rate (bits an element) or precision (bits), 0 for ``"reversible"``.
    """

    mode: str = "reversible"
    parameter: float = 0
    spec: ChunkSpec | None = field(default=None, repr=False)
    name: ClassVar[str] = "zfp"
    heavy: ClassVar[bool] = True

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from ``{"mode": ..., <its parameter>: ...}``; raises MetadataError if it is anything else."""
        mode = config.choice(configuration, "mode", (*_PARAMETERS, "expert"))
        if mode == "expert":
            config.keys(configuration, "mode", *_EXPERT)
            raise MetadataError("the Python binding of zfp has no expert mode")
        parameter = _PARAMETERS[mode]
        if parameter is None:
            config.keys(configuration, "mode")
            return cls(mode)
        config.keys(configuration, "mode", parameter)
        value: Any = configuration.get(parameter)
        if type(value) not in (int, float) if parameter != "precision" else type(value) is not int:
            raise MetadataError(f"{parameter!r} must be a number, not {value!r:.80}")
        if not 0 <= value <= 1024 or (value == 0 and parameter != "tolerance"):
            raise MetadataError(f"{parameter!r} must be positive and at most 1024, not {value!r:.80}")
        return cls(mode, value)

    def to_config(self) -> dict[str, Any]:
        """The mode and its parameter."""
        parameter = _PARAMETERS[self.mode]
        return {"mode": self.mode} | ({} if parameter is None else {parameter: self.parameter})

    def bind(self, spec: ChunkSpec) -> ZfpCodec:
        """The codec for `spec`; raises MetadataError for more than four axes and for other data types."""
        if len(spec.shape) > 4:
            raise MetadataError(f"zfp takes at most 4 axes, not {len(spec.shape)}")
        dtype = spec.dtype.numpy
        numeric = dtype.kind in "iumM" or (dtype.kind == "f" and dtype.itemsize >= 4)
        if not numeric or (self.mode == "fixed_accuracy" and dtype.kind != "f"):
            raise MetadataError(f"zfp in mode {self.mode!r} cannot encode data type {spec.dtype.name!r}")
        return replace(self, spec=spec)

    @property
    def _spec(self) -> ChunkSpec:
        if self.spec is None:
            raise MetadataError("the codec is not bound to a chunk", codec=self.name)
        return self.spec

    def max_encoded_size(self) -> int:
        """Blocks of 4 elements an axis, each with all its bits and what zfp adds; rounded up to words."""
        values: int = 4 ** max(len(self._spec.shape), 1)
        blocks: int = prod(-(-length // 4) for length in self._spec.shape)
        bits = 32 + values * (1 + 8 * max(self._wide().itemsize, 4))
        if self.mode == "fixed_rate":
            bits = max(bits, int(values * self.parameter) + 1)
        return (blocks * bits + 7) // 8 + 64

    def _wide(self) -> np.dtype[Any]:
        dtype = self._spec.dtype.numpy
        return np.dtype(_TYPES.get(dtype.kind, _TYPES["i"])[dtype.itemsize == 8])

    def _options(self) -> dict[str, Any]:
        parameter = _PARAMETERS[self.mode]
        return {} if parameter is None else {parameter: self.parameter}

    def encode(self, array: Array) -> BytesLike:
        """Encode one chunk; raises CodecError for unsigned integers of 32 and 64 bits above the largest signed one."""
        if not array.size:
            return b""
        wide = _promote(np.ascontiguousarray(array).reshape(self._spec.shape or (1,)), self._wide())
        encoded: bytes = _library().compress_numpy(wide, write_header=False, **self._options())
        return encoded

    def decode(self, data: BytesLike) -> Array:
        """Decode one chunk.

        Raises:
            CodecError: too many bytes, or too few for the elements of a chunk.
        """
        spec, limit = self._spec, self.max_encoded_size()
        if len(data) > limit or (not len(data) and spec.size):
            raise CodecError(f"{len(data)} bytes, expected at most {limit}" + " and some" * (not len(data)))
        if not spec.size:
            return np.zeros(spec.shape, spec.dtype.numpy)
        # zfp reads on past the end of a stream that is too short: there has to be something, and if it matters what it
        # is, bytes are missing.
        array, check = (self._decompress(bytes(data) + fill * (limit - len(data) + 8)) for fill in (b"\0", b"\xff"))
        if array.tobytes() != check.tobytes():
            raise CodecError(f"{len(data)} bytes are too few for a chunk of shape {spec.shape}")
        return _demote(array, spec.dtype.numpy).reshape(spec.shape)

    def _decompress(self, data: bytes) -> Array:
        library = _library()
        ztype = library.dtype_to_ztype(self._wide())
        array: Array = library._decompress(data, ztype, self._spec.shape or (1,), **self._options())
        return array


def _promote(array: Array, wide: np.dtype[Any]) -> Array:
    dtype = array.dtype
    if dtype.kind in "fmM" or (dtype.kind == "i" and dtype.itemsize >= 4):
        return array.view(wide)
    if dtype.itemsize >= 4:
        if array.max() > np.iinfo(wide).max:
            raise CodecError(f"zfp holds unsigned integers only up to {np.iinfo(wide).max}")
        return array.astype(wide)
    bits = 8 * dtype.itemsize
    widened: Array = (array.astype(wide) - (1 << (bits - 1)) * (dtype.kind == "u")) << (31 - bits)
    return widened


def _demote(array: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind in "fmM" or (dtype.kind == "i" and dtype.itemsize >= 4):
        return array.view(dtype)
    if dtype.itemsize >= 4:
        return np.maximum(array, 0).astype(dtype)
    bits, info = 8 * dtype.itemsize, np.iinfo(dtype)
    shifted: Array = (array >> (31 - bits)) + (1 << (bits - 1)) * (dtype.kind == "u")
    demoted: Array = np.clip(shifted, info.min, info.max).astype(dtype)
    return demoted


@cache
def _library() -> ModuleType:
    try:
        return import_module("zfpy")
    except ImportError as error:
        raise MetadataError("the zfp codec needs zfpy: install asynczarr[codecs]", codec="zfp") from error
