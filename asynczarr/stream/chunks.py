"""``stream_chunks()``: chunks of a selection, one at a time, read ahead within a byte budget."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from ..errors import AsyncZarrError, ChunkMissing
from ..selection import Selection
from ..telemetry.events import StreamProgress
from ..types import Coords
from .base import WindowStream
from .cached_load import loader
from .decode import Failure
from .load import Loader
from .plan import BATCH_BYTES, Batch, Piece, batches, fetches, project
from .position import Position, Progress, Tracker
from .read import MAX_BYTES, shape_of_window
from .stored import StoredArray
from .window import Window

__all__ = ["Chunk", "ChunkStream", "Missing", "OnError", "PieceStream", "StreamOptions"]

T = TypeVar("T")

Missing: TypeAlias = Literal["fill", "skip", "raise"]
OnError: TypeAlias = Literal["raise", "skip"] | Callable[[Coords, AsyncZarrError], object]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of an array or view, cut to what the selection holds of it.

    Attributes:
        index: coordinates in the chunk grid (with shards: in the grid of inner chunks).
        region: NumPy index into the selection's result where `data` belongs: ``result[chunk.region] = chunk.data``.
        data: the elements; never padded, possibly read-only (copy to change them).
        missing: the chunk is not stored, `data` holds the fill value.
    """

    index: Coords
    region: tuple[Any, ...]
    data: np.ndarray[Any, np.dtype[Any]]
    missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """Options of ``stream_chunks``; see there."""

    concurrency: int | None = None
    max_bytes: int = MAX_BYTES
    ordered: bool = True
    missing: Missing = "fill"
    on_error: OnError = "raise"
    timeout: float | None = None
    filter: Callable[[Coords], bool] | None = None
    progress: Callable[[Progress], object] | None = None
    state: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.missing not in ("fill", "skip", "raise"):
            raise ValueError(f"missing= must be 'fill', 'skip' or 'raise', not {self.missing!r}")
        if not callable(self.on_error) and self.on_error not in ("raise", "skip"):
            raise ValueError(f"on_error= must be 'raise', 'skip' or a callable, not {self.on_error!r}")


