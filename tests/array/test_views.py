"""Views: lazy, never taken for the values, and with the names of the axes that they keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import asynczarr as az

VALUES = np.arange(4 * 5 * 6).reshape(4, 5, 6)


async def filled(names: Any = ("t", "y", "x")) -> az.Array:
    array = await az.create_array("memory://", shape=VALUES.shape, chunks=(2, 3, 4), dtype="i4", dimension_names=names)
    await array.write(VALUES)
    return array


async def test_a_view_is_no_sequence_of_views_and_no_array() -> None:
    array = await filled()
    for view in (array, array[1:], array.vindex[[0], [1], [2]]):
        for use in (
            lambda view: np.asarray(view),
            lambda view: np.asarray([view]),
            lambda view: np.sum(view),
            lambda view: np.ones(6) + view,
        ):
            with pytest.raises(TypeError, match=r"await array\.read\(\)"):
                use(view)
        for use in (list, sum, lambda view: [*view], lambda view: 3 in view, lambda view: dict.fromkeys(view)):
            with pytest.raises(TypeError, match=r"not iterable|not a container|argument of type"):
                use(view)
    assert len(array[1:]) == 3


async def test_names_of_the_axes_that_are_kept() -> None:
    array = await filled()
    assert array.dimension_names == ("t", "y", "x")
    for view, names in (
        (array[:2], ("t", "y", "x")),
        (array[1], ("y", "x")),
        (array[..., 2, ::-1], ("t", "x")),
        (array[1][:, 2], ("y",)),
        (array[1, 2, 3], ()),
        (array[{"y": 0}], ("t", "x")),
        (array.oindex[[0, 2], :, 1], ("t", "y")),
        (array.oindex[:, [True, False, True, False, False]], ("t", "y", "x")),
        (array[:, [3, 1]], ("t", "y", "x")),
        (array.blocks[0, 1], ("t", "y", "x")),
        (array.vindex[[0, 1], [2, 3], [4, 5]], None),
        (array[1:].vindex[[0, 1], [2, 3], [4, 5]], None),
        (array[VALUES > 7], None),
        (array[VALUES > 7][:5], None),
        (array.vindex[1, 2, 3], ()),
    ):
        assert view.dimension_names == names
    assert (await filled(None)).dimension_names is None
    assert (await filled(None))[1:].dimension_names is None
    assert (await filled(("t", None, None)))[0].dimension_names == (None, None)


async def test_indexing_and_slices_by_name_on_a_view() -> None:
    array = await filled()
    np.testing.assert_array_equal(await array[:3][{"x": 1}].read(), VALUES[:3, :, 1])
    np.testing.assert_array_equal(await array[2][{"x": slice(1, 3), "y": -1}].read(), VALUES[2, -1, 1:3])
    slices = [each async for each in array[:3, 0].stream_slices("x", 1, 4)]
    assert [each.index for each in slices] == [1, 2, 3]
    for each in slices:
        np.testing.assert_array_equal(each.data, VALUES[:3, 0, each.index])


async def test_names_that_are_not_there() -> None:
    array = await filled()
    for use in (
        lambda: array[0][{"t": 1}],
        lambda: array[0].stream_slices("t"),
        lambda: array[{"z": 1}],
        lambda: array[{3: 1}],
    ):
        with pytest.raises(az.SelectionError, match="no axis is named"):
            use()
    for view in (array[VALUES > 7], await filled(None)):
        for use in (lambda view: view[{"x": 1}], lambda view: view.stream_slices("x")):
            with pytest.raises(az.SelectionError, match="no dimension names, or points were selected"):
                use(view)
    twice = await filled(("x", "x", None))
    for use in (lambda: twice[{"x": 1}], lambda: twice.stream_slices("x")):
        with pytest.raises(az.SelectionError, match="more than one axis"):
            use()


async def test_append_along_a_name() -> None:
    array = await filled()
    await array.append(VALUES[:, :, :2], "x")
    np.testing.assert_array_equal(await array.read(), np.concatenate([VALUES, VALUES[:, :, :2]], axis=2))


@pytest.mark.parametrize("axis", [1.0, None, [0], "z", 3, -4, (0,)])
async def test_an_axis_that_there_is_not(axis: Any) -> None:
    array = await filled()
    with pytest.raises(az.SelectionError, match="axis"):
        array.stream_slices(axis)
    with pytest.raises(az.SelectionError, match="axis"):
        await array.append(VALUES, axis)
    assert array.shape == VALUES.shape


@pytest.mark.parametrize("wanted", [("a",), (0, "b"), (0, 1, 0), (1.5,), (None, None, 2.0)])
async def test_slices_that_are_none(wanted: tuple[Any, ...]) -> None:
    array = await filled()
    with pytest.raises(az.SelectionError, match="not a slice for axis 1"):
        array.stream_slices(1, *wanted)
