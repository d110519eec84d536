"""What to read, and in which portions: a selection becomes a lazy sequence of fetches, and fetches become batches.

Nothing here does I/O or grows with the number of chunks; a plan over 10^8 chunks starts at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from ..codec import pool
from ..metadata.grid import Axis
from ..metadata.regular import RegularAxis
from ..selection import Projection, Projections, Selection
from ..types import Coords
from .stored import StoredArray

__all__ = [
    "Batch",
    "Fetch",
    "Piece",
    "Position",
    "batches",
    "fetch_of",
    "fetches",
    "inner_axes",
    "inner_origin",
    "project",
]

Position = tuple[int, int]
"""Place of a piece in its plan: number of the stored object, number of the chunk within it."""

BATCH_BYTES = 2**22
"""Decoded bytes that one thread hop should carry: enough to make the hop itself cheap."""

SHARD_RUN_BYTES = 8 * 2**20
"""Decoded bytes of one shard that are read together: enough to make the request itself cheap."""

BATCH_PIECES = 1024
"""Chunks of one batch at most: of tiny chunks, what is known of each takes more memory than its data."""

SEARCH_PIECES = 1024
"""Pieces that may be left out in a row before a plan pauses: a millisecond or two of looking."""

MANY_POINTS = 10_000
"""Points that are sorted in about a millisecond."""


@dataclass(slots=True, eq=False)
class Piece:
    """One chunk to read.

    Attributes:
        position: where it stands in the plan.
        index: coordinates in the chunk grid.
        part: what to take from it, and where that goes.
        stored: what to take from the stored object that it is in (without shards, the same).
    """

    position: Position
    index: Coords
    part: Projection
    stored: Projection


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


async def project(array: StoredArray, selection: Selection) -> Projections:
    """Lay a selection over the stored objects; many points are sorted by object in a worker thread."""
    if selection.kept is None and selection.size > MANY_POINTS:
        return await pool.run(selection.project, array.axes)
    return selection.project(array.axes)


def fetches(
    array: StoredArray,
    projections: Projections,
    *,
    start: Position = (0, 0),
    keep: Callable[[Piece], bool] | None = None,
    max_bytes: int = SHARD_RUN_BYTES,
    ramp: bool = False,
) -> Iterator[Fetch | None]:
    """Plan the reads of a selection (:func:`project`), stored object by stored object, and chunk by chunk in a shard.

    Args:
        start: position of the first piece.
        keep: leave out pieces for which it is false.
        max_bytes: split a shard into several fetches above this many decoded bytes.
        ramp: start with one chunk, so that the first of a shard does not wait for its neighbours.

    Returns:
        Fetches, and ``None`` now and then while `keep` leaves out one piece after the other: time for something else.
    """
    limit = 1 if array.shard is None else max(1, min(BATCH_PIECES, max_bytes // array.chunk_bytes))
    most = 1 if ramp else limit
    group: list[Piece] = []
    for piece in _kept(_pieces(array, projections, start), keep):
        if group and (piece is None or piece.stored is not group[0].stored):
            yield fetch_of(array, group)
            group = []
        if piece is None:
            yield None
            continue
        group.append(piece)
        if len(group) == most:
            yield fetch_of(array, group)
            group, most = [], limit
    if group:
        yield fetch_of(array, group)


def _pieces(array: StoredArray, projections: Projections, start: Position) -> Iterator[Piece]:
    number, within = start
    if array.shard is None:
        first = number + (within > 0)
        for n, part in enumerate(projections.iter_from(first), first):
            yield Piece((n, 0), part.coords, part, part)
        return
    for n, stored in enumerate(projections.iter_from(number), number):
        origin = inner_origin(array, stored.coords)
        parts = stored.split(inner_axes(array, stored.shape))
        for j, part in enumerate(parts.iter_from(within), within):
            yield Piece((n, j), tuple([o + c for o, c in zip(origin, part.coords, strict=True)]), part, stored)
        within = 0


def _kept(pieces: Iterator[Piece], keep: Callable[[Piece], bool] | None) -> Iterator[Piece | None]:
    if keep is None:
        yield from pieces
        return
    for number, piece in enumerate(pieces, 1):
        if keep(piece):
            yield piece
        if number % SEARCH_PIECES == 0:
            yield None


def fetch_of(array: StoredArray, pieces: list[Piece]) -> Fetch:
    """Read these chunks of one stored object together."""
    stored = pieces[0].stored
    if array.shard is None:
        regular = stored.shape == array.chain.spec.shape
        whole, nbytes = True, array.chunk_bytes if regular else prod(stored.shape) * array.item_bytes
    else:
        inside = prod([-(-n // size) for n, size in zip(stored.inside, array.shard.inner_shape, strict=True)])
        whole, nbytes = len(pieces) == inside, len(pieces) * array.chunk_bytes
    return Fetch(array.key(stored.coords), stored.shape, pieces, whole, 2 * nbytes)


def batches(
    plan: Iterator[Fetch | None], *, target: int = BATCH_BYTES, most: int = BATCH_PIECES, ramp: bool
) -> Iterator[Batch]:
    """Group fetches until they cost about `target` bytes, are `most`, or have ``BATCH_PIECES`` pieces.

    Args:
        ramp: start with a batch of one fetch and double, so that the first chunk does not wait for its neighbours.

    Returns:
        Batches; an empty one where the plan pauses.
    """
    limit = 1 if ramp else most
    group: list[Fetch] = []
    cost = pieces = 0
    for fetch in plan:
        if fetch is None or (group and cost + fetch.cost > target):
            yield Batch(group, cost)
            group, cost, pieces = [], 0, 0
        if fetch is not None:
            group.append(fetch)
            cost += fetch.cost
            pieces += len(fetch.pieces)
        if len(group) >= limit or (group and (cost >= target or pieces >= BATCH_PIECES)):
            yield Batch(group, cost)
            group, cost, pieces, limit = [], 0, 0, min(2 * limit, most)
    if group:
        yield Batch(group, cost)
