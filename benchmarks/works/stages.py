"""Where the time of one chunk goes: each stage of a whole read by itself, in one thread."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from asynczarr.codec import pool
from asynczarr.selection import basic
from asynczarr.stream.fetch import fetch_sync
from asynczarr.stream.plan import BATCH_BYTES, batches, fetches, project
from asynczarr.stream.stored import StoredArray

from ..layout import NDArray
from .read import Read

__all__ = ["Stages"]


class Stages(Read):
    """Plan, hop to a thread, read the bytes, decode them, place them; then the real thing, one slot wide."""

    async def run(self) -> NDArray:
        """Seconds of each stage for one chunk of the whole array."""
        stored: StoredArray = self.array.stored
        clock = _Clock()
        projections = await project(stored, basic((), stored.shape))
        planned = list(batches(fetches(stored, projections), target=BATCH_BYTES, ramp=False))
        clock.lap("plan")
        for _ in planned:
            await pool.run(_nothing)
        clock.lap("hop")
        wanted = [each for batch in planned for each in batch.fetches]
        store: Any = stored.store
        encoded = [fetch_sync(stored, each, store) for each in wanted]
        clock.lap("store")
        chain = stored.chain if stored.shard is None else stored.shard.chain
        decoded = [chain.decode(data) for group in encoded for data in group if data is not None]
        clock.lap("decode")
        out = np.empty(stored.shape, stored.dtype)
        out.fill(0)  # its pages must be there, or the stage pays for them
        clock.lap("memory")
        pieces = [piece for each in wanted for piece in each.pieces]
        for piece, chunk in zip(pieces, decoded, strict=True):
            out[piece.part.out] = chunk[piece.part.chunk]
        clock.lap("place")
        await self.array.read(concurrency=1, out=out)
        clock.lap("seconds")
        self.metrics = {stage: seconds / len(pieces) for stage, seconds in clock.laps.items()}
        return out


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = now - self._last
        self._last = time.perf_counter()


def _nothing() -> None:
    """What is left is the hop."""
