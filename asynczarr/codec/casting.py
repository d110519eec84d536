"""Casting numbers by value, with every way of rounding: the arithmetic of the ``cast_value`` codec.

A value goes through a wider float that is rounded *to odd* where it cannot hold it: rounding that once more, in
whichever way, gives what rounding the value itself would have given.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import CodecError
from ..metadata.dtypes import DataType

__all__ = ["cast_values"]

_Floats = npt.NDArray[np.float64]


def cast_values(values: npt.NDArray[Any], source: DataType, target: DataType, rounding: str, outside: str) -> Any:
    """Cast a flat array of numbers.

    Args:
        values: the numbers, of data type `source`.
        source: an integer or float data type.
        target: likewise.
        rounding: ``"nearest-even"``, ``"towards-zero"``, ``"towards-positive"``, ``"towards-negative"``,
            ``"nearest-away"``.
        outside: what becomes of values that `target` does not reach: ``"clamp"``, ``"wrap"`` (integers), ``"error"``.

    Raises:
        CodecError: a value that `target` does not reach, NaN or infinity where it has none.
    """
    if target.kind == "float":
        floats = _exact_floats(values, source, target, rounding)
        return floats if target.name == "float64" else _to_float(floats, target, rounding, outside)
    if source.kind == "float":
        return _to_int(values.astype(np.float64), target, rounding, outside)
    return _int_to_int(values, source, target, outside)


def _limits(dtype: Any) -> tuple[int, int]:
    low, high = dtype.limits
    return int(low), int(high)


def _int_to_int(values: npt.NDArray[Any], source: DataType, target: DataType, outside: str) -> npt.NDArray[Any]:
    low, high = _limits(target)
    wide = values.astype(np.uint64 if source.kind == "uint" else np.int64)
    if values.size and not (low <= int(wide.min()) and int(wide.max()) <= high):
        if outside == "error":
            raise CodecError(f"a value is outside of {target.name}")
        if outside == "wrap":
            return _wrapped(wide.view(np.uint64), target)
        info = np.iinfo(wide.dtype)
        wide = np.clip(wide, max(low, int(info.min)), min(high, int(info.max)))
    return wide.astype(target.numpy)


def _wrapped(bits: npt.NDArray[np.uint64], target: DataType) -> npt.NDArray[Any]:
    """The lowest bits of 64, as the integer type that has so many."""
    size = target.numpy.itemsize
    cut = bits.astype(f"u{size}")
    return (cut & np.uint8((1 << (target.bits or 8)) - 1) if (target.bits or 8) < 8 else cut).view(target.numpy)


def _to_int(values: _Floats, target: DataType, rounding: str, outside: str) -> npt.NDArray[Any]:
    if not np.isfinite(values).all():
        raise CodecError(f"{target.name} has no NaN and no infinity")
    low, high = _limits(target)
    whole = _round(values, rounding)
    # 2**63 and 2**64 are floats, the integers below them are not.
    inside = (whole >= float(low)) & (whole < float(high + 1))
    signed = target.kind == "int"
    wide = np.where(inside, whole, 0.0).astype(np.int64 if signed else np.uint64)
    if inside.all():
        return wide.astype(target.numpy)
    if outside == "error":
        raise CodecError(f"{values[~inside][0]} is outside of {target.name}")
    if outside == "clamp":
        ends = np.where(whole < 0, wide.dtype.type(low), wide.dtype.type(high))
        return np.where(inside, wide, ends).astype(target.numpy)
    magnitude = np.fmod(np.abs(whole), 2.0**64).astype(np.uint64)
    return _wrapped(np.where(whole < 0, np.uint64(0) - magnitude, magnitude), target)


def _round(values: _Floats, rounding: str) -> _Floats:
    if rounding == "nearest-away":
        below = np.trunc(values)
        return np.where(np.abs(values - below) >= 0.5, below + np.copysign(1.0, values), below)
    ways = {"nearest-even": np.rint, "towards-zero": np.trunc, "towards-positive": np.ceil}
    rounded: _Floats = ways.get(rounding, np.floor)(values)
    return rounded


def _exact_floats(values: npt.NDArray[Any], source: DataType, target: DataType, rounding: str) -> npt.NDArray[Any]:
    """The values as float64, rounded to odd where they need more than 53 bits; for float64 already rounded as asked."""
    if source.kind == "float" or (source.bits or 0) <= 53:
        return values.astype(np.float64)
    if target.name == "float64" and rounding == "nearest-even":
        return values.astype(np.float64)
    wide = values.astype(np.uint64 if source.kind == "uint" else np.int64)
    negative = wide < 0
    magnitude = np.where(negative, np.uint64(0) - wide.astype(np.uint64), wide.astype(np.uint64))
    # The lowest bits are what does not fit into 53, for each value as many as it has above them.
    excess = np.maximum(_bit_length(magnitude), 53).astype(np.uint64) - np.uint64(53)
    kept = magnitude >> excess
    rest = magnitude - (kept << excess)
    # For other targets "to odd": a last bit that says that there was more.
    kept = kept + _up(rest, excess, negative, rounding) if target.name == "float64" else kept | (rest > 0)
    floats: _Floats = np.ldexp(kept.astype(np.float64), excess.astype(np.int32))
    return np.where(negative, -floats, floats)


def _bit_length(magnitude: npt.NDArray[np.uint64]) -> npt.NDArray[Any]:
    below = magnitude.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        below |= below >> np.uint64(shift)
    length: npt.NDArray[Any] = np.bitwise_count(below)
    return length


def _up(rest: Any, excess: Any, negative: Any, rounding: str) -> Any:
    """Whether the magnitude is rounded up, given what is left of it below the last bit that is kept."""
    if rounding == "towards-zero":
        return np.zeros_like(rest)
    if rounding in ("towards-positive", "towards-negative"):
        return ((rest > 0) & (negative == (rounding == "towards-negative"))).astype(np.uint64)
    half = (np.uint64(1) << excess) >> np.uint64(1)
    return ((rest >= half) & (rest > 0)).astype(np.uint64)


def _to_float(values: _Floats, target: DataType, rounding: str, outside: str) -> npt.NDArray[Any]:
    nan, infinity = np.array([np.nan, np.inf]).astype(target.numpy)
    bad = (np.isnan(values) & ~np.isnan(nan)) | (np.isinf(values) & ~np.isinf(infinity))
    if bad.any():
        raise CodecError(f"{target.name} has no {values[bad][0]}")
    finite = np.isfinite(values)
    if rounding == "nearest-even" and target.name in ("float16", "float32"):
        with np.errstate(all="ignore"):
            direct = values.astype(target.numpy)
        if np.array_equal(np.isfinite(direct), finite):
            return direct
    grid = _Grid.of(target)
    chosen = _choose(np.where(finite, values, 0.0), grid, rounding)
    out = finite & ((chosen <= grid.values[0]) | (chosen >= grid.values[-1]))
    if out.any() and outside != "clamp":
        raise CodecError(f"{values[out][0]} is outside of {target.name}")
    inside = np.clip(chosen, grid.values[1], grid.values[-2])
    exact = np.where(inside == 0, np.copysign(0.0, values), inside)
    limit = np.copysign(np.inf, values) if np.isinf(infinity) else exact
    return np.where(finite, np.where(out, limit, exact), values).astype(target.numpy)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The finite values of a float type, in order, as float64, and whether the last bit of each is set.

    For float32 only the ends are listed. At both ends there is one value more, the next one if exponents went on.
    """

    values: _Floats
    odd: npt.NDArray[np.bool_]

    @staticmethod
    def of(target: DataType) -> _Grid:
        return _float32() if target.name == "float32" else _grid(target)


