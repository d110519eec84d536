"""How inner chunks are stored in a shard: which bytes to read, what they mean, and whole shards from encoded chunks.

Nothing here reads or writes, and nothing decodes an inner chunk: that is what :attr:`ShardLayout.chain` is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from ..errors import CodecError
from ..types import ByteRange, BytesLike, Coords
from .chain import CodecChain
from .shard_index import ShardIndex

__all__ = ["ShardLayout"]

_NAME = "sharding_indexed"


@dataclass(frozen=True, eq=False, slots=True)
class ShardLayout:
    """The layout of shards of one shape, in the axes of the array: transposes before sharding are undone here.

    Coordinates are those of inner chunks within the shard. (v3 codec "sharding_indexed", "Binary shard format")

    Attributes:
        inner_shape: shape of an inner chunk.
        counts: inner chunks along each axis.
        chain: codecs of one inner chunk, transposes before sharding included.
        index_chain: codecs of the index as a C-ordered list of pairs, shape ``(chunks, 2)``.
        index_location: where in the shard the index is, ``"start"`` or ``"end"``.
        order: axis of the array that each axis of the stored index is; ``None`` if they are the same.
    """

    inner_shape: tuple[int, ...]
    counts: tuple[int, ...]
    chain: CodecChain
    index_chain: CodecChain
    index_location: str
    order: tuple[int, ...] | None = None

    @property
    def index_size(self) -> int:
        """Bytes of the encoded index."""
        return self.index_chain.max_encoded_size()

    @property
    def index_range(self) -> ByteRange:
        """Where in the shard the index is."""
        return ByteRange(0, self.index_size) if self.index_location == "start" else ByteRange(-self.index_size)

    @property
    def max_shard_size(self) -> int:
        """Bytes of the largest shard that :meth:`assemble` makes. Shards of others may be larger, with gaps in them."""
        return self.index_size + prod(self.counts) * self.chain.max_encoded_size()

    def decode_index(self, data: BytesLike, shard_size: int) -> ShardIndex:
        """Decode and check the index.

        Args:
            data: what :attr:`index_range` cut out of the shard.
            shard_size: bytes of the whole shard.

        Raises:
            CodecError: a shard too short for its index, a wrong checksum, or an entry that is half empty, has no or
                too many bytes, reaches out of the shard or into the index, or overlaps another one.
        """
        size = self.index_size
        if len(data) != size or shard_size < size:
            raise CodecError(f"a shard has an index of {size} bytes, this one has only {len(data)} bytes", codec=_NAME)
        start, stop = (size, shard_size) if self.index_location == "start" else (0, shard_size - size)
        counts = self.counts if self.order is None else tuple(self.counts[axis] for axis in self.order)
        try:
            entries, limit = self.index_chain.decode(data), self.chain.max_encoded_size()
            index = ShardIndex.checked(entries, counts, start=start, stop=stop, max_length=limit)
        except CodecError as error:
            raise CodecError(f"the index of the shard is damaged: {error}", codec=_NAME) from error
        return index if self.order is None else index.transposed(self.order)

    def assemble(self, chunks: Mapping[Coords, BytesLike]) -> bytes | None:
        """Make a shard of encoded inner chunks, the same bytes whatever the order of `chunks`.

        Returns:
            ``None`` if there are no chunks: then the shard should not be stored at all.
        """
        return self.join(chunks) if chunks else None

    def join(self, chunks: Mapping[Coords, BytesLike]) -> bytes:
        """Like :meth:`assemble`, but of no chunks it makes a shard that has only an index."""
        entries = np.full((prod(self.counts), 2), 2**64 - 1, np.uint64)
        offset = self.index_size if self.index_location == "start" else 0
        parts: list[BytesLike] = []
        for number, coords in sorted((self._number(coords), coords) for coords in chunks):
            part = chunks[coords]
            if len(part) == 0:
                raise CodecError(f"inner chunk {coords} was encoded to no bytes, a shard cannot hold that", codec=_NAME)
            entries[number] = offset, len(part)
            offset += len(part)
            parts.append(part)
        index = self.index_chain.encode(entries)
        return b"".join([index, *parts] if self.index_location == "start" else [*parts, index])

    def split(self, data: BytesLike) -> dict[Coords, memoryview]:
        """The encoded inner chunks of a whole shard, without a copy.

        Raises:
            CodecError: as :meth:`decode_index` does.
        """
        index = self.decode_index(self.index_range.of(data), len(data))
        view = memoryview(data)
        return {coords: view[offset : offset + length] for coords, offset, length in index.stored()}

    def _number(self, coords: Coords) -> int:
        """Position of an inner chunk in the stored index."""
        number = 0
        for axis in range(len(coords)) if self.order is None else self.order:
            if not 0 <= coords[axis] < self.counts[axis]:
                raise ValueError(f"a shard of {self.counts} inner chunks has none at {coords}")
            number = number * self.counts[axis] + coords[axis]
        return number
