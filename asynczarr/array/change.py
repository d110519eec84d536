"""Changes of an array that go through its metadata: shape, attributes, and what a smaller shape leaves behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from ..errors import MetadataError
from ..metadata.node import ArrayMetadata, GroupMetadata, NodeMetadata
from ..selection import basic
from ..store.base import Store
from ..stream.budget import ByteBudget
from ..stream.edit import Edit, Patch
from ..stream.stored import StoredArray
from ..stream.window import Window
from ..stream.write import write
from ..types import Coords
from .consolidated import refresh_parents
from .documents import Loaded, edit, load
from .node import Node, discard_chunks, prefix_of, stored_array
from .spec import given_attributes
from .trace import call

if TYPE_CHECKING:
    from .array import Array

__all__ = ["grow", "reload", "resize", "stored_bytes", "stored_keys", "update_attributes"]

M = TypeVar("M", ArrayMetadata, GroupMetadata)

PAGE = 1000


async def reload(node: Node, metadata: M) -> M:
    """The metadata as it is stored now.

    Raises:
        NotFound: the node is gone.
        MetadataError: there is another kind of node now.
    """
    return cast("M", (await _load_again(node, metadata)).metadata)


async def _load_again(node: Node, metadata: NodeMetadata) -> Loaded:
    loaded = await load(node.store, node.path, zarr_format=metadata.zarr_format)
    if type(loaded.metadata) is not type(metadata):
        raise MetadataError("another kind of node has taken its place", store=node.store.url, key=node.path)
    return loaded


async def _change(node: Node, metadata: M, make: Callable[[NodeMetadata], NodeMetadata]) -> M:
    """Apply ``make(metadata)`` to the stored metadata and to consolidated copies of it further up."""
    old = await _load_again(node, metadata)
    new = cast("M", await edit(node.store, node.path, old, make))
    await refresh_parents(node.store, {node.path: new})
    return new


async def update_attributes(node: Node, metadata: M, changes: Mapping[str, Any], *, replace: bool) -> M:
    """Set attributes, on top of those that are stored now."""
    new = given_attributes(changes)

    def make(now: NodeMetadata) -> NodeMetadata:
        return _with_attributes(now, new if replace else {**now.attributes, **new})

    with call("attributes", node.store, node.path):
        return await _change(node, metadata, make)


def _with_attributes(metadata: NodeMetadata, attributes: Mapping[str, Any]) -> NodeMetadata:
    return replace(metadata, attributes=attributes)


async def grow(array: Array, axis: int, length: int) -> tuple[ArrayMetadata, int]:
    """Make an axis longer by `length`, whatever its length is now; the new metadata and where the new part starts."""

    def make(now: NodeMetadata) -> NodeMetadata:
        assert isinstance(now, ArrayMetadata)
        shape = (*now.shape[:axis], now.shape[axis] + length, *now.shape[axis + 1 :])
        return _reshaped(now, shape)

    metadata = await _change(array, array.metadata, make)
    return metadata, metadata.shape[axis] - length


async def resize(array: Array, shape: tuple[int, ...]) -> ArrayMetadata:
    """Change the shape; then remove chunks outside of it, and fill what remains of chunks that it cuts.

    The metadata goes first: a crash in between leaves unreachable data, never an array with holes.
    """
    before = array.metadata

    def make(now: NodeMetadata) -> NodeMetadata:
        nonlocal before
        assert isinstance(now, ArrayMetadata)
        before = now
        return _reshaped(now, shape)

    metadata = await _change(array, array.metadata, make)
    if any(new < old for new, old in zip(shape, before.shape, strict=True)):
        old = stored_array(array.store, array.path, before, array.options)
        new = stored_array(array.store, array.path, metadata, array.options)
        await _remove_outside(array, new)
        for region in _cut_regions(old, new):
            await write(old, _erasures(old, region))
    return metadata


def _reshaped(metadata: ArrayMetadata, shape: tuple[int, ...]) -> ArrayMetadata:
    if len(shape) != len(metadata.shape):
        raise MetadataError(f"shape {shape} has another number of axes than {metadata.shape}")
    if any(isinstance(n, bool) or n < 0 for n in shape):
        raise MetadataError(f"a shape is made of integers >= 0, not {shape}")
    metadata.chunk_grid.axes(shape)  # refuses what the grid cannot cover
    return replace(metadata, shape=shape)


async def _remove_outside(array: Array, new: StoredArray) -> None:
    counts = [axis.nchunks for axis in new.axes]
    page: list[str] = []
    async for key, coords in stored_keys(array):
        if any(c >= n for c, n in zip(coords, counts, strict=True)):
            page.append(key)
            if len(page) == PAGE:
                await array.store.delete_many(page)
                page = []
    await array.store.delete_many(page)
    discard_chunks(array.store, array.path, array.options)


def _cut_regions(old: StoredArray, new: StoredArray) -> Iterator[tuple[slice, ...]]:
    """The parts of the old array that lie outside of the new one but in chunks that it keeps."""
    kept = [
        min(extent, axis.start(axis.nchunks - 1) + axis.size(axis.nchunks - 1)) if axis.nchunks else 0
        for axis, extent in zip(new.axes, old.shape, strict=True)
    ]
    for number, (size, end) in enumerate(zip(new.shape, kept, strict=True)):
        if size < end and all(kept):
            yield tuple(slice(size, end) if i == number else slice(0, kept[i]) for i in range(len(kept)))


def _erasures(array: StoredArray, region: tuple[slice, ...]) -> Iterator[Edit]:
    """Edits that put the fill value into a region, of objects that exist."""
    selection = basic(region, array.shape)
    fill = np.broadcast_to(array.fill_array(()), selection.shape)
    for part in selection.project(array.axes):
        yield Edit(array, part.coords, part.shape, (Patch(part, fill),), erase=True)


async def stored_keys(array: Array) -> AsyncIterator[tuple[str, Coords]]:
    """Keys and coordinates of the objects that are stored, by listing; other keys are passed over."""
    prefix = prefix_of(array.path)
    parse = array.metadata.chunk_key_encoding.parse
    async for key in array.store.list(prefix):
        coords = parse(key[len(prefix) :])
        if coords is not None and len(coords) == array.ndim:
            yield key, coords


async def stored_bytes(array: Array) -> int:
    """Sizes of all stored objects together, asked for several at a time."""
    window: Window[int] = Window(slots=16, budget=ByteBudget(2**30), ordered=False)
    total = 0
    try:
        async for key, _ in stored_keys(array):
            while not window.admits(0):
                total += (await window.pop())[0]
            window.launch(_size(array.store, key), 0)
        while window:
            total += (await window.pop())[0]
    finally:
        await window.aclose()
    return total


async def _size(store: Store, key: str) -> int:
    info = await store.head(key)
    return info.size if info else 0