class PieceStream(WindowStream[T]):
    """Something made of each chunk of a selection, in C order of the stored objects and of the chunks within a shard.

    Args:
        array: what to read.
        selection: of what.
        options: how.
        make: makes the item of a chunk, in the worker thread that has decoded it; must not know the stream
            (``__del__``).
        then: goes on with the items of a batch on the event loop, before they count as loaded.
    """

    def __init__(
        self,
        array: StoredArray,
        selection: Selection,
        options: StreamOptions,
        make: Callable[[Chunk], T],
        then: Callable[[list[T]], Awaitable[list[T]]] | None = None,
    ) -> None:
        super().__init__(array, max_bytes=options.max_bytes, ordered=options.ordered)
        self._selection = selection
        self._options = options
        self._tracker = Tracker(array, selection, options.state)
        self._batches: Iterator[Batch] = iter(())
        self._next: Batch | None = None
        self._then = then
        self._shape = shape_of_window(array, options.concurrency, options.max_bytes)
        self._sync = array.store.capabilities.sync
        self._loader = loader(
            array,
            _sink(array, options.missing, make),
            collect=options.on_error != "raise",
            timeout=options.timeout,
            requests=self._shape.slots,
        )
        self.failures: list[Failure] = []

    @property
    def done(self) -> int:
        """Chunks delivered, skipped as missing, or failed, by this stream and those it continues."""
        return self._tracker.count

    @property
    def total(self) -> int:
        """Chunks of the selection; with ``filter=`` an upper bound of ``done``."""
        return self._tracker.total

    def state(self) -> dict[str, Any]:
        """A JSON-able state: ``stream_chunks(state=...)`` goes on after the chunks delivered so far."""
        return self._tracker.state()

    async def _slots(self) -> int:
        options, shape = self._options, self._shape
        # Where a request costs little, the first chunk of a shard comes alone, and threads share the rest.
        cheap = self._sync
        self._hurry = cheap and self._then is None  # what goes on with the first chunk may take long
        run = min(BATCH_BYTES // 2, options.max_bytes // (2 * (shape.slots + 1))) if cheap else shape.run
        plan = fetches(
            self._array,
            await project(self._array, self._selection),
            start=self._tracker.position,
            keep=self._tracker.keep(options.filter),
            max_bytes=max(shape.target // 2, run) if cheap else run,
            ramp=cheap,
        )
        self._batches = batches(plan, target=shape.target, most=shape.most, ramp=True)
        return shape.ahead if self._then is None else shape.slots  # what goes on with an item is bounded as well

    def _fill(self, window: Window[Any]) -> bool:
        while not (self._hurry and window) and (batch := self._next or next(self._batches, None)) is not None:
            if not batch.fetches:
                return True
            self._next = batch
            slots = 1 if self._sync else len(batch.fetches)
            if not window.admits(batch.cost, slots):
                return False
            self._next = None
            self._tracker.launched(piece for wanted in batch.fetches for piece in wanted.pieces)
            window.launch(_job(self._loader, batch, self._then), batch.cost, slots)
        return False

    def _take(self, result: Any, cost: int) -> None:
        results: list[tuple[T | None, Piece] | Failure] = result
        share, rest = divmod(cost, len(results))
        for found in results:
            item, piece = (None, found.piece) if isinstance(found, Failure) else found
            self._ready.append((item, share + rest, piece.position))
            rest = 0
        for found in results:
            if isinstance(found, Failure):
                self.failures.append(found)
                if self._trace is not None:
                    self._trace.item_failed(found.index, found.error)
                if callable(self._options.on_error):
                    self._options.on_error(found.index, found.error)

    def _passed(self, mark: Position) -> None:
        self._tracker.passed(mark)
        if self._options.progress is not None:
            self._options.progress(Progress(self.done, self.total))
        if self._trace is not None:
            depth = len(self._ready) + len(self._window or ())
            self._trace.tell(
                StreamProgress, done=self.done, total=self.total, queue_depth=depth, bytes_alive=self.bytes_alive
            )


class ChunkStream(PieceStream[Chunk]):
    """The chunks of a selection: ``async for chunk in stream``, also ``async with stream``.

    Attributes:
        failures: chunks that failed under ``on_error="skip"`` or a callable.
    """

    def __init__(self, array: StoredArray, selection: Selection, options: StreamOptions) -> None:
        super().__init__(array, selection, options, _as_it_is)


def _as_it_is(chunk: Chunk) -> Chunk:
    return chunk


async def _job(
    loader: Loader[tuple[T | None, Piece]], batch: Batch, then: Callable[[list[T]], Awaitable[list[T]]] | None
) -> list[tuple[T | None, Piece] | Failure]:
    results = await loader.load(batch)
    if then is not None:
        present: list[tuple[int, T, Piece]] = []
        for number, found in enumerate(results):
            if not isinstance(found, Failure) and found[0] is not None:
                present.append((number, found[0], found[1]))
        items = await then([item for _, item, _ in present])
        for (number, _, piece), item in zip(present, items, strict=True):
            results[number] = (item, piece)
    return results


def _sink(
    array: StoredArray, missing: Missing, make: Callable[[Chunk], T]
) -> Callable[[Piece, Any], tuple[T | None, Piece]]:
    """What turns decoded chunks into items, in the worker thread."""

    def sink(piece: Piece, data: np.ndarray[Any, np.dtype[Any]] | None) -> tuple[T | None, Piece]:
        part = piece.part
        if data is not None:
            return make(Chunk(piece.index, part.out, data if part.exact else data[(*part.chunk, ...)])), piece
        if missing == "skip":
            return None, piece
        if missing == "raise":
            raise ChunkMissing("this chunk is not stored")
        # No memory for what is not there: one element, seen as many.
        shape = np.broadcast_to(np.empty((), np.bool_), part.shape)[part.chunk].shape
        return make(Chunk(piece.index, part.out, np.broadcast_to(array.fill_array(()), shape), missing=True)), piece

    return sink
