"""What an array and every part of it can do: be read, written and streamed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Forbidden, MetadataError, SelectionError
from ..selection import Selection, axis_number
from ..stream.chunks import Chunk, ChunkStream, Missing, OnError, StreamOptions
from ..stream.map import Place, map_stream
from ..stream.position import Progress
from ..stream.read import MAX_BYTES, read
from ..stream.slices import SliceStream
from ..stream.stored import StoredArray
from ..stream.values import as_array, broadcast, cast_in_pool
from ..stream.write import edits, write
from .selected import Selected
from .slabs import slabs
from .trace import call

if TYPE_CHECKING:
    from .array import Array

__all__ = ["View"]

NDArray = np.ndarray[Any, np.dtype[Any]]


class View(Selected):
    """A selection of an array, not read yet. Selecting from it again composes the selections."""

    def __init__(
        self, array: StoredArray, selection: Selection, names: tuple[str | None, ...] | None, *, read_only: bool
    ) -> None:
        super().__init__(array, selection, names)
        self._read_only = read_only

    @property
    def read_only(self) -> bool:
        """Writing raises ``Forbidden``."""
        return self._read_only

    def _view(self, inner: Selection) -> View:
        return View(self._array, self._selection.compose(inner), self._names, read_only=self._read_only)

    async def read(
        self,
        *,
        out: NDArray | None = None,
        concurrency: int | None = None,
        max_bytes: int = MAX_BYTES,
        timeout: float | None = None,
    ) -> NDArray:
        """Read all of it into an ndarray. Every chunk is fetched and decoded once.

        Args:
            out: filled and returned instead of a new array; must be writable and have this shape and dtype.
            concurrency: thread hops (embedded stores) or requests (others) in flight; by default what measured best.
            max_bytes: bytes of chunks on their way, besides the result.
            timeout: seconds for one request, waiting for its turn not counted.

        Returns:
            An array of this shape and dtype; elements that were never written have the fill value.

        Raises:
            StoreError: the store failed; a missing chunk is no failure.
            CodecError: a chunk is damaged.
            SelectionError: an `out` that cannot be filled.
        """
        if out is None:
            out = np.empty(self.shape, self.dtype)
        elif not isinstance(out, np.ndarray) or not out.flags.writeable:
            raise SelectionError(f"out= must be a writable ndarray, not {type(out).__name__}")
        elif out.shape != self.shape or out.dtype != self.dtype:
            raise SelectionError(f"out= must be {self.shape} {self.dtype}, not {out.shape} {out.dtype}")
        array, selection = self._array, self._selection
        with call("read", array.store, array.prefix, nbytes=self.nbytes):
            await read(array, selection, out, concurrency=concurrency, max_bytes=max_bytes, timeout=timeout)
        return out

    async def write(self, value: Any, *, concurrency: int | None = None, max_bytes: int = MAX_BYTES) -> None:
        """Write an array or scalar, broadcast to this shape and cast as NumPy's assignment does.

        That is, an array may lose what the dtype cannot hold, while a Python number, text or tuple that does not fit
        into it is refused.

        A chunk that is covered in part is changed by compare-and-swap: parts written by others at the same time, in
        this process or another one, survive. `value` must not change before this returns.

        Raises:
            Forbidden: opened with ``mode="r"``.
            StoreError: the store failed; each chunk then has its old or its new value.
            CodecError: a value cannot be encoded.
            SelectionError: `value` does not broadcast to this shape, NumPy cannot convert it to this dtype, or it is a
                view or an awaitable, which hold no values yet.
        """
        self._check_writable()
        source = await cast_in_pool(as_array(value, self.dtype, self.ndim), self.dtype)
        source = broadcast(source, self.shape)
        array, changes = self._array, edits(self._array, self._selection, source)
        with call("write", array.store, array.prefix, nbytes=self.nbytes):
            await write(array, changes, concurrency=concurrency, max_bytes=max_bytes)

    def stream_chunks(
        self,
        *,
        concurrency: int | None = None,
        max_bytes: int = MAX_BYTES,
        ordered: bool = True,
        missing: Missing = "fill",
        on_error: OnError = "raise",
        timeout: float | None = None,
        filter: Callable[[tuple[int, ...]], bool] | None = None,
        progress: Callable[[Progress], object] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> ChunkStream:
        """Stream the chunks that it touches: ``async for chunk in array.stream_chunks()``.

        Chunks are read ahead as far as `concurrency` and `max_bytes` allow, and only as the consumer takes them.

        Args:
            concurrency: thread hops (embedded stores) or requests (others) in flight; by default what measured best.
            max_bytes: bytes alive between request and delivery; one chunk is admitted however large.
            ordered: C order of the chunks (with shards: shard by shard), or as they complete.
            missing: chunks that are not stored come as fill values, are left out, or raise ``ChunkMissing``.
            on_error: raise the first error, or leave the chunk out, count it in ``stream.failures`` and call a callable
                with ``(index, error)``.
            timeout: seconds for one request (embedded stores: for one chunk), waiting for its turn not counted; then
                ``AttemptTimeout``.
            filter: called with each chunk index before it is fetched; false leaves it out.
            progress: called with a ``Progress`` after each chunk taken.
            state: what ``stream.state()`` of an earlier stream returned: go on from there.
        """
        options = StreamOptions(
            concurrency=concurrency,
            max_bytes=max_bytes,
            ordered=ordered,
            missing=missing,
            on_error=on_error,
            timeout=timeout,
            filter=filter,
            progress=progress,
            state=state,
        )
        return ChunkStream(self._array, self._selection, options)

    def stream_slices(
        self,
        axis: int | str = 0,
        start: int | None = None,
        stop: int | None = None,
        step: int | None = None,
        *,
        concurrency: int | None = None,
        max_bytes: int = MAX_BYTES,
        timeout: float | None = None,
    ) -> SliceStream:
        """Stream one slice after the other along an axis; every chunk is fetched and decoded once.

        Args:
            axis: number or dimension name of the axis.
            start: first index, as in a slice.
            stop: index to stop before, as in a slice.
            step: any step but 0, as in a slice; negative goes backwards.
            concurrency: thread hops or requests in flight.
            max_bytes: budget; the slab of chunks that a slice comes from is admitted however large.
            timeout: seconds for one request, waiting for its turn not counted.

        Raises:
            SelectionError: no such axis, not a slice, or the view was made by point indexing.
        """
        number = axis_number(axis, self.ndim, self.dimension_names)
        plan = slabs(self._array, self._selection, number, slice(start, stop, step))
        return SliceStream(self._array, plan, number, concurrency=concurrency, max_bytes=max_bytes, timeout=timeout)

    async def map_chunks(
        self,
        function: Callable[[Chunk], Any],
        out: Array | None = None,
        *,
        where: Place = "thread",
        concurrency: int | None = None,
        max_bytes: int = MAX_BYTES,
        missing: Missing = "fill",
    ) -> list[Any]:
        """Call ``function(chunk)`` for every chunk, several at a time.

        Args:
            function: returns what becomes of the chunk. With ``"loop"`` it may be a coroutine function, with
                ``"process"`` it and its result must be picklable.
            out: array to write the results to, each at its chunk's ``region``; each of its stored objects is written
                once.
            where: ``"thread"``: in worker threads. ``"loop"``: on the event loop, for functions that await.
                ``"process"``: in worker processes, for Python code that keeps the GIL busy.
            concurrency: with ``"thread"`` calls at a time, by default as many as there are CPUs (one thread takes
                those that return at once); otherwise batches of chunks in flight.
            max_bytes: bytes of chunks on their way.
            missing: chunks that are not stored are given as fill values, left out, or raise ``ChunkMissing``.

        Returns:
            The results in C order of the chunks; an empty list if they went to `out`.

        Raises:
            Exception: whatever `function` raises; nothing new is started after the first error. Cancelled, it ends with
                the calls that have begun: a thread cannot be stopped.
        """
        options = StreamOptions(concurrency=concurrency, max_bytes=max_bytes, ordered=out is None, missing=missing)
        async with map_stream(self._array, self._selection, function, where, options) as stream:
            if out is None:
                return [item.value async for item in stream]
            await out.write_stream(
                ((item.region, item.value) async for item in stream), concurrency=concurrency, max_bytes=max_bytes
            )
            return []

    def _check_writable(self) -> None:
        if self._read_only:
            raise Forbidden("opened with mode='r'", store=self._array.store.url, key=self._array.prefix)
        if not self._array.chain.writable:
            raise MetadataError("an unknown codec that may be ignored on read makes this array read-only")
