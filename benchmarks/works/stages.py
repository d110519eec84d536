"""Where the time of one chunk goes: each stage of a whole read by itself, in one thread."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from asynczarr.codec import pool
from asynczarr.codec.chain import CodecChain
from asynczarr.selection import basic
from asynczarr.stream.decode import TOGETHER_BYTES
from asynczarr.stream.fetch import fetch_many_sync, fetch_sync
from asynczarr.stream.place import place
from asynczarr.stream.plan import BATCH_BYTES, Fetch, batches, fetches, project
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
        chain = stored.chain if stored.shard is None else stored.shard.chain
        small = stored.small_chunks and chain.batches
        fetched = [group for batch in planned for group in _fetched(stored, batch.fetches)]
        clock.lap("store")
        pieces = [piece for batch in planned for each in batch.fetches for piece in each.pieces]
        together = max(1, TOGETHER_BYTES // stored.chunk_bytes) if small else 1
        decoded = [
            chunk for start in range(0, len(fetched), together) for chunk in _decoded(chain, fetched[start:][:together])
        ]
        clock.lap("decode")
        out = np.empty(stored.shape, stored.dtype)
        out.fill(0)  # its pages must be there, or the stage pays for them
        clock.lap("memory")
        for start in range(0, len(pieces), together):
            some = slice(start, start + together)
            place(out, stored.fill, list(zip(pieces[some], decoded[some], strict=True)))
        clock.lap("place")
        await self.array.read(concurrency=1, out=out)
        clock.lap("seconds")
        self.metrics = {stage: seconds / len(pieces) for stage, seconds in clock.laps.items()}
        return out


def _fetched(stored: StoredArray, wanted: list[Fetch]) -> list[Any]:
    """Encoded chunks, as the engine reads them."""
    store: Any = stored.store
    if stored.shard is None and stored.small_chunks and stored.store.capabilities.many:
        return [data for group in fetch_many_sync(stored, wanted, store) for data in group]
    return [data for each in wanted for data in fetch_sync(stored, each, store)]


def _decoded(chain: CodecChain, chunks: list[Any]) -> list[NDArray]:
    """Decoded chunks, as the engine decodes them."""
    together = chain.decode_many(chunks) if len(chunks) > 1 else None
    return together if together is not None else [chain.decode(chunk) for chunk in chunks]


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
