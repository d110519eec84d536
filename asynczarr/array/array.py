"""The array: a view of everything, with metadata that can be changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any

from ..errors import SelectionError
from ..metadata.node import ArrayMetadata, NamedConfig, ZarrFormat
from ..metadata.shapes import given_lengths
from ..selection import axis_number, basic, block
from ..store.base import Store
from ..stream.read import MAX_BYTES
from ..stream.report import WriteReport
from ..stream.sink import OnItemError, Source, WriteStreamOptions, write_stream
from ..stream.values import as_array, cast_in_pool
from ..stream.write import edits, write
from . import change
from .node import Node, NodeOptions, stored_array
from .selected import Indexer
from .trace import call
from .view import View

__all__ = ["Array"]


class Array(View, Node):
    """A Zarr array. Make one with :func:`asynczarr.open_array` or :func:`asynczarr.create_array`.

    Metadata is that of the moment of opening; changes made through this object are seen by it.
    """

    def __init__(
        self,
        store: Store,
        path: str,
        metadata: ArrayMetadata,
        *,
        read_only: bool,
        owns_store: bool = False,
        options: NodeOptions | None = None,
    ) -> None:
        Node.__init__(self, store, path, read_only=read_only, owns_store=owns_store, options=options)
        self._adopt(metadata)

    def _adopt(self, metadata: ArrayMetadata) -> None:
        """Go on with new metadata."""
        self._metadata = metadata
        array = stored_array(self._store, self._path, metadata, self._options)
        View.__init__(self, array, basic((), metadata.shape), metadata.dimension_names, read_only=self._read_only)

    @property
    def metadata(self) -> ArrayMetadata:
        """The metadata record."""
        return self._metadata

    @property
    def attrs(self) -> Mapping[str, Any]:
        """User attributes, read-only; change them with :meth:`update_attributes`."""
        return MappingProxyType(self._metadata.attributes)

    @property
    def zarr_format(self) -> ZarrFormat:
        """2 or 3."""
        return self._metadata.zarr_format

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a chunk, the smallest unit that is decoded; with shards of an inner one, else of the first."""
        return self._array.chunk_shape

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Shape of a shard, the unit that is stored; ``None`` without sharding."""
        return self._array.chain.spec.shape if self._array.shard else None

    @property
    def cdata_shape(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(axis.nchunks for axis in self._array.chunk_axes)

    @property
    def nchunks(self) -> int:
        """Number of chunks, stored or not."""
        return prod(self.cdata_shape)

    @property
    def fill_value(self) -> Any:
        """What elements read as that were never written."""
        return self._array.fill

    @property
    def codecs(self) -> tuple[NamedConfig, ...]:
        """The codec chain; for v2 the equivalent one."""
        return self._metadata.codecs or self._array.chain.to_configs()

    @property
    def blocks(self) -> Indexer:
        """Block indexing: the region of whole chunks, by coordinates in the chunk grid."""
        return Indexer(lambda index: self._view(block(index, self._array.chunk_axes)))

    async def write_stream(
        self,
        source: Source,
        *,
        concurrency: int | None = None,
        max_bytes: int = MAX_BYTES,
        checkpoint: str | os.PathLike[str] | None = None,
        on_error: OnItemError = "raise",
        validate: bool = True,
        progress: Callable[[WriteReport], object] | None = None,
    ) -> WriteReport:
        """Write items from an iterable, each stored object once, several at a time, within a byte budget.

        An item is a ``Chunk``, a pair ``(chunk index, data)``, or a pair ``(region, data)`` with a tuple of slices.
        Items for one chunk or shard are gathered until it is complete; what the budget cannot hold is merged later.

        Args:
            source: async or plain iterable. A plain one runs in a worker thread, so it may read files. A sequence does
                not.
            concurrency: stored objects being encoded and written.
            max_bytes: bytes gathered and on their way; the source is not asked for more beyond.
            checkpoint: path of a ledger file. Items whose objects an earlier, killed run has finished are left out. It
                knows places and not values: with another source, take another ledger.
            on_error: stop taking items at the first error, let what was accepted finish, and raise it; or go on,
                listing failed items in the report and calling a callable with ``(where, error)``.
            validate: items must have the exact shape and values that fit: of the same kind of dtype, integers within
                its range, text within its length; only floats may be rounded. Without it an item is broadcast and cast
                as :meth:`write` does.
            progress: called with the report after each object written.

        Returns:
            A report with counts and failed items.

        Raises:
            Forbidden: opened with ``mode="r"``.
            MetadataError: the ledger is that of another array.
            Unavailable: another ``write_stream`` is using the ledger.
            AsyncZarrError: the first failure, with ``on_error="raise"``.
        """
        self._check_writable()
        options = WriteStreamOptions(
            concurrency=concurrency,
            max_bytes=max_bytes,
            checkpoint=checkpoint,
            on_error=on_error,
            validate=validate,
            progress=progress,
        )
        return await write_stream(self._array, source, options)

    async def resize(self, shape: tuple[int, ...] | int) -> None:
        """Change the shape. Growing writes only metadata; shrinking then also removes what falls outside.

        Raises:
            Forbidden: opened with ``mode="r"``.
            MetadataError: no integers, another number of axes, or a shape that the chunk grid cannot have.
        """
        self._check_writable()
        new = given_lengths(shape, "shape")
        with call("resize", self._store, self._path):
            self._adopt(await change.resize(self, new))

    async def append(self, data: Any, axis: int | str = 0) -> tuple[int, ...]:
        """Grow along an axis and write `data` there. Appends at the same time get different places, each whole.

        If writing fails, the array stays as long as it has become, since others may have appended behind: the rest of
        the new part then holds the fill value.

        Args:
            data: the new part, with as many axes as the array; cast as :meth:`write` does, before the array grows.
            axis: number or dimension name of the axis.

        Returns:
            The new shape.

        Raises:
            Forbidden: opened with ``mode="r"``.
            StoreError: the store failed.
            CodecError: a value cannot be encoded.
            SelectionError: no such axis, `data` does not have the array's other axes, or it is refused as by
                :meth:`write`.
        """
        self._check_writable()
        axis = axis_number(axis, self.ndim, self.dimension_names)
        values = await cast_in_pool(as_array(data, self.dtype, self.ndim), self.dtype)
        expected = self.shape[:axis] + self.shape[axis + 1 :]
        if values.ndim != self.ndim or values.shape[:axis] + values.shape[axis + 1 :] != expected:
            raise SelectionError(f"cannot append shape {values.shape} to {self.shape} along axis {axis}")
        with call("append", self._store, self._path, nbytes=values.nbytes):
            metadata, start = await change.grow(self, axis, values.shape[axis])
            self._adopt(metadata)
            region = basic((slice(None),) * axis + (slice(start, start + values.shape[axis]),), self.shape)
            await write(self._array, edits(self._array, region, values, growing=True))
        return self.shape

    async def update_attributes(self, changes: Mapping[str, Any], *, replace: bool = False) -> None:
        """Set attributes; with `replace`, remove all others. Changes that others make to other attributes survive.

        Raises:
            MetadataError: no mapping, or a value that is no JSON.
        """
        self.check_writable()
        self._adopt(await change.update_attributes(self, self._metadata, changes, replace=replace))

    async def refresh(self) -> None:
        """Read the metadata again, to see what others have changed."""
        self._adopt(await change.reload(self, self._metadata))

    async def nchunks_stored(self) -> int:
        """Number of stored objects (chunks, or shards), found by listing."""
        return sum([1 async for _ in change.stored_keys(self)])

    async def nbytes_stored(self) -> int:
        """Bytes of all stored objects, without metadata."""
        return await change.stored_bytes(self)

    def __repr__(self) -> str:
        return f"<Array {self._store.url} /{self._path} shape={self.shape} dtype={self.dtype} chunks={self.chunks}>"
