"""Values to write become what NumPy's assignment makes of them, or are refused before anything is changed."""

from __future__ import annotations

import asyncio
import datetime
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import asynczarr as az
from asynczarr.metadata.dtypes import Objects

STRUCT = np.dtype([("a", "i4"), ("b", "f8")])
NUMPY: dict[Any, Any] = {"string": np.dtypes.StringDType(), "bytes": np.dtype(object)}
"""Dtypes that NumPy calls otherwise."""
DTYPES = ("u1", "i4", "i8", "u8", "f4", "f8", "c8", "bool", "U3", "S3", "M8[s]", "m8[ms]", STRUCT, "string", "bytes")


def numpy_dtype(dtype: Any) -> np.dtype[Any]:
    return np.dtype(NUMPY.get(dtype if isinstance(dtype, str) else None, dtype))


async def array_of(dtype: Any, shape: tuple[int, ...] = (4,), **options: Any) -> az.Array:
    return await az.create_array("memory://", shape=shape, dtype=dtype, chunks=(2,) * len(shape), **options)


INTEGERS = (
    0,
    1,
    -1,
    7,
    255,
    256,
    300,
    -129,
    2**31 - 1,
    2**31,
    -(2**31),
    2**40,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64,
    2**70,
)
SCALARS: dict[str, tuple[Any, ...]] = {
    "int": INTEGERS,
    "float": (0.0, -0.0, 1.5, -2.75, 255.9, 1e10, 1e300, float("inf"), float("nan")),
    "complex": (1 + 2j, complex("nan")),
    "bool": (True, False),
    "text": ("", "abc", "a\0", "é", "abcdef", "5", "1.5", "2020-01-01", "NaT"),
    "bytes": (b"", b"abc", b"a\0", b"abcdef", b"\xff", b"5"),
    "NumPy": (np.int64(300), np.int64(-1), np.uint8(9), np.float64("nan"), np.float32(2.5), np.float64(1e300)),
    "NumPy's others": (
        np.complex64(1 + 2j),
        np.bool_(True),
        np.str_("abc\0"),
        np.bytes_(b"ab"),
        np.datetime64("NaT", "s"),
    ),
    "times": (np.datetime64("2020-01-01T05", "h"), np.timedelta64(3, "s"), datetime.datetime(2020, 1, 1, 3)),
    "none": (None,),
    "struct": ((1, 2.5), (3, 4), (2**40, 1.0), (1, 2, 3), ("x", 1), np.array((1, 2.5), STRUCT)[()]),
}
SHAPES = ((), (1,), (4,), (0,), (2, 4), (1, 4))


@st.composite
def nested(draw: st.DrawFn) -> Any:
    """Lists of scalars of one family or two, some of them ragged or too deep."""
    family = [draw(st.sampled_from(sorted(SCALARS))) for _ in range(draw(st.integers(1, 2)))]
    scalar = st.sampled_from([value for name in family for value in SCALARS[name]])
    shape = draw(st.sampled_from((*SHAPES, (1, 1, 4), (4, 1))))

    def lists(shape: tuple[int, ...]) -> Any:
        return [lists(shape[1:]) for _ in range(shape[0])] if shape else draw(scalar)

    value = lists(shape)
    if len(shape) == 2 and draw(st.integers(0, 9)) == 0:
        value[-1] = value[-1][:-1]
    return value


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """Arrays of every dtype; floats are such that all integer dtypes hold them, as C leaves open what else happens."""
    shape = draw(st.sampled_from((*SHAPES, (1, 1, 4), (1, 1), (3,), (4, 1))))
    dtype = draw(st.sampled_from(DTYPES))
    numbers = np.asarray(draw(st.sampled_from((0, 1, 5))) + np.arange(np.prod(shape, dtype=int)).reshape(shape))
    if dtype in ("u1", "i4", "i8", "u8"):
        numbers = numbers + draw(st.sampled_from((0, 250, 2**31, 2**63 - 9)))
    values = numbers.astype(numpy_dtype(dtype))
    if dtype == "bytes":
        values = np.array([b"%d\0" % number for number in numbers.flat], object).reshape(shape)
    if values.ndim and draw(st.booleans()):
        values = values[::-1]
    return values


