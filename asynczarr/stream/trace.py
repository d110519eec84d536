"""Events of the engine. Everything here is called behind ``if hooks.active:``, or by what such a call has made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token, copy_context
from math import prod
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple

import numpy as np

from ..errors import AsyncZarrError
from ..telemetry import events, hooks
from ..telemetry.address import public
from ..telemetry.spans import Span, current, failure
from ..types import ByteRange, BytesLike
from .edit import Edit
from .plan import Batch, Piece, Position
from .stored import StoredArray

__all__ = ["StreamTrace", "busy_with", "chunk_failed", "chunk_read", "conflict", "reading", "shard_read", "writing"]

T = TypeVar("T")
_Args = TypeVarTuple("_Args")

_reading: ContextVar[tuple[dict[Position, Span], Span | None]] = ContextVar("asynczarr_reading")
"""Spans of the chunks of the batch that is read here, and the span around it."""


def place(array: StoredArray) -> dict[str, Any]:
    """The fields that say which array."""
    return {"store": public(array.store.url), "array": array.prefix.rstrip("/")}


@contextmanager
def reading(array: StoredArray, batch: Batch) -> Iterator[None]:
    """Begin the chunks of a batch; those that are not over at its end have failed by what ended it."""
    where = place(array)
    spans = {
        piece.position: Span(events.CHUNK_READ, **where, key=wanted.key, chunk=piece.index)
        for wanted in batch.fetches
        for piece in wanted.pieces
    }
    outer = current.get()
    inner, around = current.set(outer), _reading.set((spans, outer))
    try:
        yield
    except BaseException as error:
        for span in spans.values():
            span.fail(error)
        raise
    finally:
        _reading.reset(around)
        current.reset(inner)


def busy_with(pieces: Sequence[Piece]) -> None:
    """From here on this task or thread works for these chunks: if it is one, what happens belongs to that."""
    spans, outer = _reading.get(({}, current.get()))
    current.set(spans.get(pieces[0].position, outer) if len(pieces) == 1 else outer)


def chunk_read(piece: Piece, data: BytesLike | None, chunk: np.ndarray[Any, np.dtype[Any]] | None) -> None:
    """A chunk is decoded."""
    span = _reading.get(({}, None))[0].get(piece.position)
    if span is not None:
        nbytes, stored = 0 if chunk is None else chunk.nbytes, 0 if data is None else len(data)
        span.stop(nbytes=nbytes, stored=stored, missing=chunk is None)


def chunk_failed(piece: Piece, error: AsyncZarrError) -> None:
    """A chunk has failed by its own error."""
    span = _reading.get(({}, None))[0].get(piece.position)
    if span is not None:
        span.fail(error)


def shard_read(array: StoredArray, key: str, wanted: Sequence[ByteRange], data: Sequence[BytesLike]) -> None:
    """The `wanted` ranges of a shard, one a chunk, were read as fewer larger ones."""
    sizes: dict[str, Any] = {
        "nbytes_wanted": sum(part.length or 0 for part in wanted),
        "nbytes_read": sum(map(len, data)),
    }
    hooks.emit(events.ShardRead(**place(array), key=key, chunks=len(wanted), ranges=len(data), **sizes))


@contextmanager
def writing(edit: Edit) -> Iterator[None]:
    """The span of one stored object on its way to the store."""
    with Span(events.CHUNK_WRITE, **place(edit.array), key=edit.key, chunk=edit.coords) as span:
        span.note(nbytes=prod(edit.shape) * edit.array.item_bytes, merged=not edit.whole)
        yield


def conflict(edit: Edit, number: int) -> None:
    """Somebody else was faster, for the `number`-th time."""
    span = current.get()
    if span is not None:
        span.note(attempts=number + 1)
    hooks.emit(events.WriteConflict(**place(edit.array), key=edit.key, chunk=edit.coords, number=number))


class StreamTrace:
    """What a stream tells. Its jobs are begun by :meth:`run`, in the context that was there when the stream began.

    A stream is an object and not a call: who takes its items may be in another task or another span each time.

    Attributes:
        items: items handed out, or taken.
    """

    __slots__ = ("_context", "_fields", "_span", "_token", "items")

    def __init__(self, array: StoredArray, kind: str) -> None:
        self.items: int = 0
        self._token: Token[Span | None]
        self._fields = {**place(array), "kind": kind}
        self._context = copy_context()
        self._span: Span = self._context.run(Span, events.STREAM, **self._fields)
        self._context.run(current.set, self._span)

    def run(self, function: Callable[[*_Args], T], *args: *_Args) -> T:
        """Call a function that begins tasks: they get the stream as their parent."""
        return self._context.run(function, *args)

    def end(self, error: BaseException | None) -> None:
        """It is over: read to its end (``StopAsyncIteration``), failed, or left (``None``). The first time counts."""
        if error is None or isinstance(error, StopAsyncIteration):
            self._context.run(self._stop, error is not None)
        else:
            self._span.note(items=self.items)
            self._context.run(self._span.fail, error)

    def _stop(self, complete: bool) -> None:
        self._span.stop(items=self.items, complete=complete)

    def __enter__(self) -> Self:
        self._token = current.set(self._span)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The end of a stream that is a call, whose jobs need no :meth:`run`."""
        current.reset(self._token)
        self.end(StopAsyncIteration() if error is None else error)

    def tell(self, kind: Callable[..., events.Event], **fields: Any) -> None:
        """Emit an event of this stream."""
        hooks.emit(kind(span=self._span.id, parent=self._span.id, **self._fields, **fields))

    def item_failed(self, item: object, error: AsyncZarrError) -> None:
        """An item has failed, and the stream may go on."""
        where = item if isinstance(item, tuple) else (item,)
        self.tell(events.ItemFailed, item=where, key=error.key or "", **failure(error))
