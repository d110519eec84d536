"""An array as the engine sees it: a grid of stored objects, each a chunk or a shard of chunks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codec.chain import CodecChain
from ..codec.fill import filled
from ..codec.sharding import ShardLayout
from ..metadata.grid import Axis
from ..metadata.regular import RegularAxis
from ..store.base import Store
from ..types import Coords
from .shard_cache import ShardIndexCache

if TYPE_CHECKING:
    from ..middleware.chunk_cache import ChunkCache

__all__ = ["StoredArray"]

SMALL_CHUNK = 256 * 1024
"""Bytes of chunks that are better handled several at a time."""


@dataclass(frozen=True, eq=False)
class StoredArray:
    """What reading and writing chunks takes.

    Attributes:
        store: where the objects are.
        prefix: path of the array in the store, empty or ending in ``/``.
        shape: elements along each axis.
        axes: the grid of stored objects, axis by axis.
        chunk_key: coordinates of a stored object to its key below `prefix`.
        chain: the codecs, bound to the shape of the first stored object.
        write_empty: store objects that hold nothing but fill values (``False`` deletes them instead).
        coalesce_gap: read two chunks of a shard in one request if at most this many bytes lie between them.
        coalesce_max: bytes of the largest request that coalescing may make.
        indexes: shard indexes seen lately.
        chunk_cache: keeps decoded chunks, perhaps those of other arrays too.
        recipe: the function and the arguments that make it anew from what can be pickled.
    """

    store: Store
    prefix: str
    shape: tuple[int, ...]
    axes: tuple[Axis, ...]
    chunk_key: Callable[[Coords], str]
    chain: CodecChain
    write_empty: bool = True
    coalesce_gap: int = 64 * 1024
    coalesce_max: int = 16 * 2**20
    indexes: ShardIndexCache = field(default_factory=ShardIndexCache)
    chunk_cache: ChunkCache | None = None
    recipe: tuple[Callable[..., StoredArray], tuple[Any, ...]] | None = None

    def __reduce__(self) -> tuple[Callable[..., StoredArray], tuple[Any, ...]]:
        if self.recipe is None:
            raise TypeError("a StoredArray that no node has made cannot be pickled")
        return self.recipe

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the elements."""
        return self.chain.spec.dtype.numpy

    @property
    def shard(self) -> ShardLayout | None:
        """How a stored object is cut into inner chunks, if it can be read in part."""
        return self.chain.shard

    @property
    def fill(self) -> Any:
        """The value of elements that were never written."""
        return self.chain.spec.fill

    @cached_property
    def item_bytes(self) -> int:
        """Bytes that one element takes in memory; a guess for strings and objects, whose length varies."""
        return self.dtype.itemsize if self.chain.spec.dtype.itemsize is not None else max(64, self.dtype.itemsize)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of one chunk (with shards: one inner chunk)."""
        return self.shard.inner_shape if self.shard else self.chain.spec.shape

    @cached_property
    def chunk_axes(self) -> tuple[Axis, ...]:
        """The grid of chunks. Inner chunks divide their shards, so their grid is regular whatever the shards are."""
        if self.shard is None:
            return self.axes
        return tuple(RegularAxis(extent, size) for extent, size in zip(self.shape, self.chunk_shape, strict=True))

    @cached_property
    def chunk_bytes(self) -> int:
        """Bytes of one decoded chunk (with shards: one inner chunk)."""
        return max(1, prod(self.chunk_shape) * self.item_bytes)

    @property
    def small_chunks(self) -> bool:
        """Chunks are so small that handling each costs as much as decoding it, or nearly."""
        return self.chunk_bytes <= SMALL_CHUNK

    @cached_property
    def form(self) -> str:
        """How chunks are decoded: equal for arrays that make the same of the same bytes."""
        return f"{self.chain.spec.dtype} {self.dtype!r} {self.chunk_shape} {self.chain.to_configs()}"

    @cached_property
    def workers(self) -> int:
        """Thread hops worth having in flight: where Python dominates, threads would fight for the GIL."""
        chain = self.chain if self.shard is None else self.shard.chain
        work = self.chunk_bytes if self.shard is None else 2 * self.chunk_bytes  # opening files is half of the rest
        return 1 if work <= chain.grain else max(2, os.cpu_count() or 1)

    def key(self, coords: Coords) -> str:
        """Key of a stored object."""
        return self.prefix + self.chunk_key(coords)

    def chain_for(self, shape: tuple[int, ...]) -> CodecChain:
        """The codecs for a stored object of this shape (shapes differ in rectilinear grids only)."""
        return self.chain if shape == self.chain.spec.shape else self.chain.for_shape(shape)

    def forget(self, key: str) -> None:
        """A stored object is being changed: nothing that is known of it holds any more."""
        self.indexes.discard(key)
        if self.chunk_cache is not None:
            self.chunk_cache.discard(self.store, key)

    def fill_array(self, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[Any]]:
        """A new array of fill values."""
        return filled(shape, self.dtype, self.fill)
