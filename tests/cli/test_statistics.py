"""Statistics of chunks are those of NumPy over all elements."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from asynczarr.cli.statistics import Statistics, is_numeric

_floats = st.sampled_from([np.nan, -0.0, 1e6]) | st.floats(-1000, 1000, width=16)
_dtypes = st.sampled_from(["bool", "int8", "uint64", "float32", "float64", ">i4"])


@given(st.data(), _dtypes, st.integers(1, 4))
def test_statistics_equal_numpy(data: st.DataObject, dtype: str, parts: int) -> None:
    elements = _floats if dtype.startswith("float") else hnp.from_dtype(np.dtype(dtype))
    arrays = [data.draw(hnp.arrays(dtype, st.integers(0, 6), elements=elements)) for _ in range(parts)]
    found = Statistics()
    for array in arrays:
        part = Statistics()
        part.add(array)
        found.merge(part)
    whole = np.concatenate(arrays)
    known = whole[~np.isnan(whole)] if whole.dtype.kind == "f" else whole
    assert found.count == known.size
    assert found.nan == whole.size - known.size
    if known.size:
        assert found.minimum == known.min()
        assert found.maximum == known.max()
        assert found.mean == pytest.approx(float(known.astype(np.float64).mean()), rel=1e-9, abs=1e-9)
    else:
        assert found.mean is None


@pytest.mark.parametrize("value", [np.float32(3), np.float32("nan"), np.int8(-1), np.True_])
def test_add_same(value: np.generic) -> None:
    one, other = Statistics(), Statistics()
    one.add_same(value, 1000)
    other.add(np.full(1000, value))
    assert one == other


def test_infinities_and_small_floats() -> None:
    found = Statistics()
    found.add(np.array([np.inf, -np.inf, 1.0]))
    assert (found.minimum, found.maximum, found.count) == (-np.inf, np.inf, 3)
    small = Statistics()
    small.add(np.array([1, 2, np.nan], ml_dtypes.bfloat16))
    assert (small.minimum, small.maximum, small.nan) == (1, 2, 1)


def test_is_numeric() -> None:
    assert all(is_numeric(np.dtype(name)) for name in ("bool", "int8", "uint16", "float16", ml_dtypes.int4))
    assert not any(is_numeric(np.dtype(name)) for name in ("complex64", "S3", "M8[s]", [("a", "i4")], object, "V4"))
