"""Consolidated metadata: every node below a group in one document, kept true when a node below changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import replace
from functools import partial
from typing import TypeGuard

from ..metadata import v2, v3
from ..metadata.consolidated import Entries
from ..metadata.node import GroupMetadata, NodeMetadata
from ..store.base import Store
from .documents import Loaded, edit, find_many
from .node import prefix_of

__all__ = ["is_consolidated", "parents_of", "refresh_parents"]


def parents_of(path: str) -> list[str]:
    """Paths of all groups above a node, the nearest first, the root (empty) last."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:n]) for n in range(len(parts) - 1, -1, -1)]


async def refresh_parents(store: Store, changed: Mapping[str, NodeMetadata], *, gone: Collection[str] = ()) -> None:
    """Bring changes of nodes into the consolidated metadata of the groups above them, once for each group.

    Args:
        store: where they live.
        changed: the new metadata of nodes by path.
        gone: paths of nodes that were removed with all below, before those of `changed` came.
    """
    parents = {parent for path in (*gone, *changed) for parent in parents_of(path)} - changed.keys()
    nearest_first = sorted(parents, key=len, reverse=True)
    for parent, loaded in zip(nearest_first, await find_many(store, nearest_first), strict=True):
        if is_consolidated(loaded):
            prefix = prefix_of(parent)
            new = {path[len(prefix) :]: metadata for path, metadata in changed.items() if _below(path, prefix)}
            old = {path[len(prefix) :] for path in gone if _below(path, prefix)}
            await edit(store, parent, loaded, partial(_with, new, old))


def is_consolidated(loaded: Loaded | None) -> TypeGuard[Loaded]:
    """Whether it is a group that has consolidated metadata."""
    return (
        loaded is not None and isinstance(loaded.metadata, GroupMetadata) and loaded.metadata.consolidated is not None
    )


def _below(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and len(path) > len(prefix)


def _with(new: Mapping[str, NodeMetadata], gone: Set[str], group: NodeMetadata) -> NodeMetadata:
    """`group` without what lies at and below the paths `gone`, and with the `new` nodes."""
    assert isinstance(group, GroupMetadata)
    if group.consolidated is None:
        return group
    assert isinstance(group.consolidated, Entries)  # as it was read: other nodes are neither parsed nor written anew
    documents = group.consolidated.documents
    if gone:
        documents = {
            path: document for path, document in documents.items() if gone.isdisjoint((path, *parents_of(path)))
        }
    documents = {**documents, **{path: _document(metadata) for path, metadata in new.items()}}
    return replace(group, consolidated=Entries(documents, group.consolidated.parse))


def _document(metadata: NodeMetadata) -> Mapping[str, object]:
    if isinstance(metadata, GroupMetadata):
        metadata = replace(metadata, consolidated=None)
    return v3.to_document(metadata) if metadata.zarr_format == 3 else v2.to_documents(metadata)
