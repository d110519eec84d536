"""The ledger of ``write_stream`` and objects that are written in several parts, in part only, or not stored at all."""

from __future__ import annotations

import asyncio
from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asynczarr as az

from .items import SHAPE, SPEC, Items
from .support import Request, SpyStore

BY_ROW = np.arange(1, 25, dtype="i4")[:, None] * np.ones(20, "i4")
LINE: dict[str, Any] = {"shape": 160, "chunks": 4, "dtype": "i4", "options": az.NodeOptions(write_empty_chunks=False)}


def _rows(rows: int = 24, value: int = 0) -> Items:
    return [((slice(row, row + 1), slice(None)), np.full((1, 20), row + 1 + value)) for row in range(rows)]


@pytest.mark.parametrize("max_bytes", [300, 2**20])
@pytest.mark.parametrize("rows", [24, 13])
async def test_what_was_merged_or_is_not_full_is_not_written_again(tmp_path: Path, max_bytes: int, rows: int) -> None:
    array = await az.create_array(SpyStore(), **SPEC)
    first = await array.write_stream(_rows(rows), checkpoint=tmp_path / "ledger", max_bytes=max_bytes)
    assert first.rewritten or max_bytes > 300
    again = await array.write_stream(_rows(rows), checkpoint=tmp_path / "ledger", max_bytes=max_bytes)
    assert (again.written, again.skipped) == (0, rows)
    longer = await array.write_stream(_rows(24), checkpoint=tmp_path / "ledger", max_bytes=max_bytes)
    assert longer.skipped == rows
    np.testing.assert_array_equal(await array.read(), BY_ROW)


async def test_merged_objects_are_finished_before_the_source_has_ended(tmp_path: Path) -> None:
    """What a run that was stopped had filled, in however many parts, is done; what it had begun is not."""
    array = await az.create_array(SpyStore(), **SPEC)
    with pytest.raises(az.SelectionError):
        await array.write_stream([*_rows()[:17], (0, 0, 0)], checkpoint=tmp_path / "ledger", max_bytes=300)
    report = await array.write_stream(_rows(), checkpoint=tmp_path / "ledger", max_bytes=300)
    assert report.skipped == 16
    np.testing.assert_array_equal(await array.read(), BY_ROW)


def _blocks(modulus: int) -> Items:
    return [(n, np.full(4, n % modulus)) for n in range(40)]


async def test_chunks_that_are_not_stored_because_they_are_empty(tmp_path: Path) -> None:
    ledger, store = tmp_path / "ledger", SpyStore()
    array = await az.create_array(store, **LINE)
    await array.write_stream(_blocks(2), checkpoint=ledger)
    again = await array.write_stream(_blocks(2), checkpoint=ledger)
    assert (again.written, again.skipped) == (0, 40)
    array = await az.create_array(store, **LINE, overwrite=True)
    anew = await array.write_stream(_blocks(3), checkpoint=ledger)
    assert (anew.written, anew.skipped) == (40, 0)
    np.testing.assert_array_equal(await array.read(), np.repeat(np.arange(40) % 3, 4))


async def test_an_array_of_which_nothing_is_stored(tmp_path: Path) -> None:
    """Nothing proves that it is still the same array, so it is written."""
    array = await az.create_array(SpyStore(), **LINE)
    await array.write_stream(_blocks(1), checkpoint=tmp_path / "ledger")
    report = await array.write_stream(_blocks(2), checkpoint=tmp_path / "ledger")
    assert (report.written, report.skipped) == (40, 0)


async def test_an_item_that_was_refused_can_be_put_right(tmp_path: Path) -> None:
    """Its objects hold parts of others, which the end of the source does not make complete."""
    array = await az.create_array(SpyStore(), **SPEC)
    wrong = [*_rows()[:5], ((slice(5, 6), slice(None)), np.full((1, 20), "six")), *_rows()[6:8]]
    report = await array.write_stream(wrong, checkpoint=tmp_path / "ledger", on_error="skip")
    assert [failed.number for failed in report.failed] == [5]
    await array.write_stream(_rows()[:8], checkpoint=tmp_path / "ledger")
    np.testing.assert_array_equal(await array[:8].read(), BY_ROW[:8])


