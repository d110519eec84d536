"""``stream_slices``: every slice in order, every chunk fetched once, on any axis of any view."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asynczarr as az

from .support import STORES, SpyStore, SyncSpyStore, counting, filled, nothing_left

SHAPE = (7, 10, 5)
CHUNKS = (3, 4, 2)


@pytest.mark.every_loop
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("step", [1, 2, -1, -3])
async def test_every_axis_and_step(store: str, axis: int, step: int) -> None:
    array = await filled(STORES[store](), SHAPE, CHUNKS)
    expected = counting(SHAPE)
    async with nothing_left():
        stream = array.stream_slices(axis, step=step)
        found = [(each.index, each.data) async for each in stream]
    assert stream.bytes_alive == 0
    assert [index for index, _ in found] == list(range(SHAPE[axis]))[::step]
    for index, data in found:
        np.testing.assert_array_equal(data, expected.take(index, axis))
        assert data.flags.c_contiguous
        assert data.flags.writeable


@given(st.data())
@settings(max_examples=60)
async def test_any_slice_of_any_view(data: st.DataObject) -> None:
    ends = st.none() | st.integers(-12, 12)
    steps = st.none() | st.integers(-4, 4).filter(bool)
    slices = st.builds(slice, ends, ends, steps)
    store = SpyStore()
    array = await filled(store, SHAPE, CHUNKS, shards=data.draw(st.sampled_from([None, (6, 8, 4)])))
    index = tuple(data.draw(slices | st.integers(0, n - 1)) for n in SHAPE)
    expected = counting(SHAPE)[index]
    view = array[index]
    if not expected.ndim:
        with pytest.raises(az.SelectionError):
            view.stream_slices(0)
        return
    axis = data.draw(st.integers(-expected.ndim, expected.ndim - 1))
    wanted = data.draw(slices)
    found = [(each.index, each.data) async for each in view.stream_slices(axis, wanted.start, wanted.stop, wanted.step)]
    assert [number for number, _ in found] == list(range(expected.shape[axis]))[wanted]
    for number, values in found:
        np.testing.assert_array_equal(values, expected.take(number, axis))
    if array.shards is None:
        assert max(Counter(request.key for request in store.requests).values(), default=1) == 1


@pytest.mark.parametrize("kind", [SpyStore, SyncSpyStore])
@pytest.mark.parametrize("budget", [1, 10**9])
@pytest.mark.parametrize("axis", [0, 1, 2])
async def test_every_chunk_is_fetched_once(kind: Any, budget: int, axis: int) -> None:
    array = await filled(kind(), SHAPE, CHUNKS)
    assert len([each async for each in array.stream_slices(axis, max_bytes=budget)]) == SHAPE[axis]
    keys = Counter(request.key for request in array.store.requests)
    assert len(keys) == 3 * 3 * 3
    assert set(keys.values()) == {1}
    array.store.forget()
    assert len([each async for each in array[::-2, 1:9, 2].stream_slices(0, -1, None, -1, max_bytes=budget)]) == 4
    keys = Counter(request.key for request in array.store.requests)
    assert len(keys) == 3 * 3
    assert set(keys.values()) == {1}


async def test_only_what_is_wanted_is_fetched() -> None:
    array = await filled(SpyStore(), SHAPE, CHUNKS)
    assert [each.index async for each in array.stream_slices(1, 5, 7)] == [5, 6]
    assert {request.key.split("/")[2] for request in array.store.requests} == {"1"}
    array.store.forget()
    async with array.stream_slices(1) as stream:
        assert (await anext(stream)).index == 0
    assert not any(request.key.split("/")[2] == "2" for request in array.store.requests[:9])


async def test_a_slice_of_one_axis_is_an_array() -> None:
    array = await filled(az.MemoryStore(), (10,), (3,))
    slices = [each.data async for each in array.stream_slices()]
    assert [data.shape for data in slices] == [()] * 10
    assert all(isinstance(data, np.ndarray) for data in slices)
    assert [int(data) for data in slices] == list(range(10))


async def test_by_name() -> None:
    array = await az.create_array(az.MemoryStore(), shape=(2, 3), dtype="u1", dimension_names=("y", "x"))
    assert len([each async for each in array.stream_slices("x")]) == 3
    with pytest.raises(az.SelectionError):
        array.stream_slices("z")


async def test_what_has_no_axes_is_refused() -> None:
    array = await filled(az.MemoryStore())
    for view in (array.vindex[[1, 2], [3, 4]], array.oindex[[1, 2], :]):
        with pytest.raises(az.SelectionError):
            view.stream_slices(0)
    for axis in (2, -3):
        with pytest.raises(az.SelectionError):
            array.stream_slices(axis)
    with pytest.raises(az.SelectionError):
        array.stream_slices(0, step=0)
    assert [each async for each in array[3:3].stream_slices(0)] == []
    assert [each.data.shape async for each in array[:, 3:3].stream_slices(0)] == [(0,)] * 16


@pytest.mark.parametrize("dtype", ["U5", "S3", "M8[s]", "?", "c16"])
async def test_other_types(dtype: str) -> None:
    array = await az.create_array(az.MemoryStore(), shape=(5, 4), dtype=dtype, chunks=(2, 2))
    values = np.arange(20).astype(dtype).reshape(5, 4)
    await array.write(values)
    for number, each in enumerate([each async for each in array.stream_slices(1)]):
        np.testing.assert_array_equal(each.data, values[:, number])
