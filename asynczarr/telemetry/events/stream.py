"""Events of streams."""

from __future__ import annotations

from dataclasses import dataclass

from ..spans import Kind
from .base import Event, Failed, Start, Stop

__all__ = [
    "STREAM",
    "Checkpoint",
    "ItemFailed",
    "StreamFailed",
    "StreamProgress",
    "StreamStart",
    "StreamStop",
    "WriteProgress",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream(Event):
    """A stream over an array.

    Attributes:
        span: number of the stream.
        store: URL of the store, without secrets.
        array: path of the array in the store.
        kind: ``"chunks"`` (``map_chunks`` too), ``"slices"`` or ``"write"``.
    """

    span: int
    store: str
    array: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStart(_Stream, Start):
    """A stream begins: its first item is asked for, or taken. Reads and requests for it have it as parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStop(_Stream, Stop):
    """A stream has ended, or was left.

    Attributes:
        duration: seconds since its start.
        items: items delivered, or taken.
        complete: it was read to its end, and not left by ``break`` or closed before.
    """

    duration: float
    items: int
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFailed(Failed, _Stream):
    """A stream has ended by an error, or was cancelled.

    Attributes:
        duration: seconds since its start.
        items: items delivered, or taken, before.
    """

    duration: float
    items: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamProgress(_Stream):
    """A chunk was delivered, skipped or has failed: what ``progress=`` of ``stream_chunks`` is told, and more.

    Attributes:
        done: chunks so far.
        total: chunks of the selection; with ``filter=`` an upper bound.
        queue_depth: jobs in flight and items waiting to be taken.
        bytes_alive: bytes between request and delivery, as counted against ``max_bytes``.
    """

    done: int
    total: int
    queue_depth: int
    bytes_alive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFailed(Failed, _Stream):
    """An item of a stream has failed; with ``on_error="skip"`` the stream goes on.

    Attributes:
        item: coordinates of the chunk, or index or region of a written item.
        key: key of the stored object, as far as the error names one.
    """

    item: tuple[object, ...]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteProgress(_Stream):
    """A stored object was written by ``write_stream``: what its ``progress=`` is told, and more.

    Attributes:
        items: items taken from the source.
        written: stored objects written.
        rewritten: of these, how many had to be merged with what was stored.
        skipped: items left out because the checkpoint lists all their objects.
        failed: items that failed.
        nbytes: decoded bytes of the items written.
        queue_depth: objects being written, and objects that wait for more items.
        bytes_alive: bytes gathered and on their way, as counted against ``max_bytes``.
    """

    items: int
    written: int
    rewritten: int
    skipped: int
    failed: int
    nbytes: int
    queue_depth: int
    bytes_alive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(_Stream):
    """Finished objects were recorded in the ledger of a ``write_stream``, and are on disk.

    Attributes:
        objects: how many.
        duration: seconds, the sync included.
    """

    objects: int
    duration: float


STREAM = Kind(StreamStart, StreamStop, StreamFailed)
