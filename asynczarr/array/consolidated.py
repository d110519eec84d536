"""Consolidated metadata: every node below a group in one document, kept true when a node below changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from ..metadata import v2, v3
from ..metadata.consolidated import Entries
from ..metadata.node import GroupMetadata, NodeMetadata
from ..store.base import Store
from .documents import edit, find

__all__ = ["parents_of", "refresh_parents"]

E = TypeVar("E")


def parents_of(path: str) -> list[str]:
    """Paths of all groups above a node, the nearest first, the root (empty) last."""
    parts = path.split("/") if path else []
    return ["/".join(parts[:n]) for n in range(len(parts) - 1, -1, -1)]


async def refresh_parents(store: Store, path: str, metadata: NodeMetadata | None) -> None:
    """Bring a change of one node into the consolidated metadata above it.

    Args:
        store: where it lives.
        path: path of the node.
        metadata: its new metadata; ``None`` if it, and all below, are gone.
    """
    if isinstance(metadata, GroupMetadata):
        metadata = replace(metadata, consolidated=None)
    for parent in parents_of(path):
        loaded = await find(store, parent)
        if loaded is None or not isinstance(loaded.metadata, GroupMetadata) or loaded.metadata.consolidated is None:
            continue
        relative = path[len(parent) + 1 :] if parent else path

        def make(now: NodeMetadata, relative: str = relative) -> NodeMetadata:
            assert isinstance(now, GroupMetadata)
            if now.consolidated is None:
                return now
            return replace(now, consolidated=_with(now.consolidated, relative, metadata))

        await edit(store, parent, loaded, make)


def _with(entries: Mapping[str, NodeMetadata], path: str, metadata: NodeMetadata | None) -> Mapping[str, NodeMetadata]:
    if isinstance(entries, Entries):  # as it was read: other nodes are neither parsed nor written anew
        return Entries(_replaced(entries.documents, path, metadata and _document(metadata)), entries.parse)
    return _replaced(entries, path, metadata)


def _replaced(entries: Mapping[str, E], path: str, entry: E | None) -> dict[str, E]:
    """`entries` with another entry at `path`, or without it and all below."""
    if entry is not None:
        return {**entries, path: entry}
    return {name: kept for name, kept in entries.items() if name != path and not name.startswith(path + "/")}


def _document(metadata: NodeMetadata) -> Mapping[str, object]:
    return v3.to_document(metadata) if metadata.zarr_format == 3 else v2.to_documents(metadata)