@cache
def _float32() -> _Grid:
    top = np.float64(np.finfo(np.float32).max)
    return _Grid(np.array([-(2.0**128), -top, top, 2.0**128]), np.array([False, True, True, False]))


@cache
def _grid(target: DataType) -> _Grid:
    size = target.numpy.itemsize
    bits = np.arange(1 << (target.bits or 0), dtype=f"u{size}")
    with np.errstate(invalid="ignore"):  # signalling NaNs are among them
        every = bits.view(target.numpy).astype(np.float64)
    values, where = np.unique(every[np.isfinite(every)], return_index=True)
    odd = bits[np.isfinite(every)][where] & 1 == 1
    # Where there is nothing but exponents, the next value is not one step but twice as far.
    low, high = 2 * values[0] - values[1], 2 * values[-1] - values[-2]
    if values[0] > 0:
        low, high = 0.0, 2 * values[-1]
    return _Grid(np.concatenate(([low], values, [high])), np.concatenate(([not odd[0]], odd, [not odd[-1]])))


def _choose(values: _Floats, grid: _Grid, rounding: str) -> _Floats:
    """The value of the grid that each value is rounded to."""
    values = np.clip(values, grid.values[0], grid.values[-1])
    if len(grid.values) == 4:
        below, above, odd = _around_float32(values)
    else:
        at = np.searchsorted(grid.values, values, side="right") - 1
        below, odd = grid.values[at], grid.odd[at]
        above = grid.values[np.minimum(at + (below < values), len(grid.values) - 1)]
    if rounding == "towards-zero":
        return np.where(values < 0, above, below)
    if rounding in ("towards-positive", "towards-negative"):
        return above if rounding == "towards-positive" else below
    middle = below + (above - below) / 2
    tie = odd if rounding == "nearest-even" else values > 0
    return np.where((values > middle) | ((values == middle) & tie), above, below)


def _around_float32(values: _Floats) -> tuple[_Floats, _Floats, npt.NDArray[np.bool_]]:
    with np.errstate(all="ignore"):
        near = values.astype(np.float32)
        near64 = np.clip(near.astype(np.float64), -(2.0**128), 2.0**128)
        low = np.where(near64 > values, np.nextafter(near, np.float32(-np.inf)), near)
        high = np.where(near64 < values, np.nextafter(near, np.float32(np.inf)), near)
    ends = -(2.0**128), 2.0**128
    return (
        np.clip(low.astype(np.float64), *ends),
        np.clip(high.astype(np.float64), *ends),
        low.view(np.uint32) & 1 == 1,
    )
