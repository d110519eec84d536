"""Where the inner chunks of a shard are (v3 codec "sharding_indexed", "Shard index")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import CodecError
from ..types import ByteRange, Coords

__all__ = ["ENTRY_SIZE", "ShardIndex"]

ENTRY_SIZE = 16
"""Bytes of one entry before the index codecs: offset and length, 64 bits each."""

_EMPTY = np.uint64(2**64 - 1)

_Ints: TypeAlias = npt.NDArray[np.int64]


class ShardIndex:
    """Offset and length of every inner chunk of one shard, checked. Immutable.

    Coordinates are those of the inner chunks within the shard, one an axis.
    """

    __slots__ = ("_lengths", "_offsets")

    def __init__(self, offsets: _Ints, lengths: _Ints) -> None:
        # One element an inner chunk; a length of 0 means that the chunk is not stored.
        self._offsets = offsets
        self._lengths = lengths

    @classmethod
    def checked(
        cls, entries: npt.NDArray[Any], counts: tuple[int, ...], *, start: int, stop: int, max_length: int
    ) -> ShardIndex:
        """The index that `entries` describe.

        Entries that overlap are refused as well. The specification does not forbid them, but no writer makes them, and
        they are how a damaged index without checksum would return one chunk's data for another.

        Args:
            entries: unsigned 64-bit pairs (offset, length), shape ``(chunks, 2)``, in C order of the chunks.
            counts: inner chunks along each axis.
            start: first byte of the shard that belongs to chunks.
            stop: first byte after them.
            max_length: bytes that an encoded inner chunk may have.

        Raises:
            CodecError: an entry that cannot be true.
        """
        max_length = min(max_length, stop)
        offsets, lengths = np.ascontiguousarray(entries.T, np.uint64)
        present = offsets != _EMPTY
        if not np.array_equal(present, lengths != _EMPTY):
            _refuse(present != (lengths != _EMPTY), "is half empty", counts)
        if not present.all():
            offsets, lengths = np.where(present, offsets, 0), np.where(present, lengths, 0)
        _refuse(present & (lengths == 0), "has no bytes", counts)
        _refuse(lengths > np.uint64(max_length), f"has more than {max_length} bytes", counts)
        # No sum that could wrap around: the lengths are known to be at most `stop`.
        _refuse(offsets > np.uint64(stop) - lengths, f"reaches past byte {stop}, where the chunks end", counts)
        _refuse(present & (offsets < np.uint64(start)), f"starts before byte {start}, where the chunks begin", counts)
        index = cls(offsets.view(np.int64).reshape(counts), lengths.view(np.int64).reshape(counts))
        index._refuse_overlap()
        return index

    def _refuse_overlap(self) -> None:
        lengths = self._lengths.ravel()
        where = np.flatnonzero(lengths)
        starts = self._offsets.ravel()[where]
        if not np.all(starts[1:] > starts[:-1]):
            order = np.argsort(starts, kind="stable")
            where, starts = where[order], starts[order]
        overlap = starts[:-1] + lengths[where[:-1]] > starts[1:]
        if overlap.any():
            at = int(np.argmax(overlap))
            first, second = _coords(where[at], self.counts), _coords(where[at + 1], self.counts)
            raise CodecError(f"the index entries of inner chunks {first} and {second} overlap")

    @property
    def counts(self) -> tuple[int, ...]:
        """Inner chunks along each axis."""
        return self._lengths.shape

    @property
    def nbytes(self) -> int:
        """Memory that the index takes, in bytes."""
        return self._offsets.nbytes + self._lengths.nbytes

    @property
    def is_empty(self) -> bool:
        """No inner chunk is stored."""
        return not self._lengths.any()

    def range(self, coords: Coords) -> ByteRange | None:
        """The bytes of an inner chunk in the shard, ``None`` if it is not stored."""
        length = int(self._lengths[coords])
        if length == 0:
            return None
        offset = int(self._offsets[coords])
        return ByteRange(offset, offset + length)

    def ranges(self, coords: npt.NDArray[np.intp] | Sequence[Coords]) -> tuple[_Ints, _Ints]:
        """Offsets and lengths of many inner chunks at once; a length of 0 means that the chunk is not stored.

        Args:
            coords: shape ``(chunks, axes)``.
        """
        at = tuple(np.asarray(coords, np.intp).reshape(len(coords), len(self.counts)).T)
        shape = (len(coords),)  # without axes, `at` is empty and gives a scalar
        return np.broadcast_to(self._offsets[at], shape), np.broadcast_to(self._lengths[at], shape)

    def stored(self) -> list[tuple[Coords, int, int]]:
        """Coordinates, offset and length of the inner chunks that are stored, in C order."""
        present = self._lengths > 0
        offsets, lengths = self._offsets[present].tolist(), self._lengths[present].tolist()
        return list(zip(map(tuple, np.argwhere(present).tolist()), offsets, lengths, strict=True))

    def transposed(self, order: tuple[int, ...]) -> ShardIndex:
        """The same index where axis ``order[j]`` is what was axis `j`."""
        inverse = np.argsort(order)
        return ShardIndex(self._offsets.transpose(inverse), self._lengths.transpose(inverse))


def _coords(at: Any, counts: tuple[int, ...]) -> Coords:
    return tuple(int(c) for c in np.unravel_index(at, counts)) if counts else ()


def _refuse(wrong: npt.NDArray[np.bool_], what: str, counts: tuple[int, ...]) -> None:
    if wrong.any():
        raise CodecError(f"the index entry of inner chunk {_coords(np.argmax(wrong), counts)} {what}")
