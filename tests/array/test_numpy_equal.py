"""Reads and writes through the public API equal NumPy's, whatever the shape, chunks, shards and index."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import asynczarr as az

DTYPES = ("u1", "<i4", "<f8", "bool", "<c8", "<U3", "M8[s]")


@st.composite
def layouts(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of ``create_array``: 0-d to 3-d, zero-length axes, edge chunks, regular, sharded, rectilinear, v2."""
    shape = tuple(draw(st.lists(st.integers(0, 9), max_size=3)))
    chunks = tuple(draw(st.integers(1, 5)) for _ in shape)
    spec: dict[str, Any] = {"shape": shape, "chunks": chunks, "dtype": draw(st.sampled_from(DTYPES))}
    kind = draw(st.sampled_from(("v3", "v2", "shards", "rectilinear")))
    if kind == "v2":
        spec |= {
            "zarr_format": 2,
            "order": draw(st.sampled_from("CF")),
            "compressor": draw(st.sampled_from((None, "auto"))),
        }
    elif kind == "shards":
        spec |= {
            "shards": tuple(c * draw(st.integers(1, 3)) for c in chunks),
            "index_location": draw(st.sampled_from(("start", "end"))),
        }
        if len(shape) > 1 and draw(st.booleans()):
            spec |= {
                "codecs": [{"name": "transpose", "configuration": {"order": list(range(len(shape)))[::-1]}}, "zstd"]
            }
    elif kind == "rectilinear" and shape:
        edges = [draw(st.lists(st.integers(1, 4), min_size=n, max_size=max(1, n))) if n else [1] for n in shape]
        spec |= {"chunks": edges}
    return spec


def content(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray[Any, Any]:
    numbers = np.random.default_rng(seed).integers(0, 120, shape)
    return np.asarray(numbers).astype(dtype)


@st.composite
def basic_indices(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    return draw(hnp.basic_indices(shape, allow_newaxis=False))


@st.composite
def outer_indices(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """One index an axis for ``oindex``, never an integer, so that ``np.ix_`` says what is right."""
    index: list[Any] = []
    for n in shape:
        choice = draw(st.sampled_from(("slice", "ints", "mask")))
        if choice == "mask":
            index.append(draw(hnp.arrays(np.bool_, n)))
        elif choice == "ints" and n:
            index.append(draw(st.lists(st.integers(-n, n - 1), max_size=6)))
        else:
            index.append(draw(st.slices(n)))
    return tuple(index)


def with_ix(index: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    return np.ix_(
        *(np.arange(n)[np.asarray(i, np.intp) if isinstance(i, list) else i] for i, n in zip(index, shape, strict=True))
    )


async def filled(spec: dict[str, Any]) -> tuple[az.Array, np.ndarray[Any, Any]]:
    array = await az.create_array("memory://", **spec)
    values = content(array.shape, spec["dtype"])
    await array.write(values)
    return array, values


@given(st.data())
@settings(max_examples=120, deadline=None)
async def test_basic(data: st.DataObject) -> None:
    array, values = await filled(data.draw(layouts()))
    index = data.draw(basic_indices(array.shape))
    result = await array[index].read()
    assert result.dtype == array.dtype
    np.testing.assert_array_equal(result, values[index])
    new = content(values[index].shape, values.dtype.str, 1)
    await array[index].write(new)
    values[index] = new
    np.testing.assert_array_equal(await array.read(), values)


@given(st.data())
@settings(max_examples=80, deadline=None)
async def test_orthogonal(data: st.DataObject) -> None:
    array, values = await filled(data.draw(layouts().filter(lambda spec: spec["shape"])))
    index = data.draw(outer_indices(array.shape))
    where = with_ix(index, array.shape)
    np.testing.assert_array_equal(await array.oindex[index].read(), values[where])
    new = content(values[where].shape, values.dtype.str, 1)
    await array.oindex[index].write(new)
    values[where] = new
    np.testing.assert_array_equal(await array.read(), values)


@given(st.data())
@settings(max_examples=80, deadline=None)
async def test_points_and_masks(data: st.DataObject) -> None:
    array, values = await filled(data.draw(layouts().filter(lambda spec: spec["shape"])))
    if data.draw(st.booleans()) or not values.size:
        index: Any = data.draw(hnp.arrays(np.bool_, array.shape))
        selected = values[index]
    else:
        result = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=5))
        index = tuple(data.draw(hnp.arrays(np.intp, result, elements=st.integers(-n, n - 1))) for n in array.shape)
        selected = values[index]
    np.testing.assert_array_equal(await array.vindex[index].read(), selected)
    new = content(np.shape(selected), values.dtype.str, 1)
    await array.vindex[index].write(new)
    values[index] = new
    np.testing.assert_array_equal(await array.read(), values)


@given(st.data())
@settings(max_examples=60, deadline=None)
async def test_blocks(data: st.DataObject) -> None:
    array, values = await filled(data.draw(layouts().filter(lambda spec: 0 not in spec["shape"])))
    index, region = [], []
    for axis in array.stored.chunk_axes:
        first = data.draw(st.integers(0, axis.nchunks - 1))
        last = data.draw(st.integers(first, axis.nchunks - 1))
        index.append(slice(first, last + 1))
        region.append(slice(axis.start(first), axis.start(last) + axis.size(last)))
    np.testing.assert_array_equal(await array.blocks[tuple(index)].read(), values[tuple(region)])


@given(st.data())
@settings(max_examples=60, deadline=None)
async def test_streams_put_the_array_together(data: st.DataObject) -> None:
    array, values = await filled(data.draw(layouts()))
    view, expected = array, values
    if data.draw(st.booleans()):
        index = data.draw(basic_indices(array.shape))
        view, expected = array[index], np.asarray(values[index])
    out = np.zeros(expected.shape, expected.dtype)
    seen = []
    async for chunk in view.stream_chunks(ordered=data.draw(st.booleans()), max_bytes=data.draw(st.integers(1, 2000))):
        assert chunk.data.shape == out[chunk.region].shape
        out[chunk.region] = chunk.data
        seen.append(chunk.index)
    np.testing.assert_array_equal(out, expected)
    assert len(set(seen)) == len(seen)
    if expected.ndim:
        axis = data.draw(st.integers(-expected.ndim, expected.ndim - 1))
        wanted = data.draw(st.slices(expected.shape[axis]))
        slices = [s async for s in view.stream_slices(axis, wanted.start, wanted.stop, wanted.step)]
        assert [s.index for s in slices] == list(range(expected.shape[axis]))[wanted]
        for each in slices:
            np.testing.assert_array_equal(each.data, expected.take(each.index, axis))


@given(st.data())
@settings(max_examples=50, deadline=None)
async def test_view_of_a_view(data: st.DataObject) -> None:
    array, values = await filled(data.draw(layouts()))
    first = data.draw(basic_indices(array.shape))
    second = data.draw(basic_indices(np.shape(values[first])))
    np.testing.assert_array_equal(await array[first][second].read(), np.asarray(values[first])[second])
