"""Groups: nodes that hold arrays and other groups."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ..errors import AlreadyExists, MetadataError, NotFound
from ..metadata.consolidated import sub_consolidated
from ..metadata.names import validate_path
from ..metadata.node import ArrayMetadata, GroupMetadata, NodeMetadata, ZarrFormat
from ..store.base import Store
from . import change, hierarchy
from .array import Array
from .consolidated import refresh_parents
from .create import create_node, delete_node
from .documents import find
from .node import Node, NodeOptions, discard_chunks, prefix_of
from .spec import ArraySpec, array_metadata, given_attributes

__all__ = ["Group"]


class Group(Node):
    """A Zarr group. Make one with :func:`asynczarr.open_group` or :func:`asynczarr.create_group`.

    With consolidated metadata, nodes below are opened from it, without asking the store again.
    """

    def __init__(
        self,
        store: Store,
        path: str,
        metadata: GroupMetadata,
        *,
        read_only: bool,
        owns_store: bool = False,
        options: NodeOptions | None = None,
    ) -> None:
        super().__init__(store, path, read_only=read_only, owns_store=owns_store, options=options)
        self._metadata = metadata

    @property
    def metadata(self) -> GroupMetadata:
        """The metadata record."""
        return self._metadata

    @property
    def attrs(self) -> Mapping[str, Any]:
        """User attributes, read-only; change them with :meth:`update_attributes`."""
        return MappingProxyType(self._metadata.attributes)

    @property
    def zarr_format(self) -> ZarrFormat:
        """2 or 3; new nodes below have the same format."""
        return self._metadata.zarr_format

    async def get(self, path: str) -> Array | Group:
        """Open the node at a path below this group.

        Raises:
            NotFound: there is none.
        """
        full, metadata = self._full(path), await self._find(path)
        if metadata is None:
            raise NotFound("no Zarr array or group here", store=self._store.url, key=prefix_of(full))
        return self._node(full, metadata)

    async def get_array(self, path: str) -> Array:
        """Open the array at a path below; ``MetadataError`` if it is a group."""
        node = await self.get(path)
        if not isinstance(node, Array):
            raise MetadataError("this is a group, not an array", store=self._store.url, key=node.path)
        return node

    async def get_group(self, path: str) -> Group:
        """Open the group at a path below; ``MetadataError`` if it is an array."""
        node = await self.get(path)
        if not isinstance(node, Group):
            raise MetadataError("this is an array, not a group", store=self._store.url, key=node.path)
        return node

    async def contains(self, path: str) -> bool:
        """Whether there is a node at a path below."""
        return await self._find(path) is not None

    async def members(self, *, max_depth: int | None = 0) -> AsyncIterator[tuple[str, Array | Group]]:
        """Nodes below, as pairs of relative path and node, sorted by name within each group.

        Args:
            max_depth: 0 for children only, 1 for their children as well, ``None`` for all.
        """
        async for path, metadata in hierarchy.walk(self, max_depth):
            yield path, self._node(self._full(path), metadata)

    async def tree(self, *, max_depth: int | None = None) -> hierarchy.Tree:
        """The hierarchy below; ``str()`` of it draws it."""
        return await hierarchy.tree(self, max_depth)

    async def create_array(self, path: str, *, overwrite: bool = False, **spec: Any) -> Array:
        """Create an array below, with the arguments of :func:`asynczarr.create_array`."""
        self.check_writable()
        metadata = array_metadata(ArraySpec.of(spec, self.zarr_format))
        await create_node(self._store, self._full(path), metadata, overwrite=overwrite)
        discard_chunks(self._store, self._full(path), self._options)
        await self._refresh_own()
        return Array(self._store, self._full(path), metadata, read_only=False, options=self._options)

    async def create_group(
        self, path: str, *, attributes: Mapping[str, Any] | None = None, overwrite: bool = False
    ) -> Group:
        """Create a group below."""
        self.check_writable()
        metadata = GroupMetadata(zarr_format=self.zarr_format, attributes=given_attributes(attributes or {}))
        await create_node(self._store, self._full(path), metadata, overwrite=overwrite)
        discard_chunks(self._store, self._full(path), self._options)
        await self._refresh_own()
        return Group(self._store, self._full(path), metadata, read_only=False, options=self._options)

    async def require_group(self, path: str) -> Group:
        """Open the group at a path below, or create it."""
        try:
            return await self.create_group(path)
        except AlreadyExists:
            return await self.get_group(path)

    async def require_array(self, path: str, **spec: Any) -> Array:
        """Open the array at a path below, or create it.

        Raises:
            MetadataError: it exists with another shape or data type.
        """
        wanted = array_metadata(ArraySpec.of(spec, self.zarr_format))
        try:
            return await self.create_array(path, **spec)
        except AlreadyExists:
            array = await self.get_array(path)
        if array.shape != wanted.shape or array.metadata.data_type.name != wanted.data_type.name:
            raise MetadataError(
                f"the array is {array.shape} {array.dtype}, not {wanted.shape} {wanted.data_type.numpy}",
                store=self._store.url,
                key=prefix_of(array.path),
            )
        return array

    async def create_many(
        self, nodes: Mapping[str, Mapping[str, Any] | None], *, overwrite: bool = False
    ) -> dict[str, Array | Group]:
        """Create many nodes at once: arrays from the arguments of ``create_array``, groups from ``None``.

        Everything is checked before anything is written; groups above come into being once.

        Returns:
            The nodes by path, in the order given.
        """
        self.check_writable()
        prepared: dict[str, NodeMetadata] = {
            path: GroupMetadata(zarr_format=self.zarr_format)
            if spec is None
            else array_metadata(ArraySpec.of(spec, self.zarr_format))
            for path, spec in nodes.items()
        }
        await hierarchy.create_many(self, prepared, overwrite=overwrite)
        discard_chunks(self._store, self._path, self._options)
        await self._refresh_own()
        return {path: self._node(self._full(path), metadata) for path, metadata in prepared.items()}

    async def delete(self, path: str) -> None:
        """Delete the node at a path below, with everything in it.

        Raises:
            NotFound: there is none.
        """
        self.check_writable()
        full = self._full(path)
        if await find(self._store, full) is None:
            raise NotFound("no Zarr array or group here", store=self._store.url, key=prefix_of(full))
        await delete_node(self._store, full)
        discard_chunks(self._store, full, self._options)
        await refresh_parents(self._store, {}, gone=[full])
        await self._refresh_own()

    async def move(self, source: str, target: str) -> None:
        """Move a node below to another path below: everything is copied, then the old is deleted.

        A crash in between leaves both. Key by key; no value is decoded.

        Raises:
            NotFound: no node at `source`.
            AlreadyExists: a node at `target`.
            MetadataError: a node below `source` that cannot be read, if consolidated metadata shall tell of it; nothing
                is moved then.
        """
        self.check_writable()
        await hierarchy.move(self._store, self._full(source), self._full(target), self.zarr_format)
        discard_chunks(self._store, self._path, self._options)
        await self._refresh_own()

    async def consolidate(self) -> None:
        """Write the metadata of every node below into this group's own."""
        self.check_writable()
        self._metadata = await hierarchy.consolidate(self)
        await refresh_parents(self._store, {self._path: self._metadata})

    async def update_attributes(self, changes: Mapping[str, Any], *, replace: bool = False) -> None:
        """Set attributes; with `replace`, remove all others. Changes that others make to other attributes survive."""
        self.check_writable()
        self._metadata = await change.update_attributes(self, self._metadata, changes, replace=replace)

    async def refresh(self) -> None:
        """Read the metadata again, to see what others have changed."""
        self._metadata = await change.reload(self, self._metadata)

    def forget_consolidated(self) -> None:
        """Open nodes below from their own documents from now on."""
        self._metadata = replace(self._metadata, consolidated=None)

    async def _refresh_own(self) -> None:
        if self._metadata.consolidated is not None:
            await self.refresh()

    def _full(self, path: str) -> str:
        relative = validate_path(path)
        if not relative:
            raise MetadataError("a path below this group must not be empty", store=self._store.url, key=self._path)
        return prefix_of(self._path) + relative

    async def _find(self, path: str) -> NodeMetadata | None:
        full = self._full(path)
        relative = full[len(prefix_of(self._path)) :]
        if self._metadata.consolidated is not None:
            return sub_consolidated(self._metadata, relative)
        loaded = await find(self._store, full, strict=self._options.strict)
        return loaded.metadata if loaded else None

    def _node(self, path: str, metadata: NodeMetadata) -> Array | Group:
        make: Any = Array if isinstance(metadata, ArrayMetadata) else Group
        node: Array | Group = make(self._store, path, metadata, read_only=self._read_only, options=self._options)
        return node

    def __repr__(self) -> str:
        return f"<Group {self._store.url} /{self._path}>"
