"""``numpy.datetime64`` and ``numpy.timedelta64``: 64 bit counts of a unit, with NaT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ...errors import MetadataError
from .base import DataType, Kind, bad_fill, is_int

__all__ = ["Datetime", "Timedelta", "UNITS", "time_of", "time_type"]

UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "\u03bcs", "\u00b5s", "ns", "ps", "fs", "as", "generic")
"""Units of time; microseconds have three spellings."""

_NAT = -(2**63)


class _Time(DataType):
    __slots__ = ()

    @property
    def configuration(self) -> dict[str, Any]:
        """``unit`` and ``scale_factor``."""
        unit, scale = np.datetime_data(self.numpy)
        return {"unit": unit, "scale_factor": scale}

    def to_v2(self) -> str | list[Any]:
        """See :meth:`DataType.to_v2`."""
        unit, scale = np.datetime_data(self.numpy)
        count = "" if scale == 1 else str(scale)
        return f"{self.numpy.str[:3]}[{count}{unit}]"

    def scalar(self, value: Any) -> Any:
        """See :meth:`DataType.scalar`."""
        if is_int(value) or (isinstance(value, np.integer) and not isinstance(value, np.timedelta64)):
            return self._from_json(int(value), 3, True)
        try:
            scalar = np.array(value, dtype=self.numpy.newbyteorder("="))[()]
        except (TypeError, ValueError, OverflowError) as error:
            raise bad_fill(self, value) from error
        lossless = not isinstance(value, (np.datetime64, np.timedelta64)) or np.isnat(value) or scalar == value
        if not isinstance(scalar, (np.datetime64, np.timedelta64)) or not lossless:
            raise bad_fill(self, value, f"not a whole number of units of {self.numpy}")
        return scalar

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any:
        if value == "NaT":
            value = _NAT
        if not is_int(value) or not _NAT <= value < 2**63:
            raise bad_fill(self, value, 'a 64 bit integer or "NaT" expected')
        return np.array([value], np.int64).view(self.numpy.newbyteorder("="))[0]

    def _to_json(self, scalar: Any, zarr_format: int) -> Any:
        # The number, not "NaT": it means the same and older zarr-python reads only this one in v2.
        return int(scalar.view(np.int64))


class Datetime(_Time):
    """``numpy.datetime64``: a moment, counted from 1970-01-01."""

    __slots__ = ()

    kind: ClassVar[Kind] = "datetime"


class Timedelta(_Time):
    """``numpy.timedelta64``: a span of time."""

    __slots__ = ()

    kind: ClassVar[Kind] = "timedelta"


def time_type(name: str, configuration: Mapping[str, Any]) -> Datetime | Timedelta:
    """The data type of a v3 name and configuration: ``unit`` and ``scale_factor``, both required."""
    if set(configuration) != {"unit", "scale_factor"}:
        raise MetadataError(f"data type {name!r} takes 'unit' and 'scale_factor', not {sorted(configuration)}")
    unit, scale = configuration["unit"], configuration["scale_factor"]
    if unit not in UNITS or not is_int(scale) or not 1 <= scale < 2**31:
        raise MetadataError(f"data type {name!r}: bad unit or scale factor: {unit!r}, {str(scale)[:40]}")
    letter = "M" if name == "numpy.datetime64" else "m"
    return time_of(letter, unit, scale)


def time_of(letter: str, unit: str, scale: int, order: str = "=") -> Datetime | Timedelta:
    """The data type of NumPy's kind `letter`, ``"M"`` or ``"m"``, counting `scale` of `unit`."""
    if unit == "generic" and scale != 1:
        raise MetadataError(f"no unit of time to count by {scale}")
    unit = "us" if unit in ("\u03bcs", "\u00b5s") else unit
    dtype = np.dtype(f"{order}{letter}8[{scale}{unit}]" if scale != 1 else f"{order}{letter}8[{unit}]")
    return Datetime("numpy.datetime64", dtype) if letter == "M" else Timedelta("numpy.timedelta64", dtype)
