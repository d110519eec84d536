"""Floats and complex numbers, from ``float4_e2m1fn`` to ``complex128``, and their fill values bit by bit.

Complex numbers of small floats have no NumPy dtype: they are structured, with fields ``real`` and ``imag``.
"""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

import numpy as np

from ...errors import MetadataError
from .base import DataType, Kind, bad_fill
from .small import ml_dtype

__all__ = ["COMPLEX", "FLOATS", "Complex", "Float", "complex_of", "floating"]

_BITS = {"bfloat16": 16, "float4_e2m1fn": 4, "float6_e2m3fn": 6, "float6_e3m2fn": 6}

_NAN = {
    "float16": 0x7E00,
    "float32": 0x7FC00000,
    "float64": 0x7FF8000000000000,
    "bfloat16": 0x7FC0,
    "float8_e3m4": 0x78,
    "float8_e4m3": 0x7C,
    "float8_e4m3b11fnuz": 0x80,
    "float8_e4m3fnuz": 0x80,
    "float8_e5m2": 0x7E,
    "float8_e5m2fnuz": 0x80,
    "float8_e8m0fnu": 0xFF,
}
"""Bits of the fill value ``"NaN"``: positive and quiet with nothing else set, or the only NaN there is."""

FLOATS = (*_NAN, "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn")
"""Names of all floats."""

COMPLEX = {"complex64": "float32", "complex128": "float64"} | {f"complex_{name}": name for name in FLOATS}
"""Names of all complex numbers, and of their components."""

_INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}
_LOOSE_NUMBER = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,5})?|[+-]?Infinity")


class Float(DataType):
    """A float: ``float16``, ``float32``, ``float64``, ``bfloat16`` and the 4, 6 and 8 bit ones.

    Numbers in documents are what JSON readers make of them, integers or float64, rounded half to even to the type.
    """

    __slots__ = ()

    kind: ClassVar[Kind] = "float"

    @property
    def bits(self) -> int:
        """Significant bits, fewer than 8 for ``float4_*`` and ``float6_*``."""
        return _BITS.get(self.name, 8 * self.numpy.itemsize)

    @property
    def has_infinity(self) -> bool:
        """Whether the type can express an infinity."""
        return self.name in _NAN and not self.name.endswith(("fnuz", "fnu"))

    def to_v2(self) -> str | list[Any]:
        """See :meth:`DataType.to_v2`."""
        if self.numpy.kind != "f" or self.name not in ("float16", "float32", "float64"):
            raise MetadataError(f"Zarr v2 has no data type {self.name!r}")
        return self.numpy.str

    def from_bits(self, bits: int) -> Any:
        """The scalar with this bit pattern."""
        native = self.numpy.newbyteorder("=")
        return np.array([bits], dtype=f"u{native.itemsize}").view(native)[0]

    def to_bits(self, scalar: Any) -> int:
        """The bit pattern of a scalar."""
        native = self.numpy.newbyteorder("=")
        return int(np.array([scalar], dtype=native).view(f"u{native.itemsize}")[0])

    def scalar(self, value: Any) -> Any:
        """See :meth:`DataType.scalar`."""
        if isinstance(value, np.generic) and value.dtype == self.numpy.newbyteorder("="):
            return value
        if isinstance(value, str):
            return self._from_json(value, 3, False)
        if isinstance(value, (np.character, np.datetime64, np.timedelta64, np.complexfloating)):
            raise bad_fill(self, value)
        try:
            number = value if isinstance(value, int) else float(value)
        except (TypeError, ValueError) as error:
            raise bad_fill(self, value) from error
        return self._rounded(number, infinite=isinstance(number, float) and math.isinf(number))

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any:
        if isinstance(value, str):
            return self._from_text(value, zarr_format, strict)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise bad_fill(self, value)
        if value != value and (strict or zarr_format == 3):
            raise bad_fill(self, value, 'NaN is written as "NaN"')
        return self._rounded(value, infinite=not strict)

    def _from_text(self, text: str, zarr_format: int, strict: bool) -> Any:
        if text == "NaN":
            return self._rounded(math.nan)
        if text in _INFINITIES:
            return self._rounded(_INFINITIES[text], infinite=True)
        if zarr_format == 3 and text.startswith("0x"):
            if re.fullmatch(f"[0-9a-fA-F]{{{2 * self.numpy.itemsize}}}", text[2:]) is None:
                raise bad_fill(self, text, f"{2 * self.numpy.itemsize} hexadecimal digits expected")
            return self.from_bits(int(text, 16))
        if not strict and _LOOSE_NUMBER.fullmatch(text):
            return self._rounded(float(text), infinite=text.endswith("Infinity"))
        raise bad_fill(self, text)

    def _rounded(self, value: float, *, infinite: bool = False) -> Any:
        """Round half to even, once; `infinite` allows a result beyond the largest finite number."""
        if value != value:
            if self.name not in _NAN:
                raise bad_fill(self, value, "the type has no NaN")
            return self.from_bits(_NAN[self.name])
        with np.errstate(all="ignore"):
            scalar = self.numpy.type(_for_rounding(value, self.name))
        result = float(scalar)
        if math.isinf(result) and not infinite:
            raise bad_fill(self, value, "out of range")
        if math.isnan(result) or (not self.has_infinity and abs(value) > _largest(self)):
            raise bad_fill(self, value, "out of range")
        return scalar

    def _to_json(self, scalar: Any, zarr_format: int) -> Any:
        value = float(scalar)
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        if not math.isnan(value):
            return value
        bits = self.to_bits(scalar)
        # v2 has no way to write another NaN than "NaN".
        return "NaN" if zarr_format == 2 or bits == _NAN[self.name] else f"0x{bits:0{2 * self.numpy.itemsize}x}"


