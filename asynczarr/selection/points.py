"""Points grouped by the chunk that holds them, so that each chunk is met once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..metadata.grid import Axis
from .pieces import IntArray

__all__ = ["Groups", "distinct"]


class Groups:
    """Points in the order of their chunks: one stable sort, O(n log n).

    Within a chunk the points keep their order, so that of several writes to one element the last one wins, as in NumPy.

    Args:
        coords: coordinates of the points, one 1-d array of the same length an axis; at least one axis.
        axes: the chunks along each axis.
    """

    __slots__ = ("_bounds", "_chunks", "_coords", "_order")

    def __init__(self, coords: Sequence[IntArray], axes: Sequence[Axis]) -> None:
        chunks = [axis.find_many(along) for axis, along in zip(axes, coords, strict=True)]
        self._order = _by_chunk(chunks, [axis.nchunks for axis in axes])
        self._chunks = [along[self._order] for along in chunks]
        self._coords = [along[self._order] for along in coords]
        changed = np.zeros(max(len(self._order) - 1, 0), dtype=np.bool_)
        for along in self._chunks:
            changed |= along[1:] != along[:-1]
        edges = np.flatnonzero(changed) + 1
        self._bounds = np.concatenate(([0], edges, [len(self._order)])) if len(self._order) else np.zeros(1, np.intp)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, number: int) -> tuple[tuple[int, ...], list[IntArray], IntArray]:
        """Chunk coordinates, coordinates of the points in it along each axis, and the points' places in the input."""
        first, last = int(self._bounds[number]), int(self._bounds[number + 1])
        chunk = tuple([int(along[first]) for along in self._chunks])
        return chunk, [along[first:last] for along in self._coords], self._order[first:last]


def _by_chunk(chunks: list[IntArray], counts: list[int]) -> IntArray:
    """The stable order of points by the C order of their chunks."""
    if math.prod(counts) > np.iinfo(np.intp).max:
        return np.lexsort(chunks[::-1])
    linear = chunks[0]
    for along, count in zip(chunks[1:], counts[1:], strict=True):
        linear = linear * count + along
    return np.argsort(linear, kind="stable")


def distinct(points: Sequence[IntArray], shape: Sequence[int]) -> int:
    """Number of different points among `points`, each of them within `shape`."""
    return len(np.unique(np.ravel_multi_index(tuple(points), tuple(shape))))
