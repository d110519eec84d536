"""Statistics of numbers that come in chunks; memory does not grow with their number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..metadata.dtypes.small import is_ml_dtype

__all__ = ["Statistics", "is_numeric"]


def is_numeric(dtype: np.dtype[Any]) -> bool:
    """Whether elements are real numbers or booleans."""
    return dtype.kind in "biuf" or (is_ml_dtype(dtype) and dtype.names is None)


@dataclass(slots=True)
class Statistics:
    """Count, extremes and mean of elements; those that are NaN are only counted.

    Attributes:
        count: elements that are not NaN.
        nan: elements that are NaN.
        minimum: smallest element, ``None`` if there is none.
        maximum: largest element.
        total: sum, in double precision.
    """

    count: int = 0
    nan: int = 0
    minimum: Any = None
    maximum: Any = None
    total: float = 0.0

    @property
    def mean(self) -> float | None:
        """Arithmetic mean, ``None`` without elements."""
        return self.total / self.count if self.count else None

    def add(self, data: np.ndarray[Any, np.dtype[Any]]) -> None:
        """Count all elements of an array of a numeric dtype."""
        size = data.size
        if data.dtype.kind == "b" and size:  # counting is many times quicker than comparing
            ones = int(np.count_nonzero(data))
            self._merge(ones == size, ones > 0, float(ones), size)
            return
        if is_ml_dtype(data.dtype):
            data = data.astype(np.float64)
        if data.dtype.kind == "f":
            unknown = np.isnan(data)
            if unknown.any():
                data = data[~unknown]
                self.nan += size - data.size
        if data.size:
            with np.errstate(over="ignore", invalid="ignore"):  # infinities make an infinite or unknown mean
                self._merge(data.min(), data.max(), float(data.sum(dtype=np.float64)), data.size)

    def add_same(self, value: Any, count: int) -> None:
        """Count `value` `count` times, in no time."""
        one = Statistics()
        one.add(np.asarray([value]))
        self.nan += one.nan * count
        if one.count and count:
            self._merge(one.minimum, one.maximum, one.total * count, count)

    def merge(self, other: Statistics) -> None:
        """Count what another one has counted."""
        self.nan += other.nan
        if other.count:
            self._merge(other.minimum, other.maximum, other.total, other.count)

    def _merge(self, low: Any, high: Any, total: float, count: int) -> None:
        self.minimum = low if self.minimum is None else min(self.minimum, low)
        self.maximum = high if self.maximum is None else max(self.maximum, high)
        self.total += total
        self.count += count

    def to_json(self) -> dict[str, Any]:
        """All of it, for :func:`~.output.dumps`."""
        return {
            "count": self.count,
            "nan": self.nan,
            "min": self.minimum,
            "max": self.maximum,
            "mean": self.mean,
        }
