"""Make and delete nodes, and the groups above them where they are missing."""

from __future__ import annotations

from ..errors import AlreadyExists, MetadataError
from ..metadata.document import encode_node
from ..metadata.names import validate_path
from ..metadata.node import ArrayMetadata, GroupMetadata, NodeMetadata, ZarrFormat
from ..store.base import Store
from .consolidated import parents_of, refresh_parents
from .documents import find, save
from .node import prefix_of
from .trace import call

__all__ = ["create_node", "delete_node", "make_parents"]


async def create_node(store: Store, path: str, metadata: NodeMetadata, *, overwrite: bool) -> None:
    """Write a new node, and groups above it where there are none.

    Raises:
        AlreadyExists: a node is there, and not `overwrite`.
        MetadataError: a node above is an array.
        KeyInvalid: not a path.
    """
    path = validate_path(path)
    encode_node(metadata)  # fails before anything is touched
    with call("create", store, path):
        await make_parents(store, path, metadata.zarr_format)
        if overwrite:
            await delete_node(store, path)
        elif await find(store, path) is not None:
            raise AlreadyExists("a node is here already", store=store.url, key=prefix_of(path))
        await save(store, path, metadata, old=None)
        await refresh_parents(store, {path: metadata}, gone=[path] if overwrite else ())


async def make_parents(store: Store, path: str, zarr_format: ZarrFormat) -> None:
    """Create the groups above `path` that do not exist: v3 has no implicit groups."""
    missing = []
    for parent in parents_of(path):
        loaded = await find(store, parent)
        if loaded is None:
            missing.append(parent)
        elif isinstance(loaded.metadata, ArrayMetadata):
            raise MetadataError("an array cannot hold other nodes", store=store.url, key=prefix_of(parent))
    for parent in reversed(missing):
        group = GroupMetadata(zarr_format=zarr_format)
        try:
            await save(store, parent, group, old=None)
        except AlreadyExists:
            continue  # somebody else made it meanwhile
        await refresh_parents(store, {parent: group})


async def delete_node(store: Store, path: str) -> None:
    """Remove a node with everything below it, metadata first, so that a crash leaves nothing half readable."""
    prefix = prefix_of(path)
    await store.delete_many([prefix + name for name in ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")])
    page: list[str] = []
    async for key in store.list(prefix):
        page.append(key)
        if len(page) == 1000:
            await store.delete_many(page)
            page = []
    await store.delete_many(page)
