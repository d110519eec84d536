"""Every kind of selection reads and writes what NumPy does, through one level of chunks and through two."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from asynczarr.selection import basic, block, orthogonal, vectorized

from .model import cut, glue, grids, numbered, outer, plain, read, select_outer, write


def agree(selection, array, expected, axes, inner):
    """Reads equal `expected`; writes of distinct values equal a sequential write in C order of the result."""
    chunks = cut(array, axes)
    assert selection.shape == expected.shape
    assert selection.ndim == expected.ndim
    assert selection.size == expected.size
    np.testing.assert_array_equal(read(selection, chunks, axes, inner), expected)
    value = np.asarray(-10 - numbered(selection.shape))
    write(selection, chunks, axes, value, inner)
    written = array.copy().ravel()
    for place, new in zip(expected.ravel(), value.ravel(), strict=True):
        written[place] = new  # the elements of the array are their own places
    np.testing.assert_array_equal(glue(chunks, axes, array.dtype), written.reshape(array.shape))


@given(st.data())
def test_basic(data):
    shape, axes, inner = data.draw(grids())
    index = data.draw(plain(shape))
    array = numbered(shape)
    agree(basic(index, shape), array, np.asarray(array[index]), axes, inner)


@given(st.data())
def test_orthogonal(data):
    shape, axes, inner = data.draw(grids(max_dims=4, min_dims=1))
    index = data.draw(outer(shape))
    array = numbered(shape)
    agree(orthogonal(index, shape), array, np.asarray(select_outer(array, index)), axes, inner)


@given(st.data())
def test_points(data):
    shape, axes, inner = data.draw(grids(min_dims=1, min_side=1))
    index = data.draw(npst.integer_array_indices(shape, result_shape=npst.array_shapes(min_dims=0, min_side=0)))
    array = numbered(shape)
    agree(vectorized(index, shape), array, np.asarray(array[index]), axes, inner)


@given(st.data())
def test_masks(data):
    shape, axes, inner = data.draw(grids(min_dims=1))
    mask = data.draw(npst.arrays(bool, shape, fill=st.booleans()))
    array = numbered(shape)
    for selection in (vectorized(mask, shape), basic(mask, shape), vectorized((mask,), shape)):
        agree(selection, array, array[mask], axes, inner)


@given(st.data())
def test_blocks(data):
    shape, axes, inner = data.draw(grids(min_dims=1))
    ends = st.none() | st.integers(-5, 5)
    index, expected = [], []
    for one in axes:
        n = one.nchunks
        number = st.integers(-n, n - 1) if n else st.nothing()
        index.append(data.draw(number | st.builds(slice, ends, ends)))
        chunks = range(n)[index[-1]] if isinstance(index[-1], slice) else [range(n)[index[-1]]]
        covered = [i for i in range(one.extent) if one.find(i) in chunks]
        expected.append(np.array(covered, dtype=np.intp))
    array = numbered(shape)
    agree(block(tuple(index), axes), array, array[np.ix_(*expected)], axes, inner)


@given(st.data())
def test_views_of_views(data):
    shape, axes, inner = data.draw(grids())
    array = expected = numbered(shape)
    selection = basic((), shape)
    for _ in range(data.draw(st.integers(1, 4))):
        kind = data.draw(st.sampled_from(["basic", "basic", "orthogonal", "vectorized", "mask"]))
        here = selection.shape
        if kind == "basic":
            index = data.draw(plain(here))
            selection = selection.compose(basic(index, here))
            expected = np.asarray(expected[index])
        elif kind == "orthogonal":
            index = data.draw(outer(here))
            selection = selection.compose(orthogonal(index, here))
            expected = np.asarray(select_outer(expected, index))
        elif kind == "mask" and here:
            mask = data.draw(npst.arrays(bool, here))
            selection = selection.compose(vectorized(mask, here))
            expected = expected[mask]
        elif here and 0 not in here:
            index = data.draw(npst.integer_array_indices(here, result_shape=npst.array_shapes(max_dims=2)))
            selection = selection.compose(vectorized(index, here))
            expected = expected[index]
    agree(selection, array, expected, axes, inner)


@given(st.data())
def test_views_of_points(data):
    shape, axes, inner = data.draw(grids(min_dims=1, min_side=1))
    points = data.draw(npst.integer_array_indices(shape, result_shape=npst.array_shapes(min_dims=1, max_dims=3)))
    array = numbered(shape)
    selection, expected = vectorized(points, shape), array[points]
    index = data.draw(outer(expected.shape))
    agree(
        selection.compose(orthogonal(index, selection.shape)),
        array,
        np.asarray(select_outer(expected, index)),
        axes,
        inner,
    )


@given(st.data())
def test_plain_arrays_mean_what_they_mean_to_numpy(data):
    """Where plain indexing takes arrays at all, it gives NumPy's result."""
    shape, axes, inner = data.draw(grids(min_dims=1, min_side=1))
    array = numbered(shape)
    where = data.draw(st.integers(0, len(shape) - 1))
    index = [slice(None, None, data.draw(st.sampled_from([1, -1, 2])))] * len(shape)
    index[where] = data.draw(st.lists(st.integers(-shape[where], shape[where] - 1), max_size=6))
    if where and data.draw(st.booleans()):
        index[where - 1] = data.draw(st.integers(-shape[where - 1], shape[where - 1] - 1))
    agree(basic(tuple(index), shape), array, array[tuple(index)], axes, inner)
    points = data.draw(npst.integer_array_indices(shape, result_shape=npst.array_shapes(min_dims=1, max_dims=2)))
    agree(basic(points, shape), array, array[points], axes, inner)
