"""What is refused, in which words, and what plain indexing makes of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from asynczarr.errors import SelectionError
from asynczarr.metadata.regular import RegularAxis
from asynczarr.selection import GridSelection, PointSelection, basic, block, by_name, orthogonal, vectorized

SHAPE = (4, 6)
AXES = (RegularAxis(4, 3), RegularAxis(6, 4))


@pytest.mark.parametrize("parse", [basic, orthogonal])
@pytest.mark.parametrize(
    ("index", "message"),
    [
        (4, "index 4 is out of bounds for axis 0 with size 4"),
        (-5, "index -5 is out of bounds for axis 0 with size 4"),
        ((0, np.uint64(2**63)), "out of bounds for axis 1"),
        (10**30, "out of bounds"),
        ((0, 0, 0), "3 indices for an array of 2 axes"),
        ((..., 0, 0, 0), "3 indices for an array of 2 axes"),
        ((..., ...), "only one ellipsis"),
        (None, "newaxis"),
        (True, "not True"),
        (np.False_, "an integer, a slice"),
        (np.array(True), "an integer, a slice"),
        (1.0, "not 1.0"),
        ("x", "not 'x'"),
        ({"x": 1}, "an index is"),
        (slice(None, None, 0), "step cannot be zero"),
        (slice("a"), "not a slice for axis 0"),
        (slice(0.0, 1.5), "not a slice for axis 0"),
        ([0, 4], "index 4 is out of bounds for axis 0"),
        ([-5, 0], "index -5 is out of bounds for axis 0"),
        ([2**70], "not object"),
        (np.array([2**64 - 1], np.uint64), "index 18446744073709551615 is out of bounds"),
        ([0.5], "not float64"),
        (np.empty(0), "not float64"),
        (["a"], "integers or booleans"),
        ([[1, 2], [3]], "not an index array"),
        ([True, False], "a mask of 2 elements does not fit axis 0 with size 4"),
    ],
)
def test_refused(parse, index, message):
    with pytest.raises(SelectionError, match=message.replace("(", r"\(")):
        parse(index, SHAPE)


def test_errors_are_index_errors():
    with pytest.raises(IndexError):
        basic(9, SHAPE)


@pytest.mark.parametrize(
    "index",
    [
        ([0, 1], slice(None), [0, 1]),  # NumPy pairs them, orthogonal indexing does not
        (0, slice(None), [0, 1]),  # NumPy puts the axis of the list first
        ([0, 1], slice(None), 0),
        ([[0, 1]], slice(None), 0),
        ([True, False, True], [0, 1], 0),
    ],
    ids=str,
)
def test_ambiguous_arrays_point_the_way(index):
    with pytest.raises(SelectionError, match=r"\.oindex.*\.vindex"):
        basic(index, (3, 4, 5))


def test_plain_arrays_that_are_not_ambiguous():
    assert isinstance(basic([0, 1], SHAPE), GridSelection)
    assert isinstance(basic(([0, 1], [2, 3]), SHAPE), PointSelection)
    assert isinstance(basic(np.ones(SHAPE, bool), SHAPE), PointSelection)
    assert basic((0, [1, 2], slice(3)), (3, 4, 5)).shape == (2, 3)


def test_orthogonal_refuses_wide_arrays():
    with pytest.raises(SelectionError, match="vindex"):
        orthogonal(([[0, 1]], 0), SHAPE)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0, 1], "an integer array for each of 2 axes"),
        ((slice(None), [0]), "an integer array for each"),
        ((..., [0]), "an integer array for each"),
        (([0, 1], [0, 1, 2]), "do not fit each other"),
        (([0, 4], [0, 0]), "index 4 is out of bounds for axis 0"),
        (([True] * 4, [0] * 4), "stands alone"),
        (np.ones((4, 5), bool), r"a mask of shape \(4, 5\) does not fit an array of shape \(4, 6\)"),
        (np.ones(4, bool), "does not fit"),
        (None, "newaxis"),
    ],
)
def test_vectorized_refuses(index, message):
    with pytest.raises(SelectionError, match=message):
        vectorized(index, SHAPE)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (2, "index 2 is out of bounds for axis 0 with size 2"),
        (slice(None, None, 2), "step 1"),
        (slice(None, None, -1), "step 1"),
        ([0, 1], "no arrays"),
        ((0, 0, 0), "3 indices"),
    ],
)
def test_block_refuses(index, message):
    with pytest.raises(SelectionError, match=message):
        block(index, AXES)


def test_blocks_keep_their_axes():
    assert block((1, -1), AXES).shape == (1, 2)
    assert block(0, AXES).shape == (3, 6)
    assert block(slice(2, 9), AXES).shape == (0, 6)


def test_by_name():
    names = ("time", None, "lat", "lat")
    assert by_name({"time": slice(0, 3)}, names) == (slice(0, 3), slice(None), slice(None), slice(None))
    with pytest.raises(SelectionError, match="no axis is named 'lon'"):
        by_name({"lon": 1}, names)
    with pytest.raises(SelectionError, match="more than one axis is named 'lat'"):
        by_name({"lat": 1}, names)
    with pytest.raises(SelectionError, match="no axis is named None"):
        by_name({None: 1}, names)
    with pytest.raises(SelectionError, match="no axis"):
        by_name({"time": 1}, None)


def test_scalars_and_zero_dimensions():
    for selection in (basic((), ()), basic(..., ()), orthogonal((), ()), vectorized((), ())):
        assert selection.shape == ()
        (p,) = selection.project(())
        assert (p.coords, p.chunk, p.out, p.whole, p.exact) == ((), (), (), True, True)
    assert vectorized((1, 2), SHAPE).shape == ()
    assert basic((np.int8(-1), np.array(2)), SHAPE).items == (3, 2)


def test_what_the_user_changes_later_does_not_matter():
    rows, mask = np.array([0, 1]), np.ones(4, bool)
    selection = orthogonal((rows,), (4,))
    points = vectorized((rows,), (4,))
    masked = orthogonal((mask,), (4,))
    rows[:] = 3
    mask[:] = False
    assert selection.items[0].tolist() == points.coords[0].tolist() == [0, 1]
    assert masked.shape == (4,)


def test_kept_axes():
    assert basic((slice(None), 0, slice(2)), (3, 3, 3)).kept == (0, 2)
    assert vectorized(([0], [0]), SHAPE).kept is None


def test_a_selection_outlives_its_array():
    """An array that shrank under a view is an error, not a read past its end; so is a wrong number of axes."""
    for selection in (basic(3, SHAPE), basic(slice(None, None, -1), SHAPE), orthogonal([3], SHAPE), basic([[3]], (4,))):
        axes = (RegularAxis(3, 3), RegularAxis(6, 4))[: len(getattr(selection, "items", (0,)))]
        with pytest.raises(SelectionError, match="index 3 is out of bounds for axis 0 with size 3"):
            selection.project(axes)
        with pytest.raises(SelectionError, match="axes does not fit"):
            selection.project((*axes, RegularAxis(1, 1)))
    with pytest.raises(SelectionError, match="out of bounds"):
        basic(slice(2), SHAPE).compose(basic(3, (4, 6)))
    with pytest.raises(SelectionError, match="axes does not fit"):
        basic(0, SHAPE).compose(basic((), SHAPE))


def test_the_inner_axes_must_cover_the_shard():
    p = next(iter(basic((), SHAPE).project(AXES)))
    with pytest.raises(SelectionError, match="do not cover"):
        p.split((RegularAxis(3, 1), RegularAxis(5, 1)))
