"""Compressors of numbers: pcodec and zfpy, the latter with the header that numcodecs writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from math import prod
from typing import Any, ClassVar, Self

import numpy as np

from ...errors import CodecError, MetadataError
from ...metadata.dtypes import Complex
from ...types import BytesLike
from ..base import Array, ArrayBytesCodec, ChunkSpec, CodecKind
from .base import Configured, Parameter, Parameters, integer, number, one_of, optional

__all__ = ["PCodec", "Zfpy"]


@dataclass(frozen=True, slots=True)
class _Numeric(Configured, ArrayBytesCodec):
    spec: ChunkSpec | None = field(default=None, compare=False)
    numbers: np.dtype[Any] | None = field(default=None, compare=False)

    kind: ClassVar[CodecKind] = "array->bytes"
    heavy: ClassVar[bool] = True
    library: ClassVar[str]
    dtypes: ClassVar[str]

    def bind(self, spec: ChunkSpec) -> Self:
        """The codec for chunks of `spec`.

        Raises:
            MetadataError: the library is not installed or has no such numbers.
        """
        try:
            import_module(self.library)
        except ImportError as error:
            raise MetadataError(f"{self.name} needs: pip install 'asynczarr[codecs]'") from error
        # numcodecs cannot write the other byte order, and what it would read has its bytes swapped.
        native = spec.dtype.itemsize is not None and spec.dtype.numpy.isnative
        made = self._numbers(spec) if native else None
        if made is None:
            raise MetadataError(f"{self.name} cannot encode data type {spec.dtype.name!r} ({spec.dtype.numpy})")
        return replace(self, spec=spec, numbers=made)

    def _numbers(self, spec: ChunkSpec) -> np.dtype[Any] | None:
        """What the library is given: the array's dtype, if the library has it."""
        return spec.dtype.numpy if spec.dtype.numpy.str[1:] in self.dtypes.split() else None

    def max_encoded_size(self) -> int:
        """Twice the size and 64 KiB: numbers that do not shrink."""
        assert self.spec is not None
        return 2 * self.spec.size * self.spec.dtype.numpy.itemsize + (1 << 16)

    def _native(self, array: Array) -> Array:
        return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


