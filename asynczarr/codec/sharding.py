"""One stored object holds many inner chunks and an index of them (v3 codec "sharding_indexed", v1.0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, cast

import numpy as np

from ..errors import CodecError, MetadataError
from ..metadata.dtypes import DataType
from ..metadata.extension import extension_document, parse_extension
from ..metadata.node import NamedConfig
from . import config
from .base import Array, ArrayArrayCodec, ChunkSpec, CodecKind
from .chain import CodecChain
from .fill import filled, is_fill
from .shard_index import ENTRY_SIZE
from .shard_layout import ShardLayout

__all__ = ["MAX_INDEX_SIZE", "BoundSharding", "ShardLayout", "ShardingCodec", "layout_of"]

MAX_INDEX_SIZE = 2**28
"""Bytes of the largest shard index, for 16 million inner chunks; an index is read and decoded as a whole."""


@dataclass(frozen=True, slots=True)
class ShardingCodec:
    """Sharding as it stands in the metadata.

    Attributes:
        chunk_shape: shape of an inner chunk.
        codecs: codec chain of the inner chunks.
        index_codecs: codec chain of the index; of fixed size.
        index_location: where in the shard the index is, ``"start"`` or ``"end"``.
    """

    name: ClassVar[str] = "sharding_indexed"
    kind: ClassVar[CodecKind] = "array->bytes"
    heavy: ClassVar[bool] = True

    chunk_shape: tuple[int, ...]
    codecs: tuple[NamedConfig, ...]
    index_codecs: tuple[NamedConfig, ...]
    index_location: str = "end"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> ShardingCodec:
        """Read ``chunk_shape``, ``codecs``, ``index_codecs`` and, optional, ``index_location``.

        Raises:
            MetadataError: a member is missing, unknown or malformed.
        """
        config.keys(configuration, "chunk_shape", "codecs", "index_codecs", "index_location")
        shape = config.integers(configuration, "chunk_shape")
        if any(size <= 0 for size in shape):
            raise MetadataError(f"'chunk_shape' must be positive, not {shape!r:.80}")
        location = config.choice(configuration, "index_location", ("start", "end"), "end")
        codecs, index_codecs = _configs(configuration, "codecs"), _configs(configuration, "index_codecs")
        return cls(shape, codecs, index_codecs, location)

    def to_config(self) -> dict[str, Any]:
        """The configuration, ``index_location`` included."""
        return {
            "chunk_shape": list(self.chunk_shape),
            "codecs": [extension_document(each) for each in self.codecs],
            "index_codecs": [extension_document(each) for each in self.index_codecs],
            "index_location": self.index_location,
        }

    def bind(self, spec: ChunkSpec) -> BoundSharding:
        """Sharding for shards of `spec`.

        Raises:
            MetadataError: inner chunks that do not divide the shard, an index of varying size or of more than
                ``MAX_INDEX_SIZE`` bytes, or anything wrong in the chains.
        """
        if len(self.chunk_shape) != len(spec.shape):
            raise MetadataError(f"inner chunks {self.chunk_shape} have another rank than the shard {spec.shape}")
        if any(outer % inner for outer, inner in zip(spec.shape, self.chunk_shape, strict=True)):
            raise MetadataError(f"inner chunks {self.chunk_shape} do not divide the shard {spec.shape}")
        counts = tuple(outer // inner for outer, inner in zip(spec.shape, self.chunk_shape, strict=True))
        if ENTRY_SIZE * prod(counts) > MAX_INDEX_SIZE:
            raise MetadataError(f"the index of {prod(counts)} inner chunks has more than {MAX_INDEX_SIZE} bytes")
        chain = CodecChain.build(self.codecs, spec.reshaped(self.chunk_shape))
        index_chain = self._index_chain(counts)
        layout = ShardLayout(self.chunk_shape, counts, chain, index_chain, self.index_location)
        # With the configurations complete: others refuse a blosc without a typesize inside of shards as well.
        codecs, index_codecs = chain.to_configs(), index_chain.to_configs()
        return BoundSharding(self.chunk_shape, codecs, index_codecs, self.index_location, spec=spec, layout=layout)

    def _index_chain(self, counts: tuple[int, ...]) -> CodecChain:
        # Only array -> array codecs could tell the shape of the index from a plain list of pairs, and there are none.
        pairs = ChunkSpec((prod(counts), 2), DataType.from_v3("uint64"), np.uint64(2**64 - 1))
        chain = CodecChain.build(self.index_codecs, pairs)
        if chain.array_codecs or chain.encoded_size() is None or not chain.writable:
            raise MetadataError("the index_codecs of a shard are one array -> bytes codec and checksums, of fixed size")
        return chain


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundSharding(ShardingCodec):
    """Sharding for shards of one shape; encodes and decodes them whole.

    Attributes:
        spec: what a shard looks like decoded.
        layout: how its inner chunks are stored, for reading and writing them one by one.
    """

    spec: ChunkSpec
    layout: ShardLayout

    def encoded_size(self) -> int | None:
        """``None``: empty inner chunks are left out."""
        return None

    def max_encoded_size(self) -> int:
        """Twice what a new shard can have: unused bytes between the inner chunks are legal."""
        return 2 * self.layout.max_shard_size

    def encode(self, array: Array) -> bytes:
        """Encode a whole shard; inner chunks that are nothing but fill value are left out, all of them if need be."""
        layout = self.layout
        parts = ((coords, array[self._region(coords)]) for coords in np.ndindex(*layout.counts))
        stored = ((coords, part) for coords, part in parts if not is_fill(part, self.spec.fill))
        return layout.join({coords: layout.chain.encode(part) for coords, part in stored})

    def decode(self, data: Any) -> Array:
        """Decode a whole shard.

        Raises:
            CodecError: a malformed index or inner chunk.
        """
        layout = self.layout
        chunks = layout.split(data)
        if len(chunks) < prod(layout.counts):
            array = filled(self.spec.shape, self.spec.dtype.numpy, self.spec.fill)
        else:
            array = np.empty(self.spec.shape, self.spec.dtype.numpy)
        for coords, chunk in chunks.items():
            try:
                array[self._region(coords)] = layout.chain.decode(chunk)
            except CodecError as error:
                raise CodecError(f"inner chunk {coords}: {error}", codec=self.name) from error
        return array

    def _region(self, coords: tuple[int, ...]) -> tuple[slice, ...]:
        return tuple(slice(at * size, (at + 1) * size) for at, size in zip(coords, self.chunk_shape, strict=True))


def layout_of(array_codecs: Sequence[ArrayArrayCodec], sharding: Any, spec: ChunkSpec) -> ShardLayout | None:
    """How the inner chunks of a shard are stored, in the axes of the array.

    Args:
        array_codecs: the bound array -> array codecs that come before sharding.
        sharding: the bound array -> bytes codec.
        spec: what a shard looks like before all of them.

    Returns:
        ``None`` if the codec is not sharding, or if another codec than transpose comes before it.
    """
    if not isinstance(sharding, BoundSharding) or any(codec.name != "transpose" for codec in array_codecs):
        return None
    layout = sharding.layout
    if not array_codecs:
        return layout
    order = tuple(range(len(spec.shape)))
    for codec in array_codecs:
        order = tuple(order[axis] for axis in cast("Any", codec).order)
    axes = np.argsort(order).tolist()
    inner_shape = tuple(layout.inner_shape[axis] for axis in axes)
    counts = tuple(layout.counts[axis] for axis in axes)
    configs = [NamedConfig(codec.name, codec.to_config()) for codec in array_codecs]
    chain = CodecChain.build([*configs, *sharding.codecs], spec.reshaped(inner_shape))
    return ShardLayout(inner_shape, counts, chain, layout.index_chain, layout.index_location, order)


def _configs(configuration: Mapping[str, Any], key: str) -> tuple[NamedConfig, ...]:
    value = configuration.get(key)
    if not isinstance(value, list | tuple) or not value:
        raise MetadataError(f"{key!r} must be a list of codecs that is not empty, not {value!r:.80}")
    return tuple(parse_extension(each, "codec") for each in value)
