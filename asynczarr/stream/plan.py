"""What to read, and in which portions: a selection becomes a lazy sequence of fetches, and fetches become batches.

Nothing here does I/O or grows with the number of chunks; a plan over 10^8 chunks starts at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import NamedTuple

from ..metadata.grid import Axis
from ..metadata.regular import RegularAxis
from ..selection import Projection, Selection
from ..types import Coords
from .stored import StoredArray

__all__ = ["Batch", "Fetch", "Piece", "Position", "batches", "fetches", "inner_axes", "inner_origin"]

Position = tuple[int, int]
"""Place of a piece in its plan: number of the stored object, number of the chunk within it."""

BATCH_BYTES = 2**20
"""Decoded bytes that one thread hop should carry: enough to make the hop itself cheap."""

SHARD_RUN_BYTES = 8 * 2**20
"""Decoded bytes of one shard that are read together: enough to make the request itself cheap."""

BATCH_PIECES = 1024


@dataclass(slots=True, eq=False)
class Piece:
    """One chunk to read.

    Attributes:
        position: where it stands in the plan.
        index: coordinates in the chunk grid.
        part: what to take from it, and where that goes.
    """

    position: Position
    index: Coords
    part: Projection


@dataclass(slots=True)
class Fetch:
    """Chunks to read from one stored object (several only if it is a shard).

    Attributes:
        key: key of the object.
        shape: shape of the object as encoded.
        pieces: the chunks wanted, in order.
        whole: every chunk of the object is wanted.
        cost: bytes that reading it may keep alive, encoded and decoded.
    """

    key: str
    shape: tuple[int, ...]
    pieces: list[Piece]
    whole: bool
    cost: int


class Batch(NamedTuple):
    """Fetches that share one thread hop, and their cost in bytes."""

    fetches: list[Fetch]
    cost: int


def inner_axes(array: StoredArray, shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """The chunk grid inside a shard of `shape`."""
    shard = array.chain_for(shape).shard
    assert shard is not None
    return tuple(RegularAxis(size, inner) for size, inner in zip(shape, shard.inner_shape, strict=True))


def inner_origin(array: StoredArray, coords: Coords) -> Coords:
    """Index, in the grid of all inner chunks, of the first chunk of a shard."""
    assert array.shard is not None
    inner = array.shard.inner_shape
    return tuple(axis.start(c) // size for axis, c, size in zip(array.axes, coords, inner, strict=True))


def fetches(
    array: StoredArray,
    selection: Selection,
    *,
    start: Position = (0, 0),
    keep: Callable[[Piece], bool] | None = None,
    max_bytes: int = SHARD_RUN_BYTES,
) -> Iterator[Fetch]:
    """Plan the reads of a selection, stored object by stored object in C order, and chunk by chunk within a shard.

    Args:
        start: position of the first piece.
        keep: leave out pieces for which it is false.
        max_bytes: split a shard into several fetches above this many decoded bytes.
    """
    projections = selection.project(array.axes)
    factor = 2 * array.item_bytes
    for number, part in enumerate(projections.iter_from(start[0]), start[0]):
        skip = start[1] if number == start[0] else 0
        if array.shard is None:
            piece = Piece((number, 0), part.coords, part)
            if skip == 0 and (keep is None or keep(piece)):
                yield Fetch(array.key(part.coords), part.shape, [piece], True, prod(part.shape) * factor)
        else:
            yield from _shard_fetches(array, number, part, skip, keep, max_bytes)


def _shard_fetches(
    array: StoredArray,
    number: int,
    part: Projection,
    skip: int,
    keep: Callable[[Piece], bool] | None,
    max_bytes: int,
) -> Iterator[Fetch]:
    origin = inner_origin(array, part.coords)
    key = array.key(part.coords)
    limit = max(1, min(BATCH_PIECES, max_bytes // array.chunk_bytes))
    pieces = (
        Piece((number, j), tuple(o + c for o, c in zip(origin, inner.coords, strict=True)), inner)
        for j, inner in enumerate(part.split(inner_axes(array, part.shape)))
    )
    remaining = islice(pieces, skip, None)
    kept = remaining if keep is None else filter(keep, remaining)
    first = True
    while group := list(islice(kept, limit)):
        complete = first and part.whole and skip == 0 and keep is None and len(group) < limit
        first = False
        cost = 2 * len(group) * array.chunk_bytes
        yield Fetch(key, part.shape, group, complete, cost)


def batches(plan: Iterator[Fetch], *, target: int = BATCH_BYTES, ramp: bool) -> Iterator[Batch]:
    """Group fetches until they cost about `target` bytes.

    Args:
        ramp: start with a batch of one fetch and double, so that the first chunk does not wait for its neighbours.
    """
    limit = 1 if ramp else BATCH_PIECES
    group: list[Fetch] = []
    cost = 0
    for fetch in plan:
        if group and (cost + fetch.cost > target or len(group) >= limit):
            yield Batch(group, cost)
            group, cost, limit = [], 0, min(2 * limit, BATCH_PIECES)
        group.append(fetch)
        cost += fetch.cost
    if group:
        yield Batch(group, cost)
