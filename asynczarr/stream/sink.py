"""``write_stream()``: items from any iterable, gathered per stored object, each written once, in parallel."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np
from anyio import CancelScope

from ..codec import pool
from ..errors import AsyncZarrError
from ..selection import Projection
from ..telemetry import events, hooks
from ..types import Coords
from .budget import ByteBudget
from .coverage import Finishing
from .edit import Edit, Patch
from .item import Item, NDArray, Where, normalise, place_of
from .ledger import Ledger
from .read import MAX_BYTES
from .report import FailedItem, WriteReport
from .source import Source, pull
from .stored import StoredArray
from .trace import StreamTrace
from .window import Window
from .write import edit_cost, store_edit, writes_in_flight

__all__ = ["OnItemError", "Source", "WriteStreamOptions", "write_stream"]

OnItemError: TypeAlias = Literal["raise", "skip"] | Callable[[Where, AsyncZarrError], object]

LARGE_COPY = 2**20
"""Bytes from which copying takes long enough to be worth a thread."""

LEDGER_PERIOD = 0.05
"""Seconds for which finished objects are collected before one append to the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStreamOptions:
    """Options of ``write_stream``; see there."""

    concurrency: int | None = None
    max_bytes: int = MAX_BYTES
    checkpoint: str | os.PathLike[str] | None = None
    on_error: OnItemError = "raise"
    validate: bool = True
    progress: Callable[[WriteReport], object] | None = None

    def __post_init__(self) -> None:
        if not callable(self.on_error) and self.on_error not in ("raise", "skip"):
            raise ValueError(f"on_error= must be 'raise', 'skip' or a callable, not {self.on_error!r}")


@dataclass(slots=True)
class _Stage:
    """What has arrived for one stored object."""

    coords: Coords
    shape: tuple[int, ...]
    inside: int
    patches: list[Patch] = field(default_factory=list)
    items: list[tuple[int, Where]] = field(default_factory=list)
    elements: int = 0
    nbytes: int = 0


class _Sink:
    """The state of one ``write_stream`` call."""

    def __init__(self, array: StoredArray, options: WriteStreamOptions, ledger: Ledger | None) -> None:
        self.array = array
        self.options = options
        self.ledger = ledger
        self.report = WriteReport()
        self.error: AsyncZarrError | None = None
        self._trace: StreamTrace | None = None
        self._stages: dict[Coords, _Stage] = {}
        self._writing: set[Coords] = set()
        self._failed: dict[int, FailedItem] = {}
        self._finishing = None if ledger is None else Finishing(ledger.finished)
        self._finished: dict[Coords, int] = {}
        self._empty: set[Coords] = set()
        self._flushed = 0.0
        slots = writes_in_flight(array, options.concurrency, options.max_bytes)
        self._budget = ByteBudget(options.max_bytes)
        self._window: Window[tuple[_Stage, Edit, bool | AsyncZarrError]]
        self._window = Window(slots=slots, budget=self._budget, ordered=False)

    async def run(self, source: Source) -> None:
        """Take every item, then write what is left. Stops taking at the first error, unless errors are skipped."""
        if not hooks.active:
            await self._run(source)
            return
        with StreamTrace(self.array, "write") as self._trace:
            try:
                await self._run(source)
            finally:
                self._trace.items = self.report.items

    async def _run(self, source: Source) -> None:
        try:
            async with aclosing(pull(source)) as items:
                async for given in items:
                    number, self.report.items = self.report.items, self.report.items + 1
                    try:
                        item = normalise(self.array, number, given, validate=self.options.validate)
                    except AsyncZarrError as error:
                        self._fail(FailedItem(number, place_of(given), error))
                    else:
                        await self._accept(item)
                    if self.error is not None:
                        break
            for stage in list(self._stages.values()):
                await self._launch(stage)
            while self._window:
                await self._settle()
            if self._finishing is not None and not self._failed:  # what failed may come again, put right
                self._finished.update(dict.fromkeys(self._finishing.ended(), self.report.items - 1))
        finally:
            with CancelScope(shield=True):
                await self._window.aclose()
                await self._record(force=True)
        self.report.failed = [self._failed[number] for number in sorted(self._failed)]
        if self.error is not None:
            raise self.error

    async def _accept(self, item: Item) -> None:
        done = self.ledger.finished if self.ledger else {}
        parts = [part for part in item.selection.project(self.array.axes) if done.get(part.coords, -1) < item.number]
        if not parts and item.data.size:
            self.report.skipped += 1
        alone = len(parts) == 1
        for part in parts:
            stage = self._stages.get(part.coords)
            if stage is None:
                stage = self._stages[part.coords] = _Stage(part.coords, part.shape, prod(part.inside))
            patch = Patch(part, item.data) if alone and not item.borrowed else await _own(part, item.data)
            size = patch.source[patch.part.out].size
            stage.patches.append(patch)
            stage.items.append((item.number, item.where))
            stage.elements += size
            stage.nbytes += size * self.array.item_bytes
            self._budget.take(size * self.array.item_bytes)
            if stage.elements >= stage.inside:
                await self._launch(stage)
        while self._budget.used > self._budget.limit and (self._window or self._stages):
            if self._window:
                await self._settle()
            else:  # more unfinished objects than the budget holds: write the fullest as it is, and merge the rest later
                await self._launch(max(self._stages.values(), key=lambda stage: stage.nbytes))

    async def _launch(self, stage: _Stage) -> None:
        """Write what a stage holds; it counts against the budget until it is written."""
        del self._stages[stage.coords]
        edit = Edit(self.array, stage.coords, stage.shape, stage.patches)
        cost = edit_cost(edit)
        # One object is not written twice at a time: the later values must win.
        while self._window and (stage.coords in self._writing or not self._window.admits(cost)):
            await self._settle()
        self._writing.add(stage.coords)
        self._window.launch(_store(stage, edit), cost)

    async def _settle(self) -> None:
        """Wait for one write and book it."""
        (stage, edit, outcome), cost = await self._window.pop()
        self._budget.release(cost + stage.nbytes)
        self._writing.remove(stage.coords)
        if isinstance(outcome, AsyncZarrError):
            for number, where in stage.items:
                self._fail(FailedItem(number, where, outcome))
            if self._finishing is not None:
                self._finishing.failed(stage.coords)
            return
        self.report.written += 1
        self.report.rewritten += not edit.whole
        self.report.nbytes += stage.nbytes
        if self._finishing is not None:
            (self._empty.discard if outcome else self._empty.add)(stage.coords)
            if self._finishing.written(stage.coords, edit.patches, whole=edit.whole):
                self._finished[stage.coords] = stage.items[-1][0]
        await self._record(force=False)
        if self.options.progress is not None:
            self.options.progress(self.report)
        if self._trace is not None:
            self._trace.tell(events.WriteProgress, **self._progress())

    def _fail(self, failed: FailedItem) -> None:
        if failed.number in self._failed:
            return
        self._failed[failed.number] = failed
        if self._trace is not None:
            self._trace.item_failed(failed.where, failed.error)
        if self.options.on_error == "raise":
            self.error = self.error or failed.error
        elif callable(self.options.on_error):
            self.options.on_error(failed.where, failed.error)

    async def _record(self, *, force: bool) -> None:
        """Bring finished objects into the ledger, several with one sync."""
        now = asyncio.get_running_loop().time()
        if self.ledger is not None and self._finished and (force or now - self._flushed >= LEDGER_PERIOD):
            finished, self._finished, self._flushed = self._finished, {}, now
            await self.ledger.add(finished, self._empty)
            if self._trace is not None:
                duration = asyncio.get_running_loop().time() - now
                self._trace.tell(events.Checkpoint, objects=len(finished), duration=duration)

    def _progress(self) -> dict[str, int]:
        report, depth = self.report, len(self._window) + len(self._stages)
        return {
            **{name: getattr(report, name) for name in ("items", "written", "rewritten", "skipped", "nbytes")},
            "failed": len(self._failed),
            "queue_depth": depth,
            "bytes_alive": self._budget.used,
        }


