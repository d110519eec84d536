"""Metadata documents in a store: find, read, write and edit them. The formats themselves are in ``metadata/``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import random
from typing import TypeVar, cast

from ..codec import pool
from ..errors import AlreadyExists, MetadataError, NotFound, PreconditionFailed
from ..metadata import v2, v3
from ..metadata.document import encode_node
from ..metadata.json import MAX_BYTES
from ..metadata.node import ArrayMetadata, GroupMetadata, NodeMetadata, ZarrFormat
from ..store.base import Store, SyncStore
from ..stream.limits import key_lock, request_slots
from ..stream.load import gather
from ..types import ByteRange, BytesLike, Parts, Version
from .node import prefix_of

__all__ = ["Document", "Loaded", "delete_documents", "edit", "find", "find_many", "load", "pages", "save"]

M = TypeVar("M", ArrayMetadata, GroupMetadata)

ATTEMPTS = 100
PAGE = 64

_WHOLE = [ByteRange(0, MAX_BYTES + 1)]
_USUAL = [ByteRange(0, 2**20)]
"""What is asked of a network first: limits and deadlines take a range for what comes."""

V2_NAMES = (".zarray", ".zgroup", ".zattrs", ".zmetadata")
NAMES = ("zarr.json", *V2_NAMES)


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document and the version it was read at."""

    data: bytes
    version: Version | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Metadata and the documents it was read from, by name."""

    metadata: NodeMetadata
    documents: Mapping[str, Document] = field(default_factory=dict)


async def find(
    store: Store, path: str, *, zarr_format: ZarrFormat | None = None, strict: bool = False
) -> Loaded | None:
    """Read the metadata of the node at `path`; ``None`` if there is none.

    Where documents of both formats are present, v3 counts unless `zarr_format` says otherwise; of ``.zarray`` and
    ``.zgroup`` the array counts.

    Raises:
        MetadataError: a document that breaks the specification.
    """
    steps = _finding(prefix_of(path), zarr_format, strict)
    try:
        keys = next(steps)
        while True:
            keys = steps.send(await asyncio.gather(*(_read(store, key) for key in keys)))
    except StopIteration as stop:
        return cast("Loaded | None", stop.value)


async def find_many(store: Store, paths: Sequence[str], *, strict: bool = False) -> list[Loaded | None]:
    """Like :func:`find` for several nodes; those of an embedded store are read and parsed in one thread hop."""
    found: list[Loaded | None] = []
    for page in pages(paths):
        if store.capabilities.sync:
            found += await pool.run(_find_many_sync, cast("SyncStore", store), page, strict)
        else:
            found += await gather([find(store, path, strict=strict) for path in page])
    return found


def pages(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """Nodes or keys that are asked for at the same time."""
    return (items[start : start + PAGE] for start in range(0, len(items), PAGE))


def _find_many_sync(store: SyncStore, paths: Sequence[str], strict: bool) -> list[Loaded | None]:
    found: list[Loaded | None] = []
    for path in paths:
        steps = _finding(prefix_of(path), None, strict)
        try:
            keys = next(steps)
            while True:
                keys = steps.send([_document(store, key, store.get_ranges_sync(key, _WHOLE)) for key in keys])
        except StopIteration as stop:
            found.append(stop.value)
    return found


def _finding(
    prefix: str, zarr_format: ZarrFormat | None, strict: bool
) -> Generator[list[str], list[Document | None], Loaded | None]:
    """The conversation with a store about one node: yields the keys to read, is sent the documents."""
    if zarr_format in (None, 3):
        (document,) = yield [prefix + "zarr.json"]
        if document is not None:
            metadata = v3.parse_node(document.data, prefix + "zarr.json", strict=strict)
            return Loaded(metadata, {"zarr.json": document})
        if zarr_format == 3:
            return None
    found = yield [prefix + name for name in V2_NAMES]
    documents = {name: document for name, document in zip(V2_NAMES, found, strict=True) if document is not None}
    return _parse_v2(documents, prefix, strict)


def _parse_v2(documents: dict[str, Document], prefix: str, strict: bool) -> Loaded | None:
    attributes = documents[".zattrs"].data if ".zattrs" in documents else None
    if ".zarray" in documents:
        documents = {name: documents[name] for name in (".zarray", ".zattrs") if name in documents}
        array = v2.parse_array(documents[".zarray"].data, attributes, prefix + ".zarray", strict=strict)
        return Loaded(array, documents)
    if ".zgroup" in documents:
        group = v2.parse_group(documents[".zgroup"].data, attributes, prefix + ".zgroup", strict=strict)
        if ".zmetadata" in documents:
            below = v2.parse_consolidated(documents[".zmetadata"].data, prefix + ".zmetadata", strict=strict)
            group = replace(group, consolidated=below.consolidated)
        return Loaded(group, documents)
    return None


async def load(store: Store, path: str, *, zarr_format: ZarrFormat | None = None, strict: bool = False) -> Loaded:
    """Like :func:`find`, but a node must be there.

    Raises:
        NotFound: no node at `path`.
    """
    found = await find(store, path, zarr_format=zarr_format, strict=strict)
    if found is None:
        raise NotFound("no Zarr array or group here", store=store.url, key=prefix_of(path))
    return found


async def save(store: Store, path: str, metadata: NodeMetadata, *, old: Loaded | None) -> None:
    """Write the documents of a node that differ from the `old` ones, the decisive one last.

    Raises:
        AlreadyExists: `old` is ``None`` and a document is there already.
        PreconditionFailed: a document has changed since `old` was read.
    """
    prefix = prefix_of(path)
    documents = encode_node(metadata)
    for name in sorted(documents, key=lambda name: name in ("zarr.json", ".zarray", ".zgroup")):
        before = old.documents.get(name) if old else None
        if before is None or before.data != documents[name]:
            await _write(store, prefix + name, documents[name], before)
    for name in set(old.documents if old else ()) - set(documents):
        await store.delete(prefix + name)


async def edit(store: Store, path: str, old: Loaded, change: Callable[[NodeMetadata], NodeMetadata]) -> NodeMetadata:
    """Apply `change` to the stored metadata by compare-and-swap, starting from what was `old`.

    Returns:
        The metadata as it is stored now, changes that others have made meanwhile included.
    """
    for attempt in range(ATTEMPTS):
        metadata = change(old.metadata)
        try:
            await save(store, path, metadata, old=old)
            return metadata
        except (PreconditionFailed, AlreadyExists):
            if attempt == ATTEMPTS - 1:
                raise
        await asyncio.sleep(random() * min(1.0, 0.002 * 2**attempt))
        old = await load(store, path, zarr_format=metadata.zarr_format)
    raise AssertionError("unreachable")


async def delete_documents(store: Store, path: str, names: tuple[str, ...] = NAMES) -> None:
    """Remove the metadata documents of a node."""
    await store.delete_many([prefix_of(path) + name for name in names])


async def _read(store: Store, key: str) -> Document | None:
    async with request_slots(store):
        parts = await store.get_ranges(key, _USUAL)
        if parts is not None and len(parts.data[0]) < parts.size <= MAX_BYTES:
            parts = await store.get_ranges(key, _WHOLE)
        return _document(store, key, parts)


def _document(store: Store, key: str, parts: Parts | None) -> Document | None:
    if parts is None:
        return None
    if parts.size > MAX_BYTES:
        raise MetadataError(
            f"a metadata document of {parts.size} bytes, more than {MAX_BYTES}", store=store.url, key=key
        )
    return Document(bytes(parts.data[0]), parts.version)


async def _write(store: Store, key: str, data: BytesLike, before: Document | None) -> None:
    """Write a document on the condition that it is as it was, as far as the store can tell."""
    can = store.capabilities
    if before is None:
        if can.create:
            await store.set(key, data, create=True)
            return
    elif can.cas and before.version is not None:
        await store.set(key, data, if_version=before.version)
        return
    # A store without conditional writes (a zip archive) belongs to this process: the lock makes the check atomic.
    async with key_lock(store, key):
        now = await _read(store, key)
        if (now.data if now else None) != (before.data if before else None):
            raise PreconditionFailed("the document has changed meanwhile", store=store.url, key=key)
        await store.set(key, data)