def _largest(dtype: Float) -> float:
    import ml_dtypes

    finfo: Any = ml_dtypes.finfo
    return float(finfo(dtype.numpy).max)


def _for_rounding(value: float, name: str) -> Any:
    """`value` as a float that NumPy or ``ml_dtypes`` rounds to the float `name` as if it were `value` itself.

    Where an intermediate type is in the way it is rounded to odd, which makes rounding twice the same as rounding once.
    """
    if name == "float64":
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    number = _odd_float64(value) if isinstance(value, int) else value
    if name in ("float16", "float32"):
        return np.float64(number)
    single = np.float32(number)
    if math.isinf(single) or float(single) == number:
        return single
    if abs(float(single)) > abs(number):
        single = np.nextafter(single, np.float32(0))
    return (single.view(np.uint32) | np.uint32(1)).view(np.float32)


def _odd_float64(value: int) -> float:
    excess = max(0, abs(value).bit_length() - 53)
    if abs(value).bit_length() > 1024:
        return math.inf if value > 0 else -math.inf
    kept = abs(value) >> excess
    odd = kept | 1 if kept << excess != abs(value) else kept
    return math.ldexp(odd if value > 0 else -odd, excess)


class Complex(DataType):
    """A complex number: real then imaginary part, each a :class:`Float`."""

    __slots__ = ()

    kind: ClassVar[Kind] = "complex"

    @property
    def component(self) -> Float:
        """The data type of the real and of the imaginary part, in native byte order."""
        return floating(COMPLEX[self.name])

    @property
    def bits(self) -> int:
        """Significant bits of both parts."""
        return 2 * self.component.bits

    @property
    def has_byte_order(self) -> bool:
        """Whether its parts have more than one byte."""
        return self.component.has_byte_order

    def to_v2(self) -> str | list[Any]:
        """See :meth:`DataType.to_v2`."""
        if self.numpy.kind != "c":
            raise MetadataError(f"Zarr v2 has no data type {self.name!r}")
        return self.numpy.str

    def join(self, real: Any, imag: Any) -> Any:
        """The complex scalar of two scalars of :attr:`component`, bits untouched."""
        parts = np.array([real, imag], dtype=self.component.numpy)
        return parts.view(self.numpy.newbyteorder("="))[0]

    def split(self, scalar: Any) -> tuple[Any, Any]:
        """Real and imaginary part of a scalar, bits untouched."""
        parts = np.array([scalar], dtype=self.numpy.newbyteorder("=")).view(self.component.numpy)
        return parts[0], parts[1]

    def scalar(self, value: Any) -> Any:
        """See :meth:`DataType.scalar`."""
        if isinstance(value, np.generic) and value.dtype == self.numpy.newbyteorder("="):
            return value
        component = self.component
        if isinstance(value, (complex, np.complexfloating)):
            return self.join(component.scalar(value.real), component.scalar(value.imag))
        if isinstance(value, (list, tuple)) and len(value) == 2:
            return self.join(component.scalar(value[0]), component.scalar(value[1]))
        return self.join(component.scalar(value), component.scalar(0))

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any:
        component = self.component
        if isinstance(value, list) and len(value) == 2 and None not in value:
            parts = [component._from_json(part, zarr_format, strict) for part in value]
            return self.join(*parts)
        if zarr_format == 2 and not strict and isinstance(value, (int, float)):
            return self.join(component.fill_from_json(value), component.scalar(0))
        raise bad_fill(self, value, "a list of two floats expected")

    def _to_json(self, scalar: Any, zarr_format: int) -> Any:
        component = self.component
        return [component.fill_to_json(part, zarr_format=3 if zarr_format == 3 else 2) for part in self.split(scalar)]


def floating(name: str, dtype: np.dtype[Any] | None = None) -> Float:
    """The float of a v3 `name`; `dtype` when its byte order matters."""
    if dtype is None:
        dtype = np.dtype(name) if name in ("float16", "float32", "float64") else ml_dtype(name)
    return Float(name, dtype)


def complex_of(name: str, dtype: np.dtype[Any] | None = None) -> Complex:
    """The complex number of a v3 `name`; `dtype` when its byte order matters."""
    if dtype is None:
        part = floating(COMPLEX[name]).numpy
        wide = {"float32": np.complex64, "float64": np.complex128}.get(COMPLEX[name])
        dtype = np.dtype(wide) if wide is not None else np.dtype([("real", part), ("imag", part)])
    return Complex(name, dtype)
