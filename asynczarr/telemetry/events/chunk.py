"""Events of chunks and codecs."""

from __future__ import annotations

from dataclasses import dataclass

from ...types import Coords
from ..spans import Kind
from .base import Event, Failed, Start, Stop

__all__ = [
    "CHUNK_READ",
    "CHUNK_WRITE",
    "ChunkReadFailed",
    "ChunkReadStart",
    "ChunkReadStop",
    "ChunkWriteFailed",
    "ChunkWriteStart",
    "ChunkWriteStop",
    "Decode",
    "Encode",
    "ShardRead",
    "WriteConflict",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Codec(Event):
    """A codec chain has worked, in the thread where the event is emitted.

    Attributes:
        codecs: names of the codecs, in the order of encoding.
        chunks: how many chunks together; an index of a shard counts as one.
        nbytes_in: bytes before.
        nbytes_out: bytes after.
        duration: seconds.
    """

    codecs: tuple[str, ...]
    nbytes_in: int
    nbytes_out: int
    duration: float
    chunks: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Encode(_Codec):
    """A chunk, or the index of a shard, was encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decode(_Codec):
    """A chunk, several small ones together, or the index of a shard, was decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place(Event):
    """A chunk or stored object.

    Attributes:
        store: URL of the store, without secrets.
        array: path of the array in the store.
        key: key of the stored object.
        chunk: coordinates in the chunk grid; of a write in the grid of stored objects (chunks or shards).
    """

    store: str
    array: str
    key: str
    chunk: Coords


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk(_Place):
    """A chunk on its way.

    Attributes:
        span: number of this read or write.
    """

    span: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkReadStart(_Chunk, Start):
    """A chunk is about to be fetched and decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkReadStop(_Chunk, Stop):
    """A chunk was fetched and decoded.

    Attributes:
        duration: seconds since its start, waiting for its turn included.
        nbytes: decoded bytes; 0 if it is missing.
        stored: encoded bytes.
        missing: it is not stored, and reads as the fill value.
    """

    duration: float
    nbytes: int
    stored: int
    missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkReadFailed(Failed, _Chunk):
    """A chunk could not be read, or the read was cancelled.

    Attributes:
        duration: seconds since its start.
    """

    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkWriteStart(_Chunk, Start):
    """A chunk or shard is about to be encoded and stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkWriteStop(_Chunk, Stop):
    """A chunk or shard has landed in the store.

    Attributes:
        duration: seconds since its start, encoding and lost races included.
        nbytes: decoded bytes of the whole object.
        merged: only a part was new, so that it was read, changed and written back.
        attempts: how often it was written; more than one after lost races.
    """

    duration: float
    nbytes: int
    merged: bool
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkWriteFailed(Failed, _Chunk):
    """A chunk or shard could not be written, or the write was cancelled.

    Attributes:
        duration: seconds since its start.
    """

    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteConflict(_Place):
    """Somebody else has written the same object meanwhile; the change is made again on top of theirs.

    Attributes:
        number: races lost so far, from 1.
    """

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRead(Event):
    """Chunks of a shard were read by ranges.

    Attributes:
        store: URL of the store, without secrets.
        array: path of the array in the store.
        key: key of the shard.
        chunks: chunks asked for that are stored.
        ranges: byte ranges that they were coalesced into.
        nbytes_wanted: encoded bytes of those chunks.
        nbytes_read: bytes of the ranges, gaps included.
    """

    store: str
    array: str
    key: str
    chunks: int
    ranges: int
    nbytes_wanted: int
    nbytes_read: int


CHUNK_READ = Kind(ChunkReadStart, ChunkReadStop, ChunkReadFailed)
CHUNK_WRITE = Kind(ChunkWriteStart, ChunkWriteStop, ChunkWriteFailed)
