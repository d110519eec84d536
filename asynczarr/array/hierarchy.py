"""Walk, draw, create, move and consolidate whole parts of a hierarchy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import AlreadyExists, KeyInvalid, MetadataError, NotFound
from ..metadata.consolidated import sub_consolidated
from ..metadata.names import validate_path
from ..metadata.node import ArrayMetadata, GroupMetadata, NodeMetadata, ZarrFormat
from ..store.base import Store
from ..stream.limits import request_slots
from ..stream.load import gather
from .consolidated import is_consolidated, parents_of, refresh_parents
from .create import delete_node, make_parents
from .documents import NAMES, PAGE, find, find_many, load, pages, save
from .node import prefix_of

if TYPE_CHECKING:
    from .group import Group

__all__ = ["Tree", "consolidate", "copy_key", "create_many", "move", "tree", "walk"]


@dataclass(frozen=True, slots=True)
class Tree:
    """A hierarchy; ``str()`` draws it.

    Attributes:
        name: last part of the path.
        metadata: of the node.
        children: nodes below, sorted by name.
    """

    name: str
    metadata: NodeMetadata
    children: list[Tree] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(self._lines("", ""))

    def _lines(self, first: str, rest: str) -> list[str]:
        label = self.name or "/"
        if isinstance(self.metadata, ArrayMetadata):
            label += f" {self.metadata.shape} {self.metadata.data_type.name}"
        lines = [first + label]
        for number, child in enumerate(self.children, 1):
            last = number == len(self.children)
            lines += child._lines(rest + ("└── " if last else "├── "), rest + ("    " if last else "│   "))
        return lines


async def walk(group: Group, max_depth: int | None) -> AsyncIterator[tuple[str, NodeMetadata]]:
    """Relative paths and metadata of the nodes below a group, children sorted by name, parents first."""
    if group.metadata.consolidated is not None:
        for path in sorted(group.metadata.consolidated, key=lambda path: path.split("/")):
            if max_depth is None or path.count("/") <= max_depth:
                metadata = sub_consolidated(group.metadata, path)
                if metadata is not None:
                    yield path, metadata
        return
    async for path, metadata in _walk_stored(group.store, group.path, "", max_depth, strict=group.options.strict):
        yield path, metadata


async def _walk_stored(
    store: Store, root: str, relative: str, depth: int | None, *, strict: bool
) -> AsyncIterator[tuple[str, NodeMetadata]]:
    prefix = prefix_of(prefix_of(root) + relative if relative else root)
    names = sorted([name[:-1] async for name in store.list_dir(prefix) if _may_be_node(name)])
    for page in pages(names):
        found = await find_many(store, [prefix + name for name in page], strict=strict)
        for name, loaded in zip(page, found, strict=True):
            if loaded is None:
                continue
            path = f"{relative}/{name}" if relative else name
            yield path, loaded.metadata
            if isinstance(loaded.metadata, GroupMetadata) and depth != 0:
                rest = None if depth is None else depth - 1
                async for below in _walk_stored(store, root, path, rest, strict=strict):
                    yield below


def _may_be_node(name: str) -> bool:
    if not name.endswith("/") or name.startswith("__"):
        return False
    try:
        return bool(validate_path(name[:-1]))
    except (KeyInvalid, MetadataError):
        return False


async def tree(group: Group, max_depth: int | None) -> Tree:
    """The hierarchy below a group as nested records."""
    top = Tree(group.name, group.metadata)
    nodes = {"": top}
    async for path, metadata in walk(group, max_depth):
        parent, _, name = path.rpartition("/")
        nodes[path] = Tree(name, metadata)
        nodes.get(parent, top).children.append(nodes[path])
    return top


async def create_many(group: Group, nodes: Mapping[str, NodeMetadata], *, overwrite: bool) -> None:
    """Write many new nodes below a group, and groups above them where there are none.

    Raises:
        AlreadyExists: a node is there, and not `overwrite`; nothing is written then.
        MetadataError: a node would lie inside of an array.
    """
    store, base = group.store, prefix_of(group.path)
    new = {base + validate_path(path): metadata for path, metadata in nodes.items()}
    above = {parent for path in new for parent in parents_of(path)}
    paths = sorted(above | new.keys())
    found = {
        path: loaded.metadata
        for path, loaded in zip(paths, await find_many(store, paths), strict=True)
        if loaded is not None and not (overwrite and new.keys() & parents_of(path))  # goes with what is overwritten
    }
    for path in above:
        here = new.get(path) or found.get(path)
        if isinstance(here, ArrayMetadata):
            raise MetadataError("an array cannot hold other nodes", store=store.url, key=prefix_of(path))
    for path in new:
        if path in found and not overwrite:
            raise AlreadyExists("a node is here already", store=store.url, key=prefix_of(path))
        if overwrite:
            await delete_node(store, path)
    missing = {path: GroupMetadata(zarr_format=group.zarr_format) for path in above - found.keys()}
    gone = [*new] if overwrite else ()
    new = {**missing, **new}
    for page in pages(sorted(new, key=lambda path: (path.count("/"), path))):
        await gather([save(store, path, new[path], old=None) for path in page])
    await refresh_parents(store, new, gone=gone)


async def move(store: Store, source: str, target: str, zarr_format: ZarrFormat) -> None:
    """Copy every key of a node to another path, metadata of the node itself last, then delete the old ones."""
    if target == source or target.startswith(prefix_of(source)):
        raise KeyInvalid("a node cannot be moved into itself", store=store.url, key=prefix_of(target))
    loaded = await load(store, source)
    if await find(store, target) is not None:
        raise AlreadyExists("a node is here already", store=store.url, key=prefix_of(target))
    moved = {target: loaded.metadata}
    above = await find_many(store, parents_of(target))
    if isinstance(loaded.metadata, GroupMetadata) and any(map(is_consolidated, above)):
        # Before anything is touched: a node that cannot be read is an error here.
        async for path, metadata in _walk_stored(store, source, "", None, strict=False):
            moved[prefix_of(target) + path] = metadata
    await make_parents(store, target, zarr_format)
    old, new = prefix_of(source), prefix_of(target)
    documents = {old + name for name in NAMES}
    page: list[str] = []
    async for key in store.list(old):
        if key in documents:
            continue
        page.append(key)
        if len(page) == PAGE:
            await gather([copy_key(store, key, store, new + key[len(old) :]) for key in page])
            page = []
    page += [old + name for name in NAMES]
    await gather([copy_key(store, key, store, new + key[len(old) :]) for key in page])
    await delete_node(store, source)
    await refresh_parents(store, moved, gone=[source])


async def copy_key(source: Store, old: str, target: Store, new: str) -> None:
    """Copy one value from a store to another, or to another key."""
    async with request_slots(source):
        data = await source.get(old)
    if data is not None:
        async with request_slots(target):
            await target.set(new, data)


async def consolidate(group: Group) -> GroupMetadata:
    """Write the metadata of all nodes below a group into its own; the new metadata."""
    loaded = await load(group.store, group.path, zarr_format=group.zarr_format)
    if not isinstance(loaded.metadata, GroupMetadata):
        raise NotFound("the group is gone", store=group.store.url, key=prefix_of(group.path))
    entries: dict[str, NodeMetadata] = {}
    async for path, metadata in _walk_stored(group.store, group.path, "", None, strict=group.options.strict):
        entries[path] = replace(metadata, consolidated=None) if isinstance(metadata, GroupMetadata) else metadata
    new = replace(loaded.metadata, consolidated=entries)
    await save(group.store, group.path, new, old=loaded)
    return new
