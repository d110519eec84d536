"""The shard index refuses every entry that cannot be true, and `coalesce` loses nothing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.codec.shard_index import ShardIndex
from asynczarr.errors import CodecError
from asynczarr.store.coalesce import coalesce
from asynczarr.types import ByteRange

EMPTY = (2**64 - 1, 2**64 - 1)


def index(*entries: tuple[int, int], start: int = 0, stop: int = 100, max_length: int = 50) -> ShardIndex:
    pairs = np.array(entries, np.uint64)
    return ShardIndex.checked(pairs, (len(entries),), start=start, stop=stop, max_length=max_length)


def test_entries() -> None:
    made = index((10, 20), EMPTY, (0, 10), (30, 50))
    assert [made.range((k,)) for k in range(4)] == [ByteRange(10, 30), None, ByteRange(0, 10), ByteRange(30, 80)]
    assert made.stored() == [((0,), 10, 20), ((2,), 0, 10), ((3,), 30, 50)]
    offsets, lengths = made.ranges([(3,), (1,), (0,)])
    assert (offsets.tolist(), lengths.tolist()) == ([30, 0, 10], [50, 0, 20])
    assert not made.is_empty
    assert index(EMPTY, EMPTY).is_empty
    assert made.nbytes == 64


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([(0, 10), (2**64 - 1, 5)], r"\(1,\) is half empty"),
        ([(5, 2**64 - 1)], "half empty"),
        ([(0, 0)], "no bytes"),
        ([(0, 51)], "more than 50 bytes"),
        ([(0, 2**64 - 2)], "more than 50 bytes"),
        ([(60, 41)], "past byte 100"),
        ([(101, 1)], "past byte 100"),
        ([(2**64 - 20, 30)], "past byte 100"),
        ([(2**63, 1)], "past byte 100"),
        ([(0, 10), (9, 10)], r"\(0,\) and \(1,\) overlap"),
        ([(20, 10), (0, 10), (5, 2)], r"\(1,\) and \(2,\) overlap"),
        ([(0, 10), (0, 10)], "overlap"),
    ],
)
def test_impossible_entries(entries: list[tuple[int, int]], why: str) -> None:
    with pytest.raises(CodecError, match=why):
        index(*entries)


def test_entries_in_the_index_region() -> None:
    assert index((64, 10), start=64).range((0,)) == ByteRange(64, 74)
    with pytest.raises(CodecError, match="starts before byte 64"):
        index((63, 10), start=64)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=30),
    st.integers(0, 50),
    st.integers(0, 100),
)
def test_coalesce_covers_every_range_once(bounds: list[tuple[int, int]], gap: int, max_size: int) -> None:
    ranges = [ByteRange(start, start + length) for start, length in bounds]
    runs = coalesce(ranges, gap=gap, max_size=max_size)
    assert sorted(member for run in runs for member in run.members) == list(range(len(ranges)))
    for run in runs:
        parts = [ranges[member] for member in run.members]
        assert run.start == min(part.start for part in parts)
        assert run.stop == max(part.stop for part in parts if part.stop is not None)
        assert len(parts) == 1 or run.stop - run.start <= max_size
        wanted = {byte for part in parts for byte in range(part.start, part.stop or 0)}
        assert (run.stop - run.start) - len(wanted) <= gap * (len(parts) - 1)
    for left, right in pairwise(runs):
        near = right.start - left.stop <= gap
        assert not near or max(left.stop, right.stop) - left.start > max_size


def test_coalesce_needs_an_end() -> None:
    with pytest.raises(ValueError, match="stop"):
        coalesce([ByteRange(3)], gap=0, max_size=10)
