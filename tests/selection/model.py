"""An array cut into chunks in plain sight, and strategies that draw arrays, grids and indices."""

from __future__ import annotations

import itertools
from bisect import bisect_right

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from asynczarr.metadata.rectilinear import RunsAxis
from asynczarr.metadata.regular import RegularAxis
from asynczarr.selection import Projection, Selection


class ListedAxis:
    """An axis of a kind that the package does not know: chunks of listed sizes, also wholly past the array."""

    def __init__(self, extent, sizes):
        self.extent = extent
        self.sizes = sizes
        self.starts = [0, *itertools.accumulate(sizes)]
        assert self.starts[-1] >= extent
        self.nchunks = sum(start < extent for start in self.starts[:-1])

    def start(self, chunk):
        return self.starts[chunk]

    def size(self, chunk):
        return self.sizes[chunk]

    def find(self, index):
        assert 0 <= index < self.extent
        return bisect_right(self.starts, index) - 1

    def find_many(self, indices):
        return np.searchsorted(self.starts, indices, side="right") - 1


GARBAGE = -1


def cut(array, axes):
    """The chunks of an array, all of full size, with garbage past the array's end."""
    chunks = {}
    for coords in itertools.product(*(range(axis.nchunks) for axis in axes)):
        shape = tuple(axis.size(k) for axis, k in zip(axes, coords, strict=True))
        chunk = np.full(shape, GARBAGE, array.dtype)
        part = array[tuple(slice(a.start(k), a.start(k) + a.size(k)) for a, k in zip(axes, coords, strict=True))]
        chunk[tuple(slice(0, length) for length in part.shape)] = part
        chunks[coords] = chunk
    return chunks


def glue(chunks, axes, dtype):
    """The array of some chunks."""
    array = np.zeros(tuple(axis.extent for axis in axes), dtype)
    for coords, chunk in chunks.items():
        region = tuple(slice(a.start(k), a.start(k) + a.size(k)) for a, k in zip(axes, coords, strict=True))
        array[region] = chunk[tuple(slice(0, length) for length in array[region].shape)]
    return array


def check(p: Projection, axes, limits):
    """What must be true of every projection, by looking at each element of its chunk."""
    assert p.shape == tuple(axis.size(k) for axis, k in zip(axes, p.coords, strict=True))
    starts = [axis.start(k) for axis, k in zip(axes, p.coords, strict=True)]
    assert p.inside == tuple(min(s, e - b) for s, e, b in zip(p.shape, limits, starts, strict=True))
    assert all(length > 0 for length in p.inside)
    met = np.zeros(p.shape, bool)
    met[p.chunk] = True
    region = tuple(slice(0, length) for length in p.inside)
    inside = met[region].copy()
    met[region] = False
    assert inside.any(), "a chunk that holds nothing"
    assert not met.any(), "an element outside of the array"
    assert p.whole == inside.all()
    numbers = np.arange(np.prod(p.shape, dtype=int)).reshape(p.shape)
    if p.exact:
        assert np.array_equal(numbers[p.chunk], numbers)
    elif not p.points and not any(isinstance(index, np.ndarray) for index in p.chunk):
        assert np.shape(numbers[p.chunk]) != p.shape or not np.array_equal(numbers[p.chunk], numbers)


def leaves(projections, axes, limits, inner):
    """``(coords, part of that chunk, projection)`` of each innermost chunk; everything on the way is checked.

    `inner` holds the sizes of inner chunks, level by level: empty without shards, two for shards in shards.
    """
    seen = []
    for p in projections:
        check(p, axes, limits)
        seen.append(p.coords)
        if not inner:
            yield p.coords, (), p
            continue
        cuts = tuple([RegularAxis(size, inner[0]) for size in p.shape])
        for coords, part, q in leaves(p.split(cuts), cuts, p.inside, inner[1:]):
            region = tuple(slice(a.start(k), a.start(k) + a.size(k)) for a, k in zip(cuts, coords, strict=True))
            yield p.coords, (region, *part), q
    assert seen == sorted(set(seen)), "each chunk once, in C order"
    assert len(seen) == projections.count


def innermost(selection: Selection, chunks, axes, inner):
    """Views into the chunks, one for each innermost chunk that the selection meets, with its projection."""
    for coords, part, p in leaves(selection.project(axes), axes, [axis.extent for axis in axes], inner):
        view = chunks[coords]
        for region in part:
            view = view[(*region, ...)]
        yield view, p


def read(selection, chunks, axes, inner=()):
    """Read through the plan."""
    out = np.full(selection.shape, -2, np.int64)
    for decoded, p in innermost(selection, chunks, axes, inner):
        out[p.out] = decoded[p.chunk]
    return out


def write(selection, chunks, axes, value, inner=()):
    """Write through the plan."""
    for decoded, p in innermost(selection, chunks, axes, inner):
        decoded[p.chunk] = value[p.out]


def numbered(shape):
    """An array of which no two elements are equal."""
    return np.arange(np.prod(shape, dtype=np.int64), dtype=np.int64).reshape(shape)


def runs(sizes):
    """Sizes of chunks as a rectilinear grid keeps them."""
    return tuple((size, len(list(run))) for size, run in itertools.groupby(sizes))


def axis(extent):
    """An axis of some length, cut regularly or not."""
    sizes = st.lists(st.integers(1, 5), min_size=extent + 1, max_size=extent + 3)
    few = st.lists(st.sampled_from([1, 2, 7]), min_size=extent + 1, max_size=extent + 1)
    return st.one_of(
        st.builds(RegularAxis, st.just(extent), st.integers(1, 15)),
        st.builds(ListedAxis, st.just(extent), sizes),
        st.builds(RunsAxis, st.just(extent), (few.map(sorted) | sizes).map(runs)),
    )


@st.composite
def grids(draw, min_dims=0, max_dims=3, min_side=0):
    """The shape and axes of an array, and the sizes of inner chunks, level by level."""
    shape = draw(npst.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=12))
    axes = tuple([draw(axis(extent)) for extent in shape])
    return shape, axes, draw(st.sampled_from([(), (1,), (2,), (3,), (4, 2), (3, 1)]))


def slices(size):
    """Slices of any sign and step, also out of bounds."""
    ends = st.none() | st.integers(-size - 3, size + 3)
    steps = st.none() | st.integers(-5, 5).filter(bool)
    return st.builds(slice, ends, ends, steps)


@st.composite
def plain(draw, shape):
    """Integers, slices, an ellipsis."""
    return (
        draw(npst.basic_indices(shape, allow_newaxis=False, allow_ellipsis=True))
        if draw(st.booleans())
        else tuple([draw(slices(n) | (st.integers(-n, n - 1) if n else st.nothing())) for n in shape])
    )


@st.composite
def outer(draw, shape):
    """One integer, slice, list, array or mask an axis."""
    entries = []
    for n in shape:
        number = st.integers(-n, n - 1) if n else st.nothing()
        numbers = st.lists(number, max_size=n and 15)
        mask = npst.arrays(bool, n)
        entries.append(draw(number | slices(n) | numbers | numbers.map(lambda x: np.array(x, np.int32)) | mask))
    return tuple(entries)


def select_outer(array, index):
    """Orthogonal indexing by its definition: one axis after the other, the last first."""
    for number in range(len(index) - 1, -1, -1):
        entry = index[number]
        entry = np.asarray(entry, dtype=np.intp) if isinstance(entry, list) else entry
        array = array[(slice(None),) * number + (entry,)]
    return array
