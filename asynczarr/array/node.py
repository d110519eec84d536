"""What arrays and groups share, and how metadata becomes what the engine works on."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..codec.of_array import chain_for
from ..errors import Forbidden, MetadataError
from ..metadata.node import ArrayMetadata
from ..store.base import Store, discard
from ..stream.stored import StoredArray

if TYPE_CHECKING:
    from ..middleware.chunk_cache import ChunkCache

__all__ = ["Node", "NodeOptions", "discard_chunks", "prefix_of", "stored_array"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """How an opened node behaves; handed on to nodes opened below it.

    Attributes:
        strict: refuse metadata that breaks the specification in ways that are usually tolerated.
        write_empty_chunks: store chunks that hold nothing but the fill value. ``False`` deletes them instead, which on
            object stores can race with a writer of the same chunk.
        coalesce_gap: read two chunks of a shard by one request if at most this many bytes lie between them.
        coalesce_max: bytes of the largest request made by coalescing.
        chunk_cache: keeps decoded chunks, which reads, views and streams then take from it; they are read-only. Arrays
            of one store object share them, and see at once what is written through one that has the same cache.
    """

    strict: bool = False
    write_empty_chunks: bool = True
    coalesce_gap: int = 64 * 1024
    coalesce_max: int = 16 * 2**20
    chunk_cache: ChunkCache | None = None


class Node:
    """An array or group at a path of a store.

    It pickles together with its store, if that can be pickled, and with its metadata, which is not read again.
    """

    def __init__(
        self, store: Store, path: str, *, read_only: bool, owns_store: bool, options: NodeOptions | None
    ) -> None:
        self._store = store
        self._path = path
        self._read_only = read_only
        self._owns_store = owns_store
        self._options = options or NodeOptions()

    @property
    def store(self) -> Store:
        """The store that it lives in."""
        return self._store

    @property
    def path(self) -> str:
        """Path in the store, without slashes at the ends; empty for the root."""
        return self._path

    @property
    def name(self) -> str:
        """Last part of the path; empty for the root."""
        return self._path.rpartition("/")[2]

    @property
    def read_only(self) -> bool:
        """Changing it raises ``Forbidden``."""
        return self._read_only

    @property
    def options(self) -> NodeOptions:
        """How it behaves, and nodes opened below it."""
        return self._options

    def check_writable(self) -> None:
        """Raise ``Forbidden`` if it was opened with ``mode="r"``."""
        if self._read_only:
            raise Forbidden("opened with mode='r'", store=self._store.url, key=self._path)

    async def aclose(self) -> None:
        """Close the store, if it was opened for this node; a zip archive is written then.

        ``async with`` does so at its end. Left by an exception, also by a cancellation, it discards what was written to
        a zip archive, and the old one stays.
        """
        if self._owns_store:
            await self._store.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.aclose()
        elif self._owns_store:
            await discard(self._store)


def prefix_of(path: str) -> str:
    """The key prefix of everything at and below a path."""
    return f"{path}/" if path else ""


def discard_chunks(store: Store, path: str, options: NodeOptions) -> None:
    """Everything at and below a path has been replaced or deleted: chunks of it that are kept are not good any more."""
    if options.chunk_cache is not None:
        options.chunk_cache.discard_below(store, prefix_of(path))


def stored_array(store: Store, path: str, metadata: ArrayMetadata, options: NodeOptions) -> StoredArray:
    """What the engine needs of an array.

    Raises:
        MetadataError: codecs that do not fit the array.
    """
    axes = metadata.chunk_grid.axes(metadata.shape)
    try:
        chain = chain_for(metadata, tuple(axis.size(0) for axis in axes))
    except MetadataError as error:
        raise error.at(store=store.url, key=prefix_of(path)) from error.__cause__
    return StoredArray(
        store,
        prefix_of(path),
        metadata.shape,
        axes,
        metadata.chunk_key_encoding.key,
        chain,
        write_empty=options.write_empty_chunks,
        coalesce_gap=options.coalesce_gap,
        coalesce_max=options.coalesce_max,
        chunk_cache=options.chunk_cache,
        recipe=(stored_array, (store, path, metadata, options)),
    )