@given(st.sampled_from(DTYPES), st.sampled_from(SHAPES), st.one_of(nested(), arrays()))
@settings(max_examples=300, deadline=None)
async def test_as_numpy_assigns(dtype: Any, shape: tuple[int, ...], value: Any) -> None:
    assume(dtype != "string" or not isinstance(value, np.ndarray) or value.dtype != STRUCT)  # to NumPy that is UTF-8
    array = await array_of(dtype, shape)
    expected = np.zeros(shape, numpy_dtype(dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of casts that lose something: the same on both sides
        try:
            expected[...] = value
        except (TypeError, ValueError, OverflowError, RuntimeError):
            with pytest.raises(az.SelectionError) as caught:
                await array.write(value)
            assert caught.value.__cause__ is not None or "nested" in caught.value.reason
            return
        try:
            await array.write(value)
        except az.SelectionError:
            assert expected.size == 0, "NumPy does not look at what goes nowhere"
            return
        except az.CodecError:
            assert dtype == "bytes", "NumPy takes any object, the codec takes bytes"
            assert not all(isinstance(element, bytes) for element in expected.flat)
            return
    result = np.asarray(await array.read())
    assert result.dtype == expected.dtype
    if dtype in ("string", "bytes"):
        assert result.tolist() == expected.tolist()
    else:
        assert result.tobytes() == expected.tobytes(), f"{result} is not {expected}"


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("u1", 300),
        ("u1", [300, 1, 2, 3]),
        ("u1", -1),
        ("i4", float("nan")),
        ("i8", 2**70),
        ("i4", [None]),
        ("f4", "abc"),
        ("f4", [[1], [1, 2]]),
        ("f4", [[1, 2, 3, 4]]),
        ("f4", [np.ones(1)]),
        (STRUCT, (1, 2, 3)),
        ("f4", np.array(["x"] * 4)),
        ("f4", np.array([None, "x", 1, 2])),
    ],
)
async def test_what_does_not_convert_is_refused_everywhere_and_nothing_is_changed(dtype: Any, value: Any) -> None:
    array = await array_of(dtype)
    for attempt in (
        array.write(value),
        array[0].write(value),
        array.append(value),
        array.write_stream([((...,), value)]),
        array.write_stream([((...,), value)], validate=False),
    ):
        with pytest.raises(az.SelectionError):
            await attempt
    assert array.shape == (await az.open_array(array.store)).shape == (4,)
    assert await array.nchunks_stored() == 0


async def test_the_words_are_those_of_numpy() -> None:
    array = await array_of("u1")
    with pytest.raises(
        az.SelectionError, match="not a value for dtype uint8: Python integer 300 out of bounds"
    ) as caught:
        await array.write(300)
    assert isinstance(caught.value.__cause__, OverflowError)
    with pytest.raises(az.SelectionError, match=r"item at \(0,\): not a value for dtype uint8: Python integer 300"):
        await array.write_stream([((0,), [300, 1])])


async def test_a_struct_is_written_from_tuples() -> None:
    array = await array_of(STRUCT)
    await array.write((1, 2.5))
    await array[1].write((3, 4.5))
    await array[2:].write([(5, 6.5), (7, 8.5)])
    await array.append([(9, 10.5)])
    await array.write_stream([((0,), [(0, 0.5), (3, 4.5)])])
    assert (await array.read()).tolist() == [(0, 0.5), (3, 4.5), (5, 6.5), (7, 8.5), (9, 10.5)]


@pytest.mark.parametrize(
    ("dtype", "values"), [("bytes", [b"a\0", b"", b"\0", b"b\0\0"]), ("string", ["a\0", "", "\0", "b"])]
)
async def test_zeros_at_the_end_of_text_and_bytes_stay(dtype: str, values: list[Any]) -> None:
    array = await array_of(dtype)
    await array[:2].write(values[:2])
    await array.write_stream([((1,), values[2:])])
    await array.append(values)
    assert (await array.read()).tolist() == values * 2
    await array.write(values[0])
    assert (await array.read()).tolist() == values[:1] * 8


async def test_integers_of_64_bits_do_not_become_floats_on_the_way() -> None:
    values = [2**64 - 1, 2**63 + 1, 0, 1]
    array = await array_of("u8")
    await array.write(values)
    await array.append(values)
    await array.write_stream([((0,), values[:2])])
    assert (await array.read()).tolist() == values * 2


async def test_nested_lists_are_axes_as_far_as_there_are_axes() -> None:
    """What is nested deeper is an element, of those dtypes whose elements can be lists."""
    array = await array_of(Objects(codec="json2"), (2,), zarr_format=2)
    for value in ([[1, 2], [3, 4]], [[1], [1, 2]], [[], []], [{"a": [1]}, None]):
        await array.write(value)
        assert (await array.read()).tolist() == value
    await array.append([[5], [6, 7]])
    await array.write_stream([((0,), [[8], 9])])
    assert (await array.read()).tolist() == [[8], 9, [5], [6, 7]]
    table = await array_of(Objects(codec="json2"), (2, 2), zarr_format=2)
    await table.write([[[1], [2]], [[3], 4]])
    assert (await table.read()).tolist() == [[[1], [2]], [[3], 4]]
    await table.write([[{"a": 1}, 5]])
    assert (await table.read()).tolist() == [[{"a": 1}, 5]] * 2
    point = await array_of(Objects(codec="json2"), (), zarr_format=2)
    await point.write([1, [2]])
    assert (await point.read()).item() == [1, [2]]


