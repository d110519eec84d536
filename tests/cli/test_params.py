"""What may stand on the command line, and that nothing else may."""

from __future__ import annotations

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.cli.output import seconds, size
from asynczarr.cli.params import CODECS, LENGTHS, SELECTION, SIZE


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("1", 1),
        ("1048576", 2**20),
        ("64MiB", 2**26),
        ("64M", 2**26),
        ("1.5 GB", 1_500_000_000),
        ("2kb", 2000),
        ("3B", 3),
    ],
)
def test_size(text: str, nbytes: int) -> None:
    assert SIZE.convert(text, None, None) == nbytes


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1e9", "MiB", "1 XB", "0.1", "9" * 30, "1_000", "\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_bad_size(text: str) -> None:
    with pytest.raises(click.BadParameter):
        SIZE.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("", ()),
        ("3", (3,)),
        ("0:10, ::-2", (slice(0, 10), slice(None, None, -2))),
        ("[..., -1]", (..., -1)),
        (":", (slice(None),)),
        ("1 : 2 : 3", (slice(1, 2, 3),)),
        ("+5:", (slice(5, None),)),
    ],
)
def test_selection(text: str, index: tuple[object, ...]) -> None:
    assert SELECTION.convert(text, None, None) == index


@pytest.mark.parametrize(
    "text", ["a", "1,", "1:2:3:4", "::0", "1.5", "len(x)", "9" * 5000, "1_0", ":,,:", "1 2", "(1,)"]
)
def test_bad_selection(text: str) -> None:
    with pytest.raises(click.BadParameter):
        SELECTION.convert(text, None, None)


_part = st.none() | st.integers(-20, 20)
_slices = st.builds(slice, _part, _part, _part.filter(lambda step: step != 0))


@given(st.lists(st.integers(-5, 4) | _slices, max_size=3))
def test_selection_means_what_numpy_means(index: list[int | slice]) -> None:
    def text(item: int | slice) -> str:
        if isinstance(item, int):
            return str(item)
        return ":".join("" if part is None else str(part) for part in (item.start, item.stop, item.step))

    array = np.arange(125).reshape(5, 5, 5)
    parsed = SELECTION.convert(",".join(map(text, index)), None, None)
    np.testing.assert_array_equal(array[parsed], array[tuple(index)])


def test_lengths_and_codecs() -> None:
    assert LENGTHS.convert("10, 20", None, None) == (10, 20)
    assert LENGTHS.convert("none", None, None) is None
    for bad in ("", "0", "-1", "1,,2", "1.5", "1" * 40):
        with pytest.raises(click.BadParameter):
            LENGTHS.convert(bad, None, None)
    assert CODECS.convert("zstd, crc32c", None, None) == ["zstd", "crc32c"]
    assert CODECS.convert('{"name": "gzip"}', None, None) == [{"name": "gzip"}]
    for bad in ("[", "[" * 100_000):
        with pytest.raises(click.BadParameter):
            CODECS.convert(bad, None, None)


def test_sizes_for_people() -> None:
    assert [size(n) for n in (0, 1023, 1536, 2**40)] == ["0 B", "1023 B", "1.5 KiB", "1.0 TiB"]
    assert [seconds(t) for t in (0.0123, 0.25, 61)] == ["12.3 ms", "0.25 s", "61.00 s"]
