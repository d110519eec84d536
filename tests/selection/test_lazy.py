"""Plans cost nothing until they are asked, whatever the size of the array."""

from __future__ import annotations

import itertools
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.errors import SelectionError
from asynczarr.metadata.rectilinear import RunsAxis
from asynczarr.metadata.regular import RegularAxis
from asynczarr.selection import basic, chunk_rows, orthogonal, vectorized

from .model import axis, grids, outer

HUGE = 2**62


@pytest.fixture
def memory():
    """Peak bytes allocated since the last call."""
    tracemalloc.start()

    def peak():
        value = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        return value

    yield peak
    tracemalloc.stop()


def seconds(call):
    """The best of a few calls: a busy machine is no failure."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times)


LONG = [RegularAxis(10**8, 1), RunsAxis(10**8, ((1, 10**8 - 8), (2, 4)))]


@pytest.mark.parametrize("long", LONG, ids=["regular", "runs"])
@pytest.mark.parametrize("index", [..., slice(None, None, -1), slice(5, None, 3), slice(None, None, -7)], ids=str)
def test_a_hundred_million_chunks(long, index, memory):
    shape = (long.extent,)
    assert seconds(lambda: next(iter(basic(index, shape).project((long,))))) < 0.05
    plan = basic(index, shape).project((long,))
    assert plan.count == len(plan) > 10**7
    middle = plan.count * 9 // 10
    assert seconds(lambda: next(plan.iter_from(middle))) < 0.05
    memory()
    for _ in itertools.islice(plan.iter_from(middle), 20_000):
        pass
    assert memory() < 1_000_000, "of 20 000 parts, a fraction at a time"


def test_more_chunks_than_len_can_tell():
    axes = (RegularAxis(HUGE, 1), RegularAxis(HUGE, 1))
    plan = basic((), (HUGE, HUGE)).project(axes)
    assert plan.count == HUGE**2
    with pytest.raises(OverflowError):
        len(plan)
    p = next(plan.iter_from(HUGE * 3 + 5))
    assert p.coords == (3, 5)
    assert p.out == (slice(3, 4, 1), slice(5, 6, 1))
    assert plan[-1].coords == (HUGE - 1, HUGE - 1)


def test_huge_views_take_no_memory(memory):
    shape = (HUGE, HUGE)
    selection = basic((slice(None, None, -1), 5), shape)
    for _ in range(100):
        selection = selection.compose(basic(slice(1, -1), selection.shape))
    assert selection.shape == (HUGE - 200,)
    assert memory() < 100_000
    first = next(iter(selection.project((RegularAxis(HUGE, 1000), RegularAxis(HUGE, 10)))))
    assert first.coords == (0, 0)


def test_points_beyond_linear_chunk_numbers():
    """The chunks of these points have no number that fits 64 bits."""
    shape = (HUGE,) * 3
    coords = ([2, 1, 2, 1, 0], [0, 0, 0, 0, HUGE - 1], [3, 3, 3, 3, 7])
    plan = vectorized(coords, shape).project([RegularAxis(HUGE, 1)] * 3)
    assert [p.coords for p in plan] == [(0, HUGE - 1, 7), (1, 0, 3), (2, 0, 3)]
    assert [p.out[0].tolist() for p in plan] == [[4], [1, 3], [0, 2]]


@given(st.data())
def test_every_start_gives_the_rest(data):
    shape, axes, _ = data.draw(grids())
    index = data.draw(outer(shape))
    plan = orthogonal(index, shape).project(axes)
    everything = [p.coords for p in plan]
    assert [p.coords for p in plan] == everything, "a plan can be walked again"
    for first in range(len(plan) + 1):
        assert [p.coords for p in plan.iter_from(first)] == everything[first:]
    assert [plan[number].coords for number in range(-len(plan), len(plan))] == everything * 2
    for bad in (-1, len(plan) + 1):
        with pytest.raises(SelectionError):
            plan.iter_from(bad)
    with pytest.raises(SelectionError):
        plan[len(plan)]


def test_points_start_anywhere():
    plan = vectorized(([9, 0, 5, 1],), (10,)).project((RegularAxis(10, 2),))
    assert [p.coords for p in plan.iter_from(1)] == [(2,), (4,)]
    assert plan[-1].coords == (4,)
    assert list(plan.iter_from(3)) == []
    with pytest.raises(SelectionError):
        plan.iter_from(4)


@given(st.data())
def test_rows(data):
    """Each chunk row once, its indices in order, nothing lost."""
    extent = data.draw(st.integers(0, 12))
    one = data.draw(axis(extent))
    wanted = slice(
        *[data.draw(st.none() | st.integers(-14, 14)) for _ in range(2)], data.draw(st.sampled_from([1, 2, 5, -1, -3]))
    )
    indices = range(extent)[wanted]
    rows = list(chunk_rows(one, indices))
    assert [i for _, part in rows for i in part] == list(indices)
    assert len({chunk for chunk, _ in rows}) == len(rows)
    assert all(one.find(i) == chunk for chunk, part in rows for i in part)


def test_rows_are_lazy_and_bounded():
    chunk, part = next(chunk_rows(RegularAxis(HUGE, 10), range(HUGE - 1, -1, -3)))
    assert chunk == (HUGE - 1) // 10
    assert list(part)[:1] == [HUGE - 1]
    with pytest.raises(SelectionError):
        chunk_rows(RegularAxis(10, 3), range(11))
