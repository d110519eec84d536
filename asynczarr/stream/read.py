"""Read a selection into one array: every chunk is fetched once, decoded in a worker and placed there."""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..codec import pool
from ..selection import Selection
from ..telemetry import hooks
from .budget import ByteBudget
from .cached_load import loader
from .limits import MAX_REQUESTS
from .load import INLINE_BYTES, Brake
from .place import place
from .plan import BATCH_BYTES, BATCH_PIECES, SHARD_RUN_BYTES, Batch, Piece, batches, fetches, project
from .stored import StoredArray
from .together import together
from .window import Window

__all__ = ["MAX_BYTES", "WindowShape", "read", "shape_of_window"]

MAX_BYTES = 128 * 2**20
"""Default byte budget of a stream or a read: encoded and decoded chunks on their way."""

SHARED_BYTES = 2**20
"""Bytes of a batch below which a second thread does not pay for its hop."""

READ_BYTES = 2**24
"""Bytes of a batch of a read from an embedded store: some milliseconds between two turns of the event loop."""

BATCHES = 8
"""Batches of requests to a remote store that fit into the byte budget, or half as many runs of shards."""

MANY_WAITING = 16
"""Reads in the queue from which on the next ones are done together: of a few, hardly any two want the same chunk."""

SHARES = 4
"""Batches for each thread at least, so that all end at about the same time."""


async def read(
    array: StoredArray,
    selection: Selection,
    out: np.ndarray[Any, np.dtype[Any]],
    *,
    concurrency: int | None = None,
    max_bytes: int = MAX_BYTES,
    timeout: float | None = None,
    brake: Brake | None = None,
) -> None:
    """Read `selection` into `out`, an array of its shape and the array's dtype.

    Args:
        array: where to read.
        selection: what to read.
        out: filled in place, missing chunks with the fill value.
        concurrency: thread hops (embedded stores) or requests (others) in flight.
        max_bytes: bytes of chunks on their way, `out` not counted.
        timeout: seconds for one request, without the wait for its turn.
        brake: shared with other reads for the same stream, which cancels all of them when one has failed.
    """

    def finish(found: list[Any]) -> list[Any]:
        place(out, array.fill, found)
        return []

    projections = await project(array, selection)
    shape = shape_of_window(array, concurrency, max_bytes, projections.count)
    plan = fetches(array, projections, max_bytes=shape.run)
    portions = batches(plan, target=shape.target, most=shape.most, ramp=False)
    first, second = next(portions, None), next(portions, None)
    if first is not None and second is None and _joins(array, first, timeout, brake):
        await together(array).read(array, first.fetches, out)
        return
    loads = loader(array, _pair, timeout=timeout, finish=finish, brake=brake, requests=shape.slots)
    if first is not None and second is None:  # nothing to overlap: no task, no window
        await loads.load(first)
        return
    window: Window[list[Any]] = Window(slots=shape.ahead, budget=ByteBudget(max_bytes), ordered=False)
    sync = array.store.capabilities.sync
    try:
        for batch in chain((each for each in (first, second) if each is not None), portions):
            width = 1 if sync else len(batch.fetches)
            while not window.admits(batch.cost, width):
                window.budget.release((await window.pop())[1])
            window.launch(loads.load(batch), batch.cost, width)
        while window:
            window.budget.release((await window.pop())[1])
    finally:
        await window.aclose()


def _pair(piece: Piece, chunk: np.ndarray[Any, np.dtype[Any]] | None) -> tuple[Piece, Any]:
    return piece, chunk


def _joins(array: StoredArray, batch: Batch, timeout: float | None, brake: Brake | None) -> bool:
    """Whether so many wait for a thread before a small read that some may want the same chunks."""
    capabilities = array.store.capabilities
    if not capabilities.sync or pool.waiting() < MANY_WAITING or array.chunk_cache is not None:
        return False
    if timeout is not None or brake is not None or hooks.active:  # these are of one read only
        return False
    return capabilities.blocking or batch.cost > INLINE_BYTES


class WindowShape(NamedTuple):
    """How wide a window is and how large its batches are.

    Attributes:
        slots: thread hops (embedded stores) or requests (others) at a time.
        ahead: slots of the window: as many requests again wait for their turn, so that one begins when another ends,
            and not when a whole batch was decoded.
        target: bytes of a batch to aim at.
        most: fetches of a batch at most.
        run: decoded bytes of one shard that are read together.
    """

    slots: int
    ahead: int
    target: int
    most: int
    run: int


def shape_of_window(
    array: StoredArray, concurrency: int | None, max_bytes: int, count: int | None = None
) -> WindowShape:
    """The shape of a window, such that several batches fit into the budget.

    Args:
        array: what is read.
        concurrency: what the caller asked for, ``None`` for the default.
        max_bytes: the byte budget.
        count: stored objects to read, where that is known: a few of them are shared out among the slots.
    """
    sync = array.store.capabilities.sync
    slots = concurrency if concurrency is not None else array.workers if sync else MAX_REQUESTS
    if slots < 1:
        raise ValueError(f"concurrency must be at least 1, not {slots}")
    if not sync:
        # A batch takes a slot for each of its requests, so the budget need not hold a batch a slot.
        target, run = min(BATCH_BYTES, max_bytes // BATCHES), min(SHARD_RUN_BYTES, max_bytes // BATCHES)
        return WindowShape(slots, 2 * slots, max(1, target), max(1, slots // 4), max(1, run))
    most = max(1, max_bytes // (slots + 1))
    target = min(BATCH_BYTES, most)
    if count is not None:
        size = 2 * array.chunk_bytes * (1 if array.shard is None else prod(array.shard.counts))
        target = min(max(SHARED_BYTES, count * size // (SHARES * slots)), READ_BYTES, most)
        if pool.idle() == 0:  # others keep the threads busy: sharing out a small read would only cost hops
            target = min(READ_BYTES, most)
    return WindowShape(slots, slots, target, BATCH_PIECES, max(target, BATCH_BYTES))
