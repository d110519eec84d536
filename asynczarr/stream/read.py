"""Read a selection into one array: every chunk is fetched once, decoded in a worker and placed there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..selection import Selection
from .budget import ByteBudget
from .load import Brake, Loader
from .place import place
from .plan import BATCH_BYTES, BATCH_PIECES, Piece, batches, fetches, project
from .stored import StoredArray
from .window import Window

__all__ = ["MAX_BYTES", "WindowShape", "read", "shape_of_window"]

MAX_BYTES = 128 * 2**20
"""Default byte budget of a stream or a read: encoded and decoded chunks on their way."""


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

    loader = Loader(array, _pair, timeout=timeout, finish=finish, brake=brake)
    shape = shape_of_window(array, concurrency, max_bytes)
    window: Window[list[Any]] = Window(slots=shape.slots, budget=ByteBudget(max_bytes), ordered=False)
    plan = fetches(array, await project(array, selection), max_bytes=max(shape.target, BATCH_BYTES))
    try:
        for batch in batches(plan, target=shape.target, most=shape.most, ramp=False):
            width = 1 if array.store.capabilities.sync else len(batch.fetches)
            while not window.admits(batch.cost, width):
                window.budget.release((await window.pop())[1])
            window.launch(loader.load(batch), batch.cost, width)
        while window:
            window.budget.release((await window.pop())[1])
    finally:
        await window.aclose()


def _pair(piece: Piece, chunk: np.ndarray[Any, np.dtype[Any]] | None) -> tuple[Piece, Any]:
    return piece, chunk


class WindowShape(NamedTuple):
    """Slots of a window, and of a batch the bytes to aim at and the most fetches."""

    slots: int
    target: int
    most: int


def shape_of_window(array: StoredArray, concurrency: int | None, max_bytes: int) -> WindowShape:
    """How wide a window is and how large its batches are, so that all slots fit into the budget.

    Args:
        array: what is read.
        concurrency: what the caller asked for, ``None`` for the default.
        max_bytes: the byte budget.
    """
    sync = array.store.capabilities.sync
    slots = concurrency if concurrency is not None else array.workers if sync else 32
    if slots < 1:
        raise ValueError(f"concurrency must be at least 1, not {slots}")
    target = max(1, min(BATCH_BYTES, max_bytes // (slots + 1)))
    # A batch ends with its slowest request, so several of them share the slots where each fetch takes one.
    return WindowShape(slots, target, BATCH_PIECES if sync else max(1, slots // 4))
