"""``az.copy()``: arrays and groups to another place, chunk grid, codec chain or Zarr format, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from ..codec.fill import is_fill
from ..errors import KeyInvalid, MetadataError, Unsupported
from ..metadata.names import validate_path
from ..metadata.node import GroupMetadata, ZarrFormat
from ..middleware.opening import open_store
from ..selection import Projection, basic
from ..store.base import Store, discard
from ..store.url import Where
from ..stream.budget import ByteBudget
from ..stream.chunks import Chunk, Missing, PieceStream, StreamOptions
from ..stream.edit import Edit, Patch
from ..stream.load import gather
from ..stream.read import MAX_BYTES
from ..stream.stored import StoredArray
from ..stream.window import Window
from ..stream.write import store_edit
from ..telemetry import events, hooks
from ..telemetry.address import public
from .array import Array
from .change import stored_keys
from .copied import copied_metadata, same_objects
from .create import create_node
from .group import Group
from .hierarchy import copy_key
from .node import discard_chunks, prefix_of
from .open import open as open_node
from .spec import ArraySpec
from .trace import call
from .view import View

__all__ = ["CopyReport", "copy"]

PAGE = 32


@dataclass(slots=True)
class CopyReport:
    """What ``copy`` has done.

    Attributes:
        arrays: arrays copied.
        groups: groups copied.
        objects: stored objects (chunks or shards) written.
        recoded: of these, how many had to be decoded and encoded again; the others were copied as they are.
        nbytes: decoded bytes of what is done, missing chunks included.
    """

    arrays: int = 0
    groups: int = 0
    objects: int = 0
    recoded: int = 0
    nbytes: int = 0


async def copy(
    source: Where | Array | Group,
    target: Where,
    path: str = "",
    *,
    source_path: str = "",
    overwrite: bool = False,
    zarr_format: ZarrFormat | None = None,
    concurrency: int = 4,
    max_bytes: int = MAX_BYTES,
    progress: Callable[[CopyReport], object] | None = None,
    **changes: Any,
) -> CopyReport:
    """Copy an array, or a group with everything below it.

    An array whose encoding stays the same is copied object by object, without decoding. Otherwise each stored object of
    the target is made from the part of the source that it covers. Chunks that are not stored stay so, unless the copy
    has another fill value: then they are written, with the values they had.

    Args:
        source: an open node, or URL, path or store.
        target: URL, path or store.
        path: path of the copy in the target.
        source_path: path of the node in a source that is no node.
        overwrite: delete what is at the target.
        zarr_format: format of the copy; by default that of the source. Codecs become their counterparts.
        concurrency: stored objects being made at the same time.
        max_bytes: bytes of chunks on their way.
        progress: called with the report after each few objects.
        **changes: arguments of ``create_array`` that the copy's arrays shall have: chunks, shards, codecs, ... but not
            a shape.

    Raises:
        AlreadyExists: a node is at the target, and not `overwrite`.
        MetadataError: what the source has cannot be expressed in the copy, or a change that is none.
        Unsupported: the source is a view.
        ValueError: no positive `concurrency` or `max_bytes`.
        KeyInvalid: source and target are the same node, or one lies inside of the other.
    """
    _check_arguments(source, concurrency, max_bytes, changes)
    node = source if isinstance(source, Array | Group) else await open_node(source, source_path)
    store = open_store(target, mode="a")
    job = _Copy(store, overwrite, zarr_format or node.zarr_format, concurrency, max_bytes, changes, progress)
    try:
        _check_apart(node, store, validate_path(path))
        with call("copy", store, validate_path(path)):
            await job.node(node, validate_path(path))
        if store is not target:
            await store.aclose()
    except BaseException:
        if store is not target:
            await discard(store)  # half a copy replaces no archive
        raise
    finally:
        if node is not source:
            await node.aclose()
    return job.report


def _check_arguments(source: object, concurrency: int, max_bytes: int, changes: Mapping[str, Any]) -> None:
    """Refuse what would fail when the target is there already."""
    if isinstance(source, View) and not isinstance(source, Array):
        raise Unsupported("a view is not copied: create an array of its shape, and write() there what it read()s")
    if concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")
    if max_bytes < 1:
        raise ValueError(f"a byte budget must be positive, not {max_bytes}")
    if "shape" in changes:
        raise MetadataError("a copy has the shape of its source: resize() the copy")
    ArraySpec.check_names(changes)


def _check_apart(node: Array | Group, store: Store, path: str) -> None:
    """Refuse a copy of a node into itself: it would never end, or delete what it reads."""
    if store is not node.store and (store.url != node.store.url or store.url == "memory://"):
        return
    source, target = prefix_of(node.path), prefix_of(path)
    if source.startswith(target) or target.startswith(source):
        raise KeyInvalid("a node cannot be copied into itself or over what holds it", store=store.url, key=target)


@dataclass(frozen=True, slots=True)
class _Copy:
    store: Store
    overwrite: bool
    zarr_format: ZarrFormat
    concurrency: int
    max_bytes: int
    changes: Mapping[str, Any]
    progress: Callable[[CopyReport], object] | None
    report: CopyReport = field(default_factory=CopyReport)

    async def node(self, node: Array | Group, path: str) -> None:
        if isinstance(node, Array):
            await self.array(node, path)
            return
        await self.group(node, path)
        async for relative, member in node.members(max_depth=None):
            below = prefix_of(path) + relative
            await (self.array(member, below) if isinstance(member, Array) else self.group(member, below))
        if node.metadata.consolidated is not None:
            copied = await open_node(self.store, path, "r+")
            await copied.consolidate()

    async def group(self, group: Group, path: str) -> None:
        metadata = GroupMetadata(zarr_format=self.zarr_format, attributes=group.metadata.attributes)
        await create_node(self.store, path, metadata, overwrite=self.overwrite)
        self.report.groups += 1

    async def array(self, array: Array, path: str) -> None:
        metadata = copied_metadata(array, self.zarr_format, self.changes)
        await create_node(self.store, path, metadata, overwrite=self.overwrite)
        copied = Array(self.store, path, metadata, read_only=False, options=array.options)
        end = self.report.nbytes + array.nbytes
        same_fill = _same_fill(array.stored, copied.stored)
        if same_fill and same_objects(array.metadata, metadata) and array.store.capabilities.list:
            await self._objects(array, copied, end)
        else:
            await self._recode(array.stored, copied.stored, "skip" if same_fill else "fill")
        discard_chunks(self.store, path, array.options)
        self.report.arrays += 1
        self._done(end - self.report.nbytes)

    def _done(self, nbytes: int) -> None:
        self.report.nbytes += nbytes
        if self.progress is not None:
            self.progress(self.report)
        if hooks.active:
            hooks.emit(events.CopyProgress(store=public(self.store.url), **asdict(self.report)))

    async def _objects(self, array: Array, copied: Array, end: int) -> None:
        """Copy stored objects as they are, under the copy's keys; counted bytes do not pass `end`."""
        each = prod(copied.stored.chain.spec.shape) * array.dtype.itemsize
        page: list[tuple[str, str]] = []
        async for key, coords in stored_keys(array):
            page.append((key, copied.stored.key(coords)))
            if len(page) == PAGE:
                await gather([copy_key(array.store, old, self.store, new) for old, new in page])
                self.report.objects += len(page)
                self._done(min(len(page) * each, end - self.report.nbytes))
                page = []
        await gather([copy_key(array.store, old, self.store, new) for old, new in page])
        self.report.objects += len(page)

    async def _recode(self, source: StoredArray, target: StoredArray, missing: Missing) -> None:
        """Make each stored object of the target from the region of the source that it covers."""
        window: Window[tuple[bool, int]]
        window = Window(slots=self.concurrency, budget=ByteBudget(self.max_bytes), ordered=False)
        share = max(1, self.max_bytes // (2 * self.concurrency))

        async def settle() -> None:
            (written, nbytes), cost = await window.pop()
            window.budget.release(cost)
            self.report.objects += written
            self.report.recoded += written
            self._done(nbytes)

        try:
            for part in basic((), source.shape).project(target.axes):
                cost = 3 * prod(part.shape) * target.item_bytes
                while not window.admits(cost):
                    await settle()
                window.launch(_recode_object(source, target, part, missing, share), cost)
            while window:
                await settle()
        finally:
            await window.aclose()


async def _recode_object(
    source: StoredArray, target: StoredArray, part: Projection, missing: Missing, max_bytes: int
) -> tuple[bool, int]:
    """Write one object of the target, unless all chunks of the source there are skipped; whether, and decoded bytes."""
    selection = basic(part.out, source.shape)
    data = target.fill_array(selection.shape)

    def place(chunk: Chunk) -> bool:
        data[chunk.region] = chunk.data
        return True

    options = StreamOptions(missing=missing, ordered=False, max_bytes=max_bytes)
    found = False
    async with PieceStream(source, selection, options, place) as stream:
        async for _ in stream:
            found = True
    if found:
        local = replace(part, out=tuple(slice(0, length) for length in data.shape))
        await store_edit(Edit(target, part.coords, part.shape, (Patch(local, data),)))
    return found, prod(part.inside) * target.dtype.itemsize


def _same_fill(source: StoredArray, target: StoredArray) -> bool:
    """Whether a chunk that is not stored reads the same in both, as far as their data types allow."""
    with np.errstate(all="ignore"):
        return is_fill(source.fill_array(()).astype(target.dtype), target.fill)