async def write_stream(array: StoredArray, source: Source, options: WriteStreamOptions) -> WriteReport:
    """Write a stream of items into an array; see ``Array.write_stream``."""
    ledger = None
    if options.checkpoint is not None:
        identity = {"store": array.store.url, "path": array.prefix, "shape": array.shape, "grid": _grid(array)}
        ledger = await Ledger.open(options.checkpoint, identity)
    sink = _Sink(array, options, ledger)
    try:
        if ledger is not None:
            await _forget_missing(array, ledger)
        await sink.run(source)
    finally:
        if ledger is not None:
            ledger.close()
    return sink.report


async def _forget_missing(array: StoredArray, ledger: Ledger) -> None:
    """Objects that are gone are not finished: the array may have been created anew since.

    Those that need none are only believed to be finished if all others are still there.
    """
    if ledger.finished and array.store.capabilities.list:
        gone = {array.key(coords): coords for coords in ledger.finished if coords not in ledger.empty}
        proven = bool(gone)
        async for key in array.store.list(array.prefix):
            gone.pop(key, None)
        for coords in [*gone.values(), *([] if proven and not gone else ledger.empty)]:
            del ledger.finished[coords]


async def _store(stage: _Stage, edit: Edit) -> tuple[_Stage, Edit, bool | AsyncZarrError]:
    # An error is a result here, not the end of the window: what was accepted still drains.
    try:
        return stage, edit, await store_edit(edit)
    except AsyncZarrError as error:
        return stage, edit, error


async def _own(part: Projection, data: NDArray) -> Patch:
    """A patch with a copy of its values: the source may reuse its buffer, and the rest of the item need not stay."""
    values = data[part.out]
    copy = values.copy() if values.nbytes < LARGE_COPY else await pool.run(values.copy)
    return Patch(replace(part, out=tuple([slice(0, length, 1) for length in copy.shape])), copy)


def _grid(array: StoredArray) -> list[Any]:
    return [list(array.chain.spec.shape), [axis.nchunks for axis in array.axes], str(np.dtype(array.dtype))]
