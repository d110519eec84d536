"""New values for one stored object, and the object that they make of the old one. Pure CPU work, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..codec.chain import CodecChain
from ..codec.fill import is_fill
from ..codec.sharding import ShardLayout
from ..selection import Projection
from ..types import BytesLike, Coords
from .plan import inner_axes
from .stored import StoredArray

__all__ = ["TOGETHER_BYTES", "Edit", "Patch", "bounds", "fills"]

TOGETHER_BYTES = 2**21
"""Decoded bytes of small chunks that are encoded in one call."""

NDArray = np.ndarray[Any, np.dtype[Any]]


class Patch(NamedTuple):
    """Part of a stored object, and the values for it: ``object[part.chunk] = source[part.out]``."""

    part: Projection
    source: NDArray


@dataclass(frozen=True)
class Edit:
    """Everything that is to be written to one stored object.

    Attributes:
        array: where it belongs.
        coords: coordinates of the object in the grid of stored objects.
        shape: its shape as encoded.
        patches: applied in order, later ones win.
        erase: the patches put back fill values, so what is not stored need not be.
        growing: others may be making the array longer, so what lies past its end now may be theirs: keep it.
    """

    array: StoredArray
    coords: Coords
    shape: tuple[int, ...]
    patches: Sequence[Patch]
    erase: bool = False
    growing: bool = False

    @property
    def key(self) -> str:
        """Key of the object."""
        return self.array.key(self.coords)

    @cached_property
    def whole(self) -> bool:
        """The patches cover every element that lies inside the array: the old object does not matter."""
        if self.erase:
            return False
        return any(self._replaces(patch.part) for patch in self.patches) or (
            len(self.patches) > 1 and _covered(self.shape, self.patches)
        )

    def apply(self, current: BytesLike | None, *, borrow: bool = False) -> BytesLike | None:
        """The new object; ``None`` if nothing needs to be stored.

        Args:
            current: the old object, ``None`` if there is none (or it does not matter).
            borrow: as in ``CodecChain.encode``.

        Raises:
            CodecError: the old object cannot be decoded, or the new values cannot be encoded.
        """
        if current is None and self.erase:
            return None
        chain = self.array.chain_for(self.shape)
        if chain.shard is not None:
            return self._shard(chain.shard, current)
        old = None if current is None or self.whole else chain.decode(current)
        return self._encode(chain, _merged(self.array, self.shape, self.patches, old, self.whole), borrow=borrow)

    def plain(self) -> NDArray | None:
        """The new chunk, where it needs nothing but to be encoded; several edits can then be encoded together."""
        chain = self.array.chain_for(self.shape)
        if not self.whole or chain.shard is not None or not chain.batches or not self.array.write_empty:
            return None
        return _merged(self.array, self.shape, self.patches, None, True)

    def keeping_fill_values(self) -> Edit:
        """The same for a store that cannot delete on a condition: what is empty is stored instead."""
        return replace(self, array=replace(self.array, write_empty=True))

    def _shard(self, layout: ShardLayout, current: BytesLike | None) -> BytesLike | None:
        chunks: dict[Coords, BytesLike] = {}
        if current is not None and not self.whole:
            chunks.update(layout.split(current))
        axes = inner_axes(self.array, self.shape)
        by_chunk: dict[Coords, list[Patch]] = {}
        for part, source in self.patches:
            for inner in part.split(axes):
                by_chunk.setdefault(inner.coords, []).append(Patch(inner, source))
        most = max(1, TOGETHER_BYTES // self.array.chunk_bytes)
        fresh: dict[Coords, NDArray] = {}
        for coords, patches in by_chunk.items():
            if self.erase and coords not in chunks:
                continue
            whole = any(self._replaces(patch.part) for patch in patches)
            stored = None if whole else chunks.get(coords)
            old = None if stored is None else layout.chain.decode(stored)
            chunk = _merged(self.array, layout.inner_shape, patches, old, whole)
            if not self.array.write_empty and is_fill(chunk, self.array.fill):
                chunks.pop(coords, None)
                continue
            fresh[coords] = chunk
            if len(fresh) == most:
                chunks.update(_encoded(layout.chain, fresh))
                fresh.clear()
        chunks.update(_encoded(layout.chain, fresh))
        return layout.assemble(chunks)

    def _replaces(self, part: Projection) -> bool:
        return part.whole and not (self.growing and part.inside != part.shape)

    def _encode(self, chain: CodecChain, chunk: NDArray, *, borrow: bool) -> BytesLike | None:
        return (
            chain.encode(chunk, borrow=borrow)
            if self.array.write_empty or not is_fill(chunk, self.array.fill)
            else None
        )


def _encoded(chain: CodecChain, chunks: dict[Coords, NDArray]) -> dict[Coords, BytesLike]:
    """Chunks of a shard, encoded; perhaps views of the decoded ones, since joining them will copy."""
    together = chain.encode_many(list(chunks.values())) if len(chunks) > 1 else None
    if together is not None:
        return dict(zip(chunks, together, strict=True))
    return {coords: chain.encode(chunk, borrow=True) for coords, chunk in chunks.items()}


def _covered(shape: tuple[int, ...], patches: Sequence[Patch]) -> bool:
    """Whether patches that each cover a part cover together all that lies inside the array."""
    inside = patches[0].part.inside
    boxes = [bounds(part) for part, _ in patches]
    if any(box is None for box in boxes):  # steps and index arrays: element by element
        seen = np.zeros(shape, np.bool_)
        for part, _ in patches:
            seen[part.chunk] = True
        return bool(seen[tuple([slice(0, n) for n in inside])].all())
    return fills(np.array(boxes, np.intp), inside)


def fills(boxes: np.ndarray[Any, np.dtype[np.intp]], shape: tuple[int, ...]) -> bool:
    """Whether boxes, as first and stop along each axis, cover all of a shape.

    Looked at on the cells into which their borders cut it: far fewer than elements.
    """
    borders = [np.unique(np.append(boxes[:, axis].ravel(), (0, n))) for axis, n in enumerate(shape)]
    cells = np.stack([np.searchsorted(border, boxes[:, axis]) for axis, border in enumerate(borders)], axis=1)
    seen = np.zeros([len(border) - 1 for border in borders], np.bool_)
    for cell in cells.tolist():
        seen[tuple([slice(first, stop) for first, stop in cell])] = True
    return bool(seen.all())


def bounds(part: Projection) -> tuple[tuple[int, int], ...] | None:
    """First and stop along each axis of what a projection selects from its object, if it is all between the two."""
    box = []
    for index in part.chunk:
        if isinstance(index, int):
            box.append((index, index + 1))
        elif isinstance(index, slice) and index.step == 1:
            box.append((index.start, index.stop))
        else:
            return None
    return tuple(box)


def _merged(
    array: StoredArray, shape: tuple[int, ...], patches: Sequence[Patch], old: NDArray | None, whole: bool
) -> NDArray:
    """The decoded chunk after the patches, on top of `old` or of fill values."""
    first = patches[0]
    if whole and shape and len(patches) == 1 and first.part.exact and first.source[first.part.out].shape == shape:
        return first.source[first.part.out]
    chunk = array.fill_array(shape) if old is None else np.array(old)
    for part, source in patches:
        chunk[part.chunk] = source[part.out]
    return chunk
