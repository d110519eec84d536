"""Bytes out of the store for a fetch: one request for a chunk, index and coalesced ranges for chunks of a shard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Generator
from contextlib import AsyncExitStack
from typing import Any, TypeAlias, TypeVar

from ..codec.shard_index import ShardIndex
from ..codec.sharding import ShardLayout
from ..errors import AsyncZarrError, AttemptTimeout, CodecError, PreconditionFailed, Truncated, Unavailable
from ..store.base import ManyStore, SyncStore
from ..store.coalesce import coalesce
from ..telemetry import hooks
from ..types import ByteRange, BytesLike, Parts, Version
from .limits import first_alone, request_slots
from .plan import Fetch
from .stored import StoredArray
from .trace import shard_read

__all__ = [
    "Encoded",
    "Told",
    "fetch",
    "fetch_many_sync",
    "fetch_sync",
    "fetch_told",
    "fetch_told_sync",
    "head",
    "head_sync",
]

T = TypeVar("T")

Encoded: TypeAlias = list[BytesLike | None]
"""Encoded chunks of a fetch, one a piece; ``None`` for a chunk that is not stored."""

Told: TypeAlias = tuple[Encoded, Version | None]
"""Encoded chunks, and the version of the value that they were read from; ``None`` if nobody has told it."""

_Steps: TypeAlias = Generator[tuple[list[ByteRange], Version | None], Parts | None, Encoded]

ATTEMPTS = 16
"""How often a shard may change between reading its index and its chunks before the read fails."""


async def fetch(array: StoredArray, wanted: Fetch, timeout: float | None = None) -> Encoded:
    """Read the encoded chunks of a fetch.

    Args:
        timeout: seconds for each request, from the moment it is made: waiting for a free slot does not count.

    Raises:
        AttemptTimeout: a request took longer.
    """
    store, slots = array.store, request_slots(array.store)
    layout = array.chain_for(wanted.shape).shard
    if layout is None:
        async with slots:
            data = await _in_time(store.get(wanted.key, _most(array, wanted)), timeout)
        return [_checked(array, wanted, data)]
    return (await _told(array, wanted, _shard_steps(array, wanted, layout), timeout))[0]


async def fetch_told(array: StoredArray, wanted: Fetch, timeout: float | None = None) -> Told:
    """Like :func:`fetch`, with the version that was read."""
    return await _told(array, wanted, _steps(array, wanted), timeout)


async def _told(array: StoredArray, wanted: Fetch, steps: _Steps, timeout: float | None) -> Told:
    store, slots = array.store, request_slots(array.store)
    parts = None
    async with AsyncExitStack() as unknown:
        if not wanted.whole and store.capabilities.versions:  # one asks for the index, the others find it in the cache
            await unknown.enter_async_context(first_alone(store, wanted.key))
        try:
            ranges, version = next(steps)
            while True:
                if version is not None:
                    await unknown.aclose()
                try:
                    async with slots:
                        parts = await _in_time(store.get_ranges(wanted.key, ranges, if_version=version), timeout)
                except PreconditionFailed as error:
                    ranges, version = steps.throw(error)
                else:
                    ranges, version = steps.send(parts)
        except StopIteration as stop:
            return stop.value, parts.version if parts else None


async def head(array: StoredArray, key: str, timeout: float | None = None) -> Version | None:
    """The version of a value now; ``None`` if it is missing. `timeout` as in :func:`fetch`."""
    async with request_slots(array.store):
        info = await _in_time(array.store.head(key), timeout)
    return info.version if info else None


def head_sync(store: SyncStore, key: str) -> Version | None:
    """Like :func:`head`, blocking: no range of a value is its version alone."""
    parts = store.get_ranges_sync(key, [])
    return parts.version if parts else None


def _in_time(request: Coroutine[Any, Any, T], timeout: float | None) -> Coroutine[Any, Any, T]:
    return request if timeout is None else _within(request, timeout)


async def _within(request: Coroutine[Any, Any, T], timeout: float) -> T:
    try:
        async with asyncio.timeout(timeout):
            return await request
    except TimeoutError as error:
        if isinstance(error, AsyncZarrError):
            raise
        raise AttemptTimeout(f"the store took longer than {timeout} s") from error


def fetch_sync(array: StoredArray, wanted: Fetch, store: SyncStore, timeout: float | None = None) -> Encoded:
    """Like :func:`fetch`, blocking, for stores that can. Too late is noticed afterwards: a thread cannot be stopped."""
    begun = time.monotonic()
    layout = array.chain_for(wanted.shape).shard
    if layout is None:
        encoded: Encoded = [_checked(array, wanted, store.get_sync(wanted.key, _most(array, wanted)))]
    else:
        encoded = _told_sync(wanted, store, _shard_steps(array, wanted, layout))[0]
    _check_time(begun, timeout)
    return encoded


def fetch_told_sync(array: StoredArray, wanted: Fetch, store: SyncStore, timeout: float | None = None) -> Told:
    """Like :func:`fetch_sync`, with the version that was read."""
    begun = time.monotonic()
    told = _told_sync(wanted, store, _steps(array, wanted))
    _check_time(begun, timeout)
    return told


def _check_time(begun: float, timeout: float | None) -> None:
    if timeout is not None and time.monotonic() - begun > timeout:
        raise AttemptTimeout(f"the store took longer than {timeout} s")


def fetch_many_sync(array: StoredArray, wanted: list[Fetch], store: ManyStore) -> list[Encoded]:
    """Like :func:`fetch_sync` for several chunks that are no shards.

    Raises:
        StoreError: one of them could not be read; which one, reading them one by one will tell.
    """
    largest = max(array.chain_for(shape).max_encoded_size() for shape in {each.shape for each in wanted})
    chunks = store.get_many_sync([each.key for each in wanted], ByteRange(0, largest + 1))
    return [[_checked(array, each, data)] for each, data in zip(wanted, chunks, strict=True)]


def _told_sync(wanted: Fetch, store: SyncStore, steps: _Steps) -> Told:
    parts = None
    try:
        ranges, version = next(steps)
        while True:
            try:
                parts = store.get_ranges_sync(wanted.key, ranges, if_version=version)
            except PreconditionFailed as error:
                ranges, version = steps.throw(error)
            else:
                ranges, version = steps.send(parts)
    except StopIteration as stop:
        return stop.value, parts.version if parts else None


def _most(array: StoredArray, wanted: Fetch) -> ByteRange:
    """All of a chunk that can be one, and a byte more to notice those that cannot."""
    return ByteRange(0, array.chain_for(wanted.shape).max_encoded_size() + 1)


def _checked(array: StoredArray, wanted: Fetch, data: BytesLike | None) -> BytesLike | None:
    limit = array.chain_for(wanted.shape).max_encoded_size()
    if data is not None and len(data) > limit:
        raise CodecError(f"a chunk has at most {limit} bytes, this object has more", codec=array.chain.bytes_codec.name)
    return data


def _steps(array: StoredArray, wanted: Fetch) -> _Steps:
    layout = array.chain_for(wanted.shape).shard
    return _chunk_steps(array, wanted) if layout is None else _shard_steps(array, wanted, layout)


def _chunk_steps(array: StoredArray, wanted: Fetch) -> _Steps:
    """The conversation about a chunk that is no shard, as :func:`_shard_steps`."""
    parts = yield [_most(array, wanted)], None
    return [_checked(array, wanted, parts.data[0] if parts else None)]


def _shard_steps(array: StoredArray, wanted: Fetch, layout: ShardLayout) -> _Steps:
    """The conversation with the store about one shard: yields what to read, is sent what was read.

    It does no I/O itself, so the blocking and the asynchronous path are one piece of code.
    """
    cache, key, whole = array.indexes, wanted.key, wanted.whole
    for _ in range(ATTEMPTS):
        cached = cache.get(key)
        if cached is not None:
            version: Version | None = cached[0]
            index = cached[1]
            # What was not there may be by now, and no request for data would notice.
            if all(index.range(piece.part.coords) is None for piece in wanted.pieces):
                cache.discard(key)
                continue
        elif whole:
            parts = yield [ByteRange(0, layout.max_shard_size)], None
            if parts is None:
                return [None] * len(wanted.pieces)
            if parts.size == len(parts.data[0]):
                return _from_whole(wanted, layout, parts)
            whole = False  # legal, but full of gaps: better by ranges
            continue
        else:
            parts = yield [layout.index_range], None
            if parts is None:
                return [None] * len(wanted.pieces)
            index, version = layout.decode_index(parts.data[0], parts.size), parts.version
            cache.put(key, version, index)
        try:
            encoded = yield from _from_ranges(array, wanted, index, version)
        except PreconditionFailed:
            encoded = None
        if encoded is not None:
            return encoded
        cache.discard(key)
    raise Unavailable(f"the shard changed {ATTEMPTS} times while it was read", key=key)


def _from_whole(wanted: Fetch, layout: ShardLayout, parts: Parts) -> Encoded:
    data = parts.data[0]
    index = layout.decode_index(layout.index_range.of(data), len(data))
    ranges = [index.range(piece.part.coords) for piece in wanted.pieces]
    return [None if part is None else part.of(data) for part in ranges]


def _from_ranges(
    array: StoredArray, wanted: Fetch, index: ShardIndex, version: Version | None
) -> Generator[tuple[list[ByteRange], Version | None], Parts | None, Encoded | None]:
    """Chunks by coalesced ranges; ``None`` if the shard vanished meanwhile."""
    ranges = [index.range(piece.part.coords) for piece in wanted.pieces]
    present = [(number, part) for number, part in enumerate(ranges) if part is not None]
    encoded: Encoded = [None] * len(ranges)
    if not present:
        return encoded
    runs = coalesce([part for _, part in present], gap=array.coalesce_gap, max_size=array.coalesce_max)
    parts = yield [ByteRange(run.start, run.stop) for run in runs], version
    if parts is None:
        return None
    if hooks.active:
        shard_read(array, wanted.key, [part for _, part in present], parts.data)
    for run, data in zip(runs, parts.data, strict=True):
        if len(data) != run.stop - run.start:
            raise Truncated(f"asked for {run.stop - run.start} bytes of a shard, got {len(data)}", key=wanted.key)
        view = memoryview(data)
        for member in run.members:
            number, part = present[member]
            assert part.stop is not None
            encoded[number] = view[part.start - run.start : part.stop - run.start]
    return encoded
