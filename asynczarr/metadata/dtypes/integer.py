"""``bool`` and the integers, ``int2`` to ``uint64``."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, ClassVar, SupportsIndex, cast

import numpy as np

from ...errors import MetadataError
from .base import DataType, Kind, bad_fill, is_int
from .small import ml_dtype

__all__ = ["Boolean", "Signed", "Unsigned", "integer"]

_BOOL = np.dtype(np.bool_)


@dataclass(frozen=True, slots=True)
class Boolean(DataType):
    """``bool``: one byte, 0 or 1."""

    name: str = "bool"
    numpy: np.dtype[Any] = _BOOL

    kind: ClassVar[Kind] = "bool"

    def scalar(self, value: Any) -> Any:
        """See :meth:`DataType.scalar`."""
        if isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, float, np.integer)) and value in (0, 1)):
            return np.bool_(value)
        raise bad_fill(self, value)

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any:
        if isinstance(value, bool) or (zarr_format == 2 and not strict and is_int(value) and value in (0, 1)):
            return np.bool_(value)
        raise bad_fill(self, value, "true or false expected")

    def _to_json(self, scalar: Any, zarr_format: int) -> Any:
        return bool(scalar)


class _Integer(DataType):
    __slots__ = ()

    @property
    def bits(self) -> int:
        """Significant bits, fewer than 8 for ``int2``, ``int4`` and their unsigned twins."""
        return int(self.name.lstrip("uint"))

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value."""
        return (0, 2**self.bits - 1) if self.kind == "uint" else (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1)

    def to_v2(self) -> str | list[Any]:
        """See :meth:`DataType.to_v2`."""
        if self.bits < 8:
            raise MetadataError(f"Zarr v2 has no data type {self.name!r}")
        return self.numpy.str

    def scalar(self, value: Any) -> Any:
        """See :meth:`DataType.scalar`."""
        whole = isinstance(value, (float, np.floating)) and value.is_integer()
        if whole or isinstance(value, self.numpy.type):  # scalars of ml_dtypes have no __index__
            return self._checked(int(value))
        try:
            return self._checked(operator.index(cast("SupportsIndex", value)))
        except TypeError as error:
            raise bad_fill(self, value) from error

    def _checked(self, value: int) -> Any:
        low, high = self.limits
        if not low <= value <= high:
            raise bad_fill(self, value, f"out of range {low}..{high}")
        return self.numpy.type(value)

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any:
        if is_int(value):
            return self._checked(value)
        if isinstance(value, float) and value.is_integer() and not strict:
            return self._checked(int(value))
        raise bad_fill(self, value, "an integer expected")

    def _to_json(self, scalar: Any, zarr_format: int) -> Any:
        return int(scalar)


class Signed(_Integer):
    """``int2``, ``int4``, ``int8`` to ``int64``."""

    __slots__ = ()

    kind: ClassVar[Kind] = "int"


class Unsigned(_Integer):
    """``uint2``, ``uint4``, ``uint8`` to ``uint64``."""

    __slots__ = ()

    kind: ClassVar[Kind] = "uint"


def integer(name: str, dtype: np.dtype[Any] | None = None) -> Signed | Unsigned:
    """The integer data type of a v3 `name`; `dtype` when its byte order matters."""
    family = Unsigned if name.startswith("u") else Signed
    if dtype is None:
        dtype = ml_dtype(name) if name.endswith(("t2", "t4")) and name[-3:] != "t64" else np.dtype(name)
    return family(name, dtype)
