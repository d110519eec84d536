"""Read a selection into one array: every chunk is fetched once, decoded in a worker and placed there."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..selection import Selection
from .budget import ByteBudget
from .load import Loader
from .plan import BATCH_BYTES, Piece, batches, fetches
from .stored import StoredArray
from .window import Window

__all__ = ["MAX_BYTES", "read"]

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
) -> None:
    """Read `selection` into `out`, an array of its shape and the array's dtype.

    Args:
        array: where to read.
        selection: what to read.
        out: filled in place, missing chunks with the fill value.
        concurrency: thread hops (embedded stores) or requests (others) in flight.
        max_bytes: bytes of chunks on their way, `out` not counted.
        timeout: seconds for one chunk.
    """

    def place(piece: Piece, chunk: np.ndarray[Any, np.dtype[Any]] | None) -> None:
        out[piece.part.out] = array.fill if chunk is None else chunk[piece.part.chunk]

    loader = Loader(array, place, timeout=timeout)
    slots, target = shape_of_window(array, concurrency, max_bytes, single=timeout is not None)
    window: Window[list[Any]] = Window(slots=slots, budget=ByteBudget(max_bytes), ordered=False)
    try:
        for batch in batches(fetches(array, selection, max_bytes=max(target, BATCH_BYTES)), target=target, ramp=False):
            width = 1 if array.store.capabilities.sync else len(batch.fetches)
            while not window.admits(batch.cost, width):
                window.budget.release((await window.pop())[1])
            window.launch(loader.load(batch), batch.cost, width)
        while window:
            window.budget.release((await window.pop())[1])
    finally:
        await window.aclose()


def shape_of_window(array: StoredArray, concurrency: int | None, max_bytes: int, *, single: bool) -> tuple[int, int]:
    """Slots of the window and target bytes of a batch, so that all slots fit into the budget.

    Args:
        array: what is read.
        concurrency: what the caller asked for, ``None`` for the default.
        max_bytes: the byte budget.
        single: one fetch a batch.
    """
    sync = array.store.capabilities.sync
    slots = concurrency or (array.workers if sync else 32)
    if slots < 1:
        raise ValueError(f"concurrency must be at least 1, not {slots}")
    return slots, 0 if single else max(1, min(BATCH_BYTES, max_bytes // (slots + 1)))
