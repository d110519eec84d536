"""Chunk grids: the arithmetic against a list of all chunks, the documents, and the ones that are refused."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.errors import MetadataError, UnknownExtension
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.grid import RectilinearGrid, RegularGrid, parse_chunk_grid, register_chunk_grid
from asynczarr.metadata.rectilinear import RunsAxis, merge_runs
from asynczarr.metadata.regular import RegularAxis
from asynczarr.metadata.shapes import check_chunk_size


def regular(*chunk_shape):
    return {"name": "regular", "configuration": {"chunk_shape": list(chunk_shape)}}


def rectilinear(*chunk_shapes):
    return {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": list(chunk_shapes)}}


@st.composite
def axes(draw):
    """An axis, and the sizes of all its chunks up to its end."""
    if draw(st.booleans()):
        extent, step = draw(st.integers(0, 60)), draw(st.integers(1, 70))
        return RegularAxis(extent, step), [step] * -(-extent // step)
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=20))
    extent = draw(st.integers(0, sum(sizes)))
    kept, total = [], 0
    for size in sizes:
        if total < extent:
            kept.append(size)
        total += size
    return RunsAxis(extent, merge_runs((size, 1) for size in sizes)), kept


@given(axes())
def test_axes_agree_with_the_list_of_all_chunks(axis_and_sizes):
    axis, sizes = axis_and_sizes
    assert axis.nchunks == len(sizes)
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    assert [axis.start(k) for k in range(axis.nchunks)] == starts
    assert [axis.size(k) for k in range(axis.nchunks)] == sizes
    owners = [k for k, size in enumerate(sizes) for _ in range(size)][: axis.extent]
    assert [axis.find(index) for index in range(axis.extent)] == owners
    indices = np.arange(axis.extent, dtype=np.intp)[::-1]
    assert axis.find_many(indices).tolist() == owners[::-1]


def test_huge_grids_cost_nothing():
    tracemalloc.start()
    started = time.process_time()
    grid = parse_chunk_grid(rectilinear([[3, 2**60], 5, [7, 10]], 1), (2**61, 2**63 - 1))
    rows, columns = grid.axes((2**61, 2**63 - 1))
    assert (rows.nchunks, columns.nchunks) == (-(-(2**61) // 3), 2**63 - 1)
    assert rows.find(2**61 - 1) == (2**61 - 1) // 3
    assert rows.start(2**60) == 3 * 2**60
    assert rows.size(2**60) == 5
    assert rows.find_many(np.array([2**61 - 1])).tolist() == [(2**61 - 1) // 3]
    elapsed = time.process_time() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
    assert elapsed < 1


def test_documents_are_written_as_they_were_read():
    for document, shape in (
        (regular(2, 3), (4, 4)),
        (regular(), ()),
        (rectilinear([2, [3, 4], 1], 5), (15, 7)),
        (rectilinear([[4, 2]]), (1,)),
    ):
        grid = parse_chunk_grid(document, shape, strict=True)
        assert grid.to_json() == document
        assert parse_chunk_grid(grid.to_json(), shape, strict=True) == grid


def test_runs_are_merged_and_chunks_may_reach_far_past_the_end():
    grid = parse_chunk_grid(rectilinear([2, 2, [2, 3], 5, [5, 1]]), (3,))
    assert grid == RectilinearGrid((((2, 5), (5, 2)),))
    assert grid.to_json() == rectilinear([[2, 5], [5, 2]])
    assert grid.axes((3,))[0].nchunks == 2
    assert grid.largest == (5,)


LENIENT = [
    (regular(True, 4), (7, 4), RegularGrid((1, 4))),
    (regular(0, 4), (0, 4), RegularGrid((1, 4))),
    (regular(False), (0,), RegularGrid((1,))),
    (regular(2, [5, 10, [5, 2]]), (4, 25), RectilinearGrid((2, ((5, 1), (10, 1), (5, 2))))),
    ({**regular(2), "must_understand": False}, (4,), RegularGrid((2,))),
]


@pytest.mark.parametrize(("document", "shape", "grid"), LENIENT)
def test_documented_leniencies_of_grids_in_both_modes(document, shape, grid):
    assert parse_chunk_grid(document, shape) == grid
    with pytest.raises(MetadataError):
        parse_chunk_grid(document, shape, strict=True)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("document", "shape"),
    [
        (regular(0), (4,)),
        (regular(False), (4,)),
        (regular(-1), (4,)),
        (regular(2.0), (4,)),
        (regular("2"), (4,)),
        (regular(None), (4,)),
        (regular(2**63), (4,)),
        (regular(10**400), (4,)),
        (regular(2, 2), (4,)),
        (regular(), (4,)),
        (regular(2), ()),
        ({"name": "regular"}, (4,)),
        ({"name": "regular", "configuration": {"chunk_shape": 2}}, (4,)),
        ({"name": "regular", "configuration": {"chunk_shape": [2], "a": 1}}, (4,)),
        ("regular", (4,)),
        (rectilinear([2, 1]), (4,)),
        (rectilinear([]), (0,)),
        (rectilinear([4, 0]), (4,)),
        (rectilinear([[4, 0]]), (4,)),
        (rectilinear([[4, True]]), (4,)),
        (rectilinear([[4, 1, 1]]), (4,)),
        (rectilinear([[2**40, 2**40]]), (4,)),
        (rectilinear(0), (4,)),
        (rectilinear("a"), (4,)),
        (rectilinear([4], [4]), (4,)),
        ({"name": "rectilinear", "configuration": {"kind": "outline", "chunk_shapes": [[4]]}}, (4,)),
        ({"name": "rectilinear", "configuration": {"chunk_shapes": [[4]]}}, (4,)),
    ],
)
def test_malformed_grids_are_refused(document, shape, strict):
    with pytest.raises(MetadataError):
        parse_chunk_grid(document, shape, strict=strict)


def test_grids_refuse_other_shapes():
    with pytest.raises(MetadataError, match="axes"):
        RegularGrid((2,)).axes((2, 2))
    with pytest.raises(MetadataError, match="axes"):
        RectilinearGrid((2,)).axes((2, 2))
    with pytest.raises(MetadataError, match="end at 4"):
        RectilinearGrid((((2, 2),),)).axes((5,))
    with pytest.raises(MetadataError, match="64"):
        RectilinearGrid((1,) * 65)
    with pytest.raises(MetadataError, match="64"):
        RegularGrid((1,) * 65)


def test_unknown_grids_say_so_and_can_be_registered(monkeypatch):
    from asynczarr.metadata import grid

    monkeypatch.setattr(grid, "_FACTORIES", dict(grid._FACTORIES))
    document = {"name": "whole", "configuration": {}}
    with pytest.raises(UnknownExtension, match="'whole'"):
        parse_chunk_grid(document, (4,))
    register_chunk_grid("whole", lambda configuration, shape, strict: RegularGrid(shape))
    assert parse_chunk_grid(document, (4,)) == RegularGrid((4,))


def test_chunks_of_more_bytes_than_an_index_reaches_are_refused():
    check_chunk_size((2**31, 2**31), DataType.from_v3("int8"))
    for name in ("int16", "string"):
        with pytest.raises(MetadataError, match="exceed"):
            check_chunk_size((2**31, 2**32), DataType.from_v3(name))
