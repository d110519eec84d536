"""``write_stream`` when something fails: reported exactly, the rest drains, the source is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

import asynczarr as az

from .items import KINDS, SOURCES, SPEC, VALUES, chunk_items, rows, shard_major, shuffled
from .support import Request, SpyStore, chunk_key, nothing_left, sleeping


def _fail_at(*keys: str) -> Callable[[Request], None]:
    def script(request: Request) -> None:
        if request.key in keys and request.verb == "set":
            raise az.QuotaExceeded("on purpose")

    return script


@pytest.mark.every_loop
@KINDS
async def test_failed_items_are_reported_exactly_and_the_rest_drains(kind: Any) -> None:
    array = await az.create_array(kind(), **SPEC)
    array.store.script = _fail_at(chunk_key(0, 1), chunk_key(2, 2))
    told: list[Any] = []
    items = shuffled()
    expected_failed = [
        number for number, (where, _) in enumerate(items) if (where[0] // 2, where[1] // 4) in ((0, 1), (2, 2))
    ]
    for on_error in ("skip", lambda where, error: told.append((where, error))):
        async with nothing_left():
            report = await array.write_stream(items, on_error=on_error)
        assert [failed.number for failed in report.failed] == expected_failed
        assert [failed.where for failed in report.failed] == [items[number][0] for number in expected_failed]
        assert all(isinstance(failed.error, az.QuotaExceeded) for failed in report.failed)
        assert {failed.error.key for failed in report.failed} == {chunk_key(0, 1), chunk_key(2, 2)}
        assert (report.items, report.written) == (60, 7)
        result = await array.read()
        expected = VALUES.copy()
        expected[0:8, 8:16] = expected[16:24, 16:20] = 0
        np.testing.assert_array_equal(result, expected)
    assert sorted(where for where, _ in told) == sorted(items[number][0] for number in expected_failed)


@KINDS
async def test_an_item_that_lies_in_a_good_and_a_bad_shard_has_failed(kind: Any) -> None:
    array = await az.create_array(kind(), **SPEC)
    array.store.script = _fail_at(chunk_key(1, 0))
    report = await array.write_stream(rows(), on_error="skip")
    assert [failed.number for failed in report.failed] == [2, 3, 4, 5], "rows 6 to 17 lie in rows 8 to 15 in part"
    assert report.written == 8


@KINDS
@pytest.mark.parametrize("source", ["list", "generator", "async generator"])
async def test_raise_stops_taking_but_what_was_accepted_lands(kind: Any, source: str) -> None:
    taken = 0

    def items() -> Iterator[Any]:
        nonlocal taken
        for item in chunk_items():
            taken += 1
            yield item

    array = await az.create_array(kind(), **{**SPEC, "shards": None})
    array.store.script = _fail_at(chunk_key(1, 1))
    async with nothing_left():
        with pytest.raises(az.QuotaExceeded) as caught:
            await array.write_stream(SOURCES[source](items()), concurrency=2, max_bytes=4 * 64)
    assert (caught.value.key, caught.value.chunk) == (chunk_key(1, 1), (1, 1))
    assert taken < 30
    result = await array.read()
    for number, (where, values) in enumerate(chunk_items()):
        region = tuple(slice(n * w, n * w + n) for n, w in zip((4, 2), where, strict=True))
        written = number < taken and where != (1, 1)
        np.testing.assert_array_equal(result[region], values if written else 0, err_msg=f"{where}")


async def test_raise_also_writes_accepted_parts_of_incomplete_objects() -> None:
    array = await az.create_array(SpyStore(), **SPEC)
    with pytest.raises(az.SelectionError):
        await array.write_stream([((0, 0), VALUES[:4, :2]), ((99, 0), VALUES[:4, :2]), ((0, 1), VALUES[:4, 2:4])])
    result = await array.read()
    np.testing.assert_array_equal(result[:4, :2], VALUES[:4, :2])
    assert (result[:4, 2:] == 0).all()


BAD: dict[str, Any] = {
    "no item": 5,
    "a triple": (1, 2, 3),
    "index outside": ((6, 0), VALUES[:4, :2]),
    "negative index": ((-1, 0), VALUES[:4, :2]),
    "index of another rank": ((0,), VALUES[:4, :2]),
    "region outside": ((slice(0, 4), slice(18, 22)), VALUES[:4, :4]),
    "shape": ((0, 0), VALUES[:4, :3]),
    "shape that broadcasts": ((0, 0), VALUES[:1, :2]),
    "scalar": ((0, 0), 5),
    "dtype": ((0, 0), np.full((4, 2), 0.5)),
    "text": ((0, 0), np.full((4, 2), "x")),
    "ragged": ((0, 0), [[1, 2], [3]]),
    "an object": ((0, 0), object()),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_items(name: str) -> None:
    array = await az.create_array(az.MemoryStore(), **SPEC)
    items = [*shard_major()[:8], BAD[name], *shard_major()[8:]]
    report = await array.write_stream(items, on_error="skip")
    (failed,) = report.failed
    assert failed.number == 8
    assert isinstance(failed.error, az.SelectionError)
    if isinstance(BAD[name], tuple) and len(BAD[name]) == 2:
        assert failed.where is BAD[name][0]
    else:
        assert failed.where is None
    np.testing.assert_array_equal(await array.read(), VALUES)
    with pytest.raises(az.SelectionError):
        await array.write_stream([BAD[name]])


async def test_without_validation_items_are_assigned_as_numpy_does() -> None:
    array = await az.create_array(az.MemoryStore(), **SPEC)
    good = [((0, 0), 5), ((0, 1), np.full((1, 2), 2.7)), ((1, 0), True)]
    bad = [((1, 1), "x"), ((1, 2), np.zeros((3, 2))), ((1, 3), [[1, 2], [3]])]
    report = await array.write_stream(good + bad, validate=False, on_error="skip")
    assert [failed.number for failed in report.failed] == [3, 4, 5]
    assert all(isinstance(failed.error, az.SelectionError) for failed in report.failed)
    result = await array.read()
    assert [int(result[row, column]) for row, column in ((0, 0), (3, 2), (7, 1), (7, 3))] == [5, 2, 1, 0]


PAIR = np.dtype([("a", "i4"), ("b", "f4")])
KEPT: dict[str, tuple[Any, Any]] = {
    "a wider integer": ("i4", np.array([2**31 - 1, -(2**31)])),
    "a signed integer": ("u1", np.array([0, 255])),
    "an unsigned integer": ("i8", np.array([2**63 - 1, 0], "u8")),
    "integers of Python": ("u1", [0, 255]),
    "integers of Python beyond int64": ("u8", [2**64 - 1, 1]),
    "integers of 4 bits": ("int4", np.array([-8, 7])),
    "integers to floats": ("f4", np.array([2**24 + 1, -1])),
    "rounded": ("f4", np.array([0.1, 1e-300])),
    "rounded to 8 bits": ("float8_e5m2", np.array([0.1, 447.0])),
    "rounded to 4 bits": ("float4_e2m1fn", np.array([0.4, -6.0])),
    "not finite": ("f4", np.array([np.inf, np.nan])),
    "complex": ("c8", np.array([0.1 + 1j, complex("nan")])),
    "short text": ("U3", np.array(["abc", ""], "U9")),
    "text of any length": ("string", np.array(["abc", ""])),
    "text with zeros": ("string", ["a\0", "b"]),
    "bytes with zeros": ("bytes", [b"a\0", b"b"]),
    "whole days": ("M8[D]", np.array(["2020-01-01", "NaT"], "M8[ns]")),
    "tuples": (PAIR, [(2**31 - 1, 0.1), (0, 1)]),
    "fields": (PAIR, np.array([(2**31 - 1, 0.1), (0, 1)], [("x", "i8"), ("y", "f8")])),
    "true": ("i4", [True, 2]),
}
CHANGED: dict[str, tuple[Any, Any]] = {
    "a wider integer": ("i4", np.array([2**31, 0])),
    "a negative integer": ("u8", np.array([-1, 0])),
    "an unsigned integer": ("i8", np.array([2**63, 0], "u8")),
    "integers of Python": ("i4", [2**31, 0]),
    "integers of 4 bits": ("int4", np.array([8, 0])),
    "floats to integers of 4 bits": ("int4", np.array([0.5, 0.0])),
    "floats to integers": ("i4", np.array([1.0, 2.0])),
    "floats of Python to integers": ("i4", [1.5, 2]),
    "numbers as text": ("f4", ["1.5", "2"]),
    "text of numbers": ("U3", np.array([1, 2000])),
    "a float that overflows": ("f4", np.array([1e300, 0])),
    "a float of Python that overflows": ("f4", [1e300, 0]),
    "an integer that overflows": ("f2", np.array([70000, 0])),
    "8 bits that overflow": ("float8_e5m2", np.array([1e6, 0])),
    "4 bits that overflow": ("float4_e2m1fn", np.array([100.0, 0])),
    "4 bits without infinity": ("float4_e2m1fn", np.array([np.inf, 0])),
    "complex to float": ("f4", np.array([1j, 0])),
    "long text": ("U3", np.array(["abcd", ""])),
    "long text of Python": ("U3", ["abcd", ""]),
    "long bytes": ("S3", np.array([b"abcd", b""])),
    "hours": ("M8[D]", np.array(["2020-01-01T05", "2020-01-02"], "M8[h]")),
    "tuples": (PAIR, [(2**31, 0.1), (0, 1)]),
    "tuples of floats": (PAIR, [(1.5, 0.1), (0, 1)]),
    "fields": (PAIR, np.array([(2**31, 0.1), (0, 1)], [("x", "i8"), ("y", "f8")])),
    "other fields": (PAIR, np.array([(1,), (2,)], [("x", "i4")])),
    "no fields": (PAIR, np.array([1, 2])),
}


@pytest.mark.parametrize("name", KEPT)
async def test_validated_values_that_fit(name: str) -> None:
    dtype, values = KEPT[name]
    array = await az.create_array(az.MemoryStore(), shape=2, chunks=2, dtype=dtype)
    await array.write_stream([((0,), values)])
    result = await array.read()
    await array.write(values)
    np.testing.assert_array_equal(result, await array.read())
    if array.dtype.kind in "iuMOT":
        assert result.tolist() == np.array(values, array.dtype).tolist()


@pytest.mark.parametrize("name", CHANGED)
async def test_validated_values_are_never_changed_silently(name: str) -> None:
    dtype, values = CHANGED[name]
    array = await az.create_array(az.MemoryStore(), shape=2, chunks=2, dtype=dtype)
    with pytest.raises(az.SelectionError, match=r"item at \(0,\): "):
        await array.write_stream([((0,), values)])
    assert await array.nchunks_stored() == 0


@pytest.mark.every_loop
@pytest.mark.parametrize("source", ["generator", "async generator"])
async def test_a_source_that_raises(source: str) -> None:
    """Its error comes out as it is, the source is closed, nothing is left."""
    array = await az.create_array(SpyStore(script=sleeping(0.001)), **SPEC)

    def items() -> Iterator[Any]:
        yield from chunk_items()[:20]
        raise ZeroDivisionError

    async with nothing_left():
        with pytest.raises(ZeroDivisionError):
            await array.write_stream(SOURCES[source](items()))
    assert array.store.in_flight == 0


@pytest.mark.every_loop
@pytest.mark.parametrize("how", ["error", "cancel", "timeout"])
@pytest.mark.parametrize("source", ["generator", "async generator"])
async def test_the_source_is_closed_before_write_stream_returns(source: str, how: str) -> None:
    closed: list[bool] = []

    def items() -> Iterator[Any]:
        try:
            yield from chunk_items()[:5]
            yield ((99, 99), VALUES)
            yield from chunk_items()[5:]
        finally:
            closed.append(True)

    async def async_items() -> AsyncIterator[Any]:
        try:
            for item in chunk_items()[:5]:
                yield item
            yield ((99, 99), VALUES)
        finally:
            closed.append(True)

    chosen = items() if source == "generator" else async_items()
    script = sleeping(0.001) if how == "error" else sleeping(100)
    array = await az.create_array(SpyStore(script=script), **{**SPEC, "shards": None})
    async with nothing_left():
        task = asyncio.ensure_future(array.write_stream(chosen, max_bytes=128))
        if how == "error":
            with pytest.raises(az.SelectionError):
                await task
        elif how == "cancel":
            while array.store.in_flight == 0:  # until then the source may not have begun
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            while array.store.in_flight == 0:
                await asyncio.sleep(0.001)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(task, 0.01)
        assert closed == [True]
    assert array.store.in_flight == 0


async def test_the_error_of_a_callback() -> None:
    array = await az.create_array(SpyStore(script=_fail_at(chunk_key(1, 1))), **SPEC)

    def bad(*args: Any) -> None:
        raise ZeroDivisionError

    for options in ({"progress": bad}, {"on_error": bad}):
        async with nothing_left():
            with pytest.raises(ZeroDivisionError):
                await array.write_stream(chunk_items(), **options)


async def test_an_unknown_way_to_meet_errors_is_refused() -> None:
    """A typo must not be taken for "skip"."""
    array = await az.create_array(SpyStore(), **SPEC)
    for bad in ("rase", "", None):
        with pytest.raises(ValueError, match="on_error"):
            await array.write_stream(chunk_items(), on_error=bad)
    assert array.store.requests == []