async def test_a_part_that_failed_is_not_finished_by_the_others(tmp_path: Path) -> None:
    """Neither when the source ends nor when an earlier run had finished the object."""
    second = _rows(24, 100)
    for failing in range(1, 18, 4):
        array = await az.create_array(SpyStore(), **SPEC)
        ledger = tmp_path / str(failing)
        seen = 0

        def script(request: Request, failing: int = failing) -> None:
            nonlocal seen
            seen += request.verb == "set"
            if seen == failing and request.verb == "set":
                raise az.Unavailable("on purpose")

        for source in (_rows(), [*_rows(), *second]):
            seen = 0
            array.store.script = script
            report = await array.write_stream(source, checkpoint=ledger, max_bytes=300, on_error="skip")
            assert report.failed
            array.store.script = None
        report = await array.write_stream([*_rows(), *second], checkpoint=ledger, max_bytes=300)
        np.testing.assert_array_equal(await array.read(), BY_ROW + 100)


@given(st.data())
@settings(max_examples=40)
async def test_killed_anywhere_and_resumed_with_any_items(data: st.DataObject) -> None:
    """What the ledger and the store held at some moment is what a killed writer leaves behind."""
    disjoint = data.draw(st.booleans())
    expected = np.zeros(SHAPE, "i4")
    items: Items = []
    regions = _tiles(data) if disjoint else [_region(data) for _ in range(data.draw(st.integers(1, 25)))]
    for number, region in enumerate(regions):
        expected[region] = number % 5  # some are empty
        items.append((region, np.full(expected[region].shape, number % 5, "i4")))
    spec = {**SPEC, "shards": (8, 8) if data.draw(st.booleans()) else None}
    options = az.NodeOptions(write_empty_chunks=data.draw(st.booleans()))
    budget = data.draw(st.sampled_from([1, 300, 1000, 10**8]))
    with TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger"
        array = await az.create_array(SpyStore(), **spec, options=options)
        for _ in range(data.draw(st.integers(1, 3))):
            killed = _Snapshot(array.store.inner, ledger, data.draw(st.integers(0, 40)))
            await killed.keep()
            array.store.script = killed
            await array.write_stream(items, checkpoint=ledger, max_bytes=budget)
            np.testing.assert_array_equal(await array.read(), expected)
            array.store.script = None
            await killed.restore()
            if disjoint:  # then their order is nothing that the ledger relies on
                items = data.draw(st.permutations(items))
        await array.write_stream(items, checkpoint=ledger, max_bytes=budget)
        np.testing.assert_array_equal(await array.read(), expected)
        if not disjoint and expected.any():
            again = await array.write_stream(items, checkpoint=ledger, max_bytes=budget)
            assert again.written == 0


def _region(data: st.DataObject) -> tuple[slice, ...]:
    ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in SHAPE]
    return tuple(slice(*span, data.draw(st.sampled_from([1, 1, 3]))) for span in ends)


def _tiles(data: st.DataObject) -> list[tuple[slice, ...]]:
    """The array, cut by some lines along each axis; a few tiles are left out."""
    cuts = [sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=5))}) for n in SHAPE]
    spans = [[slice(first, stop) for first, stop in pairwise(cut)] for cut in cuts]
    tiles = data.draw(st.permutations(list(product(*spans))))
    return list(tiles[: max(1, len(tiles) - data.draw(st.integers(0, 3)))])


class _Snapshot:
    """Before the k-th change of a store, keeps what it and a ledger hold; :meth:`restore` goes back to that."""

    def __init__(self, store: Any, ledger: Path, at: int) -> None:
        self._store, self._ledger, self._left = store, ledger, at
        self._listed: bytes | None = None
        self._values: dict[str, bytes] = {}

    async def keep(self) -> None:
        self._values = {key: bytes(self._store.get_sync(key)) for key in await self._keys()}
        self._listed = await asyncio.to_thread(self._read)

    def _read(self) -> bytes | None:
        return self._ledger.read_bytes() if self._ledger.exists() else None

    async def _keys(self) -> list[str]:
        return [key async for key in self._store.list()]

    async def __call__(self, request: Request) -> None:
        if request.verb in ("set", "delete"):
            self._left -= 1
            if self._left == 0:
                await self.keep()

    async def restore(self) -> None:
        if self._listed is None:
            self._ledger.unlink(missing_ok=True)
        else:
            self._ledger.write_bytes(self._listed)
        for key in await self._keys():
            if key not in self._values:
                self._store.delete_sync(key)
        for key, value in self._values.items():
            self._store.set_sync(key, value)
