"""Metadata of a whole hierarchy in one document, in either format.

Entries are parsed when they are asked for. A node that cannot be read is an error for that node only, and a hierarchy
of a million nodes opens without parsing a million documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ..errors import KeyInvalid, MetadataError
from .node import GroupMetadata, NodeMetadata

__all__ = ["Entries", "build_consolidated", "sub_consolidated"]


@dataclass(frozen=True, slots=True, eq=False)
class Entries(Mapping[str, NodeMetadata]):
    """The nodes below a group by relative path, each parsed on first access.

    ``entries[path]`` raises ``MetadataError``, naming the path as key, where the document of that node is bad.

    Attributes:
        documents: the document of each node, as it was read.
        parse: makes a record of a document.
    """

    documents: Mapping[str, Any]
    parse: Callable[..., NodeMetadata]
    _parsed: dict[str, NodeMetadata] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        documents: Mapping[str, Any],
        *,
        parse: Callable[..., NodeMetadata],
        valid: Callable[[str], bool],
        strict: bool,
    ) -> Self:
        """Take the documents under valid paths. `strict` refuses bad paths, and parses all documents now.

        Raises:
            MetadataError: a bad path or document, if `strict`.
        """
        paths = [path for path in documents if _accepts(valid, path)]
        if strict and len(paths) != len(documents):
            bad = sorted(documents.keys() - set(paths))[:3]
            raise MetadataError(f"consolidated metadata: not paths of nodes: {bad}")
        entries = cls({path: documents[path] for path in paths}, parse)
        if strict:
            for path in paths:
                entries._parsed[path] = entries._parse(path, strict=True)
        return entries

    def __getitem__(self, path: str) -> NodeMetadata:
        node = self._parsed.get(path)
        if node is None:
            node = self._parsed[path] = self._parse(path, strict=False)
        return node

    def __contains__(self, path: object) -> bool:
        return path in self.documents

    def __iter__(self) -> Iterator[str]:
        return iter(self.documents)

    def __len__(self) -> int:
        return len(self.documents)

    def _parse(self, path: str, *, strict: bool) -> NodeMetadata:
        document = self.documents[path]
        try:
            return self.parse(document, strict=strict)
        except MetadataError as error:
            error.at(key=path)
            raise

    def below(self, path: str) -> Entries:
        """The nodes below `path`, relative to it."""
        prefix = f"{path}/"
        documents = {name[len(prefix) :]: item for name, item in self.documents.items() if name.startswith(prefix)}
        return Entries(documents, self.parse)


def sub_consolidated(meta: GroupMetadata, path: str) -> NodeMetadata | None:
    """The node at `path` below a group with consolidated metadata; a group comes with its own part of it.

    ``None`` if the consolidated metadata has no such node. An empty part means a group without children.

    Raises:
        MetadataError: the document of the node is bad, or `meta` has no consolidated metadata.
    """
    entries = meta.consolidated
    if entries is None:
        raise MetadataError("the group has no consolidated metadata")
    if path not in entries:
        return None
    node = entries[path]
    if not isinstance(node, GroupMetadata):
        return node
    prefix = f"{path}/"
    below: Mapping[str, NodeMetadata]
    if isinstance(entries, Entries):
        below = entries.below(path)
    else:
        below = {name[len(prefix) :]: child for name, child in entries.items() if name.startswith(prefix)}
    return replace(node, consolidated=below or node.consolidated or {})


def build_consolidated(group: GroupMetadata, children: Mapping[str, NodeMetadata]) -> GroupMetadata:
    """The group with `children`, all nodes below it by relative path, as its consolidated metadata.

    ``encode_node`` writes it: into ``zarr.json`` for v3, as ``.zmetadata`` for v2.

    Raises:
        MetadataError: a child of another format.
    """
    for path, child in children.items():
        if child.zarr_format != group.zarr_format:
            raise MetadataError(f"node {path!r} is v{child.zarr_format}, its group v{group.zarr_format}")
    return replace(group, consolidated={path: children[path] for path in sorted(children)})


def _accepts(valid: Callable[[str], bool], path: str) -> bool:
    try:
        return valid(path)
    except KeyInvalid:
        return False
