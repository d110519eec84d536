"""Write edits: encode in a worker, store whole objects at once, and change parts by compare-and-swap.

A part of an object is changed by reading it, applying the edit and writing it back on the condition that nobody else
has written meanwhile; otherwise it is done again on top of what they wrote. Within one event loop a lock per key lets
such changes queue instead of collide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from random import random
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from ..codec import pool
from ..errors import AlreadyExists, AsyncZarrError, OutcomeUnknown, PreconditionFailed, StoreError
from ..selection import Selection
from ..store.base import ManyStore, SyncStore
from ..telemetry import hooks
from ..threads import Threads
from ..types import ByteRange, BytesLike, Version
from .budget import ByteBudget
from .edit import TOGETHER_BYTES, Edit, Patch
from .limits import key_lock, request_slots
from .load import INLINE_BYTES
from .plan import BATCH_BYTES
from .read import MAX_BYTES, shape_of_window
from .stored import StoredArray
from .trace import conflict, writing
from .window import Window

__all__ = ["edits", "store_edit", "write", "writes_in_flight"]

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 1000
"""Lost races after which a change of a part gives up. Each one lost means that another writer made progress."""


MAX_DOUBTS = 3
"""Changes of a part whose outcome nobody knows, after which it gives up. Each one was tried again below already."""

DURABLE_WRITES = 8
"""Writes in flight for a store that waits for its device: threads that wait need no CPU."""

_syncing = Threads(DURABLE_WRITES)


def edits(
    array: StoredArray, selection: Selection, value: np.ndarray[Any, np.dtype[Any]], *, growing: bool = False
) -> Iterator[Edit]:
    """One edit for each stored object that the selection touches, lazily; `growing` as in :class:`Edit`."""
    for part in selection.project(array.axes):
        yield Edit(array, part.coords, part.shape, (Patch(part, value),), growing=growing)


async def write(
    array: StoredArray,
    changes: Iterable[Edit],
    *,
    concurrency: int | None = None,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Write edits, several at a time.

    Args:
        array: where they belong.
        changes: what to write; pulled as slots and budget allow.
        concurrency: edits in flight.
        max_bytes: bytes of chunks on their way.

    Raises:
        AsyncZarrError: the first failure; edits not yet started are then not written, others may or may not be.
    """
    slots = writes_in_flight(array, concurrency, max_bytes)
    window: Window[bool | None] = Window(slots=slots, budget=ByteBudget(max_bytes), ordered=False)
    try:
        for group in _groups(array, changes, target=min(BATCH_BYTES, max_bytes // (slots + 1))):
            cost = sum(map(edit_cost, group))
            while not window.admits(cost):
                window.budget.release((await window.pop())[1])
            window.launch(store_edit(group[0]) if len(group) == 1 else _store_group(array, group), cost)
        while window:
            window.budget.release((await window.pop())[1])
    finally:
        await window.aclose()


def writes_in_flight(array: StoredArray, concurrency: int | None, max_bytes: int) -> int:
    """Objects, or thread hops, that are written at a time: `concurrency`, if the caller asked for one."""
    if concurrency is None and array.store.capabilities.durable:
        concurrency = DURABLE_WRITES
    return shape_of_window(array, concurrency, max_bytes).slots


def _groups(array: StoredArray, changes: Iterable[Edit], *, target: int) -> Iterator[list[Edit]]:
    """Edits that share a thread hop: small ones that need no read, for a store that may be called there."""
    able = array.store.capabilities
    shared = able.sync and able.cas and not (able.durable and hooks.active)
    group: list[Edit] = []
    cost = 0
    for edit in changes:
        if not shared or not edit.whole:
            yield [edit]
            continue
        group.append(edit)
        cost += edit_cost(edit)
        if cost >= target:
            yield group
            group, cost = [], 0
    if group:
        yield group


async def _store_group(array: StoredArray, group: list[Edit]) -> None:
    if array.chunk_cache is not None:
        for edit in group:
            array.forget(edit.key)
    store = cast("SyncStore", array.store)
    try:
        if store.capabilities.durable:
            await _syncing.run(_put_group, store, group, await pool.run(_encoded, group))
        else:
            await pool.run(_store_group_sync, store, group)
    finally:
        for edit in group:
            array.forget(edit.key)


def _store_group_sync(store: SyncStore, group: list[Edit]) -> None:
    """First all is encoded, then all is stored: who computes and who writes do not get in each other's way."""
    if hooks.active:
        for edit in group:
            with writing(edit):
                _located_in(edit, _store_sync, store, edit)
        return
    most = max(1, TOGETHER_BYTES // group[0].array.chunk_bytes)
    for start in range(0, len(group), most):
        some = group[start : start + most]
        _put_group(store, some, _encoded(some))


def _put_group(store: SyncStore, group: list[Edit], values: Sequence[BytesLike | None]) -> None:
    if store.capabilities.many and all(value is not None for value in values):
        items = [(edit.key, value) for edit, value in zip(group, values, strict=True) if value is not None]
        with suppress(StoreError):  # one by one, it will be told for which chunk
            cast("ManyStore", store).set_many_sync(items)
            return
    for edit, value in zip(group, values, strict=True):
        _located_in(edit, _put_sync, store, edit.key, value, None, known=False)


def _located_in(edit: Edit, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    except AsyncZarrError as error:
        raise _located(error, edit) from error.__cause__


def _encoded(group: list[Edit]) -> Sequence[BytesLike | None]:
    """New values of whole chunks, ``None`` for those that need none; encoded together where that is possible."""
    chain = group[0].array.chain_for(group[0].shape)
    if len(group) > 1 and chain.batches and all(edit.shape == group[0].shape for edit in group):
        chunks = [edit.plain() for edit in group]
        if all(chunk is not None for chunk in chunks):
            values = chain.encode_many(cast("list[Any]", chunks))
            if values is not None:
                return values
    return [_located_in(edit, edit.apply, None, borrow=True) for edit in group]


def edit_cost(edit: Edit) -> int:
    """Bytes that writing an edit may keep alive: a decoded and an encoded object, and the old one if it is read."""
    size = edit.array.item_bytes
    for length in edit.shape:
        size *= length
    return size * (2 if edit.whole else 4)


async def store_edit(edit: Edit) -> bool:
    """Write one edit; it has landed when this returns. Whether there is an object now, or none is needed.

    Raises:
        AsyncZarrError: naming store, key and chunk.
    """
    store = edit.array.store
    if edit.array.chunk_cache is not None:
        edit.array.forget(edit.key)
    try:
        async with AsyncExitStack() as stack:
            if hooks.active:
                stack.enter_context(writing(edit))
            if not edit.whole or not store.capabilities.cas:
                await stack.enter_async_context(key_lock(store, edit.key))
            if not store.capabilities.sync or (store.capabilities.durable and edit.whole):
                return await _store_async(edit)
            if _tiny(edit) and not store.capabilities.blocking:
                return _store_sync(cast("SyncStore", store), edit)
            return await pool.run(_store_sync, cast("SyncStore", store), edit)
    except AsyncZarrError as error:
        raise _located(error, edit) from error.__cause__
    finally:
        edit.array.forget(edit.key)


def _located(error: AsyncZarrError, edit: Edit) -> AsyncZarrError:
    return error.at(store=edit.array.store.url, key=edit.key, chunk=edit.coords)


def _store_sync(store: SyncStore, edit: Edit) -> bool:
    if edit.whole:
        value = edit.apply(None, borrow=True)  # a store's blocking half keeps no buffer that can change
        _put_sync(store, edit.key, value, None, known=False)
        return value is not None
    for attempt in range(ATTEMPTS):
        parts = store.get_ranges_sync(edit.key, [ByteRange(0, _limit(edit))])
        value = edit.apply(parts.data[0] if parts else None)
        try:
            _put_sync(store, edit.key, value, parts.version if parts else None, known=True)
            return value is not None
        except (PreconditionFailed, AlreadyExists):
            if attempt == ATTEMPTS - 1:
                raise
            if hooks.active:
                conflict(edit, attempt + 1)
    raise AssertionError("the last attempt returns or raises")


def _put_sync(store: SyncStore, key: str, value: BytesLike | None, version: Version | None, *, known: bool) -> None:
    """Store `value`, or delete if it is ``None``; conditionally if the old state is `known` and the store can."""
    swap = known and store.capabilities.cas
    if value is None:
        if not known or version is not None or not swap:
            store.delete_sync(key, if_version=version if swap else None)
    elif swap:
        store.set_sync(key, value, create=version is None, if_version=version)
    else:
        store.set_sync(key, value)


async def _store_async(edit: Edit) -> bool:
    store, slots = edit.array.store, request_slots(edit.array.store)
    swap = store.capabilities.cas and not edit.whole
    doubts = MAX_DOUBTS if swap and not (edit.erase or edit.growing) else 0
    for attempt in range(ATTEMPTS):
        parts = None
        if not edit.whole:
            async with slots:
                parts = await store.get_ranges(edit.key, [ByteRange(0, _limit(edit))])
        current = parts.data[0] if parts else None
        value = edit.apply(current) if _tiny(edit) else await pool.run(edit.apply, current)
        if value is None and parts and swap and not store.capabilities.cas_delete:
            value = await pool.run(edit.keeping_fill_values().apply, current)
            if value is None:  # nothing was in it before either
                return True
        version = parts.version if parts and swap else None
        try:
            async with slots:
                if value is not None:
                    await store.set(edit.key, value, create=swap and parts is None, if_version=version)
                elif parts is not None or edit.whole:
                    await store.delete(edit.key, if_version=version)
            return value is not None
        except (PreconditionFailed, AlreadyExists, OutcomeUnknown) as error:
            # Whether it has landed or not, the same values put on top of what is there now are what was asked for.
            doubts -= isinstance(error, OutcomeUnknown)
            if attempt == ATTEMPTS - 1 or doubts < 0:
                raise
            if hooks.active:
                conflict(edit, attempt + 1)
            await asyncio.sleep(random() * min(1.0, 0.005 * 2**attempt))
    raise AssertionError("the last attempt returns or raises")


def _tiny(edit: Edit) -> bool:
    """Encoding it is less work than a thread hop."""
    return edit_cost(edit) <= INLINE_BYTES


def _limit(edit: Edit) -> int:
    return edit.array.chain_for(edit.shape).max_encoded_size() + 1