class PCodec(_Numeric):
    """Pcodec, in its standalone format; complex numbers as their parts, times as integers."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.pcodec"
    library: ClassVar[str] = "pcodec"
    dtypes: ClassVar[str] = "u2 u4 u8 i2 i4 i8 f2 f4 f8"
    parameters: ClassVar[Parameters] = {
        "level": integer(0, 12, 8),
        "mode_spec": one_of("auto", "classic", default="auto"),
        "delta_spec": one_of("auto", "none", "try_consecutive", "try_lookback", default="auto"),
        "paging_spec": one_of("equal_pages_up_to", default="equal_pages_up_to"),
        "delta_encoding_order": optional(integer(0, 7)),
        "equal_pages_up_to": integer(1, 2**24, 262144),
    }

    def _numbers(self, spec: ChunkSpec) -> np.dtype[Any] | None:
        if spec.dtype.kind in ("datetime", "timedelta"):
            return np.dtype(np.int64)
        parts = spec.dtype.component if isinstance(spec.dtype, Complex) else spec.dtype
        return super()._numbers(replace(spec, dtype=parts))

    def encode(self, array: Array) -> bytes:
        """Encode one chunk."""
        from numcodecs.pcodec import PCodec as Library

        assert self.numbers is not None
        encoded: bytes = Library(**self.config).encode(self._native(array).reshape(-1).view(self.numbers))
        return encoded

    def decode(self, data: BytesLike) -> Array:
        """Decode one chunk, into memory that is made for the chunk and not for what the data says.

        Raises:
            CodecError: malformed data, or another number of elements.
        """
        assert self.spec is not None
        assert self.numbers is not None
        array = np.empty(self.spec.shape, self.spec.dtype.numpy.newbyteorder("="))
        numbers = array.reshape(-1).view(self.numbers)
        try:
            progress = import_module("pcodec").standalone.simple_decompress_into(bytes(data), numbers)
        except (RuntimeError, TypeError, ValueError) as error:
            raise CodecError(f"not valid: {error}") from error
        if progress.n_processed != numbers.size or not progress.finished:
            raise CodecError(f"does not decode to exactly {numbers.size} numbers")
        return array.astype(self.spec.dtype.numpy, copy=False)


_EXPERT, _RATE, _PRECISION, _ACCURACY, _REVERSIBLE = range(1, 6)


class Zfpy(_Numeric):
    """zfp with a full header, one to four axes.

    Its decoder does not check where the data ends, so every chunk is padded to the most it could read.
    """

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.zfpy"
    library: ClassVar[str] = "zfpy"
    dtypes: ClassVar[str] = "i4 i8 f4 f8"
    parameters: ClassVar[Parameters] = {
        "mode": one_of(_RATE, _PRECISION, _ACCURACY, _REVERSIBLE, default=_ACCURACY),
        "tolerance": number(-1),
        "rate": number(-1),
        "precision": number(-1),
        "compression_kwargs": Parameter(lambda value: isinstance(value, dict), "an object", None),
    }

    def to_config(self) -> dict[str, Any]:
        """The configuration, without the derived ``compression_kwargs`` that numcodecs adds."""
        return {key: value for key, value in self.config.items() if key != "compression_kwargs"}

    def _numbers(self, spec: ChunkSpec) -> np.dtype[Any] | None:
        return super()._numbers(spec) if 1 <= len(spec.shape) <= 4 else None

    @property
    def _blocks(self) -> int:
        assert self.spec is not None
        return prod((length + 3) // 4 for length in self.spec.shape)

    def max_encoded_size(self) -> int:
        """Whole blocks of four along each axis, uncompressed, twice."""
        assert self.spec is not None
        block: int = 4 ** len(self.spec.shape) * self.spec.dtype.numpy.itemsize
        return 2 * self._blocks * (block + 16) + 1024

    def encode(self, array: Array) -> bytes:
        """Encode one chunk."""
        import zfpy

        parameter = {_RATE: "rate", _PRECISION: "precision", _ACCURACY: "tolerance"}.get(self.config["mode"])
        options = {} if parameter is None else {parameter: self.config[parameter]}
        encoded: bytes = zfpy.compress_numpy(self._native(array), write_header=True, **options)
        return encoded

    def decode(self, data: BytesLike) -> Array:
        """Decode one chunk.

        Raises:
            CodecError: a header of another shape, dtype or mode than the array and the configuration have.
        """
        import zfpy

        assert self.spec is not None
        if not 16 <= len(data) <= self.max_encoded_size():
            raise CodecError(f"{len(data)} bytes, expected between 16 and {self.max_encoded_size()}")
        padded = bytes(data).ljust(self.max_encoded_size() + 64, b"\0")
        try:
            header = zfpy.header(padded)
        except (ValueError, RuntimeError, TypeError, KeyError) as error:
            raise CodecError(f"not a zfp header: {error}") from error
        self._check(header, len(data))
        array: Array = zfpy.decompress_numpy(padded)
        return array.astype(self.spec.dtype.numpy, copy=False)

    def _check(self, header: Mapping[str, Any], size: int) -> None:
        assert self.spec is not None
        shape = tuple(header[axis] for axis in ("nw", "nz", "ny", "nx") if header[axis])
        if shape != self.spec.shape or np.dtype(header["type"]) != self.numbers:
            raise CodecError(f"a zfp chunk of {shape} {header['type']}, expected {self.spec.shape} {self.numbers}")
        mode = header["config"]["mode"]
        if mode != self.config["mode"]:
            raise CodecError(f"zfp mode {mode}, the configuration says {self.config['mode']}")
        if mode == _RATE and header["config"]["expert"]["minbits"] * self._blocks > 8 * size:
            raise CodecError("the zfp chunk is truncated")