class ArrayLike:
    """What pandas, xarray and others are to NumPy."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.asarray(self.values, dtype)


async def test_what_can_be_an_array_is_cast_as_one() -> None:
    array = await array_of("u1")
    for value in (np.array([300, 1, 2, 3]), ArrayLike(np.array([300, 1, 2, 3]))):
        await array.write(value)
        assert (await array.read()).tolist() == [44, 1, 2, 3]
        await array.write(0)
    with pytest.raises(az.SelectionError):
        await array.write(ArrayLike(["x"] * 4))


async def test_large_arrays_are_cast_as_well() -> None:
    array = await az.create_array("memory://", shape=2**18, dtype="f4", chunks=2**16)
    await array.write(np.arange(2**18, dtype="f8"))
    assert (await array.read() == np.arange(2**18)).all()
    with pytest.raises(az.SelectionError):
        await array.write(np.full(2**18, "x", object))


async def test_an_array_of_the_right_dtype_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    from asynczarr.array import view

    written: list[Any] = []

    def edits(array: Any, selection: Any, source: Any) -> Any:
        written.append(source)
        return iter(())

    monkeypatch.setattr(view, "edits", edits)
    array = await array_of("f8", (2, 4))
    for value in (np.ones((2, 4)), np.ones((1, 2, 4)), np.ones(4), np.ones((4, 2)).T):
        await array.write(value)
        assert np.shares_memory(written.pop(), value)


WRITERS: dict[str, Callable[[az.Array, Any], Any]] = {
    "write": lambda array, value: array.write(value),
    "append": lambda array, value: array.append(value),
    "write_stream": lambda array, value: array.write_stream([((...,), value)]),
    "write_stream, not validated": lambda array, value: array.write_stream([((...,), value)], validate=False),
}


@pytest.mark.parametrize("dtype", ["f4", "bool", "string", "bytes"])
@pytest.mark.parametrize("how", WRITERS)
async def test_views_and_awaitables_are_no_values(dtype: str, how: str) -> None:
    source, target = await array_of("i4"), await array_of(dtype)
    for view in (source, source[:2], [source], [source[0]] * 4):
        with pytest.raises(az.SelectionError, match=r"await array\.read\(\)"):
            await WRITERS[how](target, view)
    coroutine, future = source.read(), asyncio.get_running_loop().create_future()
    for awaitable in (coroutine, future):
        with pytest.raises(az.SelectionError, match="await it first"):
            await WRITERS[how](target, awaitable)
    coroutine.close()
    assert target.shape == (4,)
    assert await target.nchunks_stored() == 0


async def test_a_failed_append_of_bad_values_leaves_the_shape() -> None:
    for dtype, value in (("u1", [300]), ("f4", ["x"]), ("i4", [None]), (STRUCT, [(1, 2, 3)]), ("i4", [[1]]), ("i4", 5)):
        array = await array_of(dtype)
        with pytest.raises(az.SelectionError):
            await array.append(value)
        assert array.shape == (await az.open_array(array.store)).shape == (4,)


async def test_an_append_that_cannot_be_encoded_leaves_fill_values() -> None:
    """Others may have appended behind it meanwhile, so the array does not shrink again."""
    array = await array_of("bytes")
    with pytest.raises(az.CodecError):
        await array.append(["text"])
    assert array.shape == (5,)
    await array.append([b"next"])
    assert (await array.read()).tolist() == [b""] * 5 + [b"next"]


BAD_OUT: dict[str, Any] = {
    "a list": [[1]],
    "none of ours": "abc",
    "another shape": np.zeros(3, "f4"),
    "dtype": np.zeros(4),
}


@pytest.mark.parametrize("name", [*BAD_OUT, "read-only"])
async def test_an_out_that_cannot_be_filled(name: str) -> None:
    out = BAD_OUT.get(name)
    if out is None:
        out = np.zeros(4, "f4")
        out.flags.writeable = False
    array = await array_of("f4")
    with pytest.raises(az.SelectionError, match="out="):
        await array.read(out=out)
