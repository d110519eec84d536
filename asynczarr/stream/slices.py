"""``stream_slices()``: one slice along an axis after the other, each chunk fetched and decoded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from ..selection import Selection
from .base import WindowStream
from .load import Brake
from .read import MAX_BYTES, read
from .stored import StoredArray
from .window import Window

__all__ = ["Slice", "SliceStream", "Slab"]


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of an array along an axis.

    Attributes:
        index: position along the axis.
        data: the elements; the axis itself is dropped, as in ``array[index]``.
    """

    index: int
    data: np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Slab:
    """Slices that come from the same chunks.

    Attributes:
        indices: positions along the axis, in the order to deliver.
        selection: what to read for them, axis kept.
    """

    indices: range
    selection: Selection


class SliceStream(WindowStream[Slice]):
    """Slices in order. The slab of the next chunks is read ahead where the budget has room for two.

    Args:
        array: what to read.
        slabs: the slabs in order, made lazily.
        axis: which axis the slices drop.
        concurrency: thread hops or requests in flight for one slab.
        max_bytes: budget; one slab of chunks is always admitted, because its chunks are decoded once only.
        timeout: seconds for one request, without the wait for its turn.
    """

    kind: ClassVar[str] = "slices"

    def __init__(
        self,
        array: StoredArray,
        slabs: Iterator[Slab],
        axis: int,
        *,
        concurrency: int | None = None,
        max_bytes: int = MAX_BYTES,
        timeout: float | None = None,
    ) -> None:
        super().__init__(array, max_bytes=max_bytes, ordered=True)
        self._slabs = slabs
        self._axis = axis
        # Each of the two slabs that may be in flight has a part of the budget for the chunks it is read from.
        self._options: dict[str, Any] = {
            "concurrency": concurrency,
            "max_bytes": max(1, max_bytes // 4),
            "timeout": timeout,
            "brake": Brake(),
        }
        self._next: Slab | None = None

    async def _slots(self) -> int:
        self._next = next(self._slabs, None)
        return 2

    def _fill(self, window: Window[Any]) -> bool:
        while self._next is not None:
            cost = prod(self._next.selection.shape) * self._array.item_bytes + self._options["max_bytes"]
            if not window.admits(cost):
                break
            window.launch(_load(self._array, self._next, self._axis, self._options), cost)
            self._next = next(self._slabs, None)
        return False

    def _take(self, result: Any, cost: int) -> None:
        slab, slices = result
        share, rest = divmod(cost, len(slab.indices))
        for position, index in enumerate(slab.indices):
            self._ready.append((Slice(index, slices[position, ...]), share + rest, None))
            rest = 0


async def _load(
    array: StoredArray, slab: Slab, axis: int, options: dict[str, Any]
) -> tuple[Slab, np.ndarray[Any, np.dtype[Any]]]:
    """Read a slab with its axis first in memory, so that slices are contiguous and need no copy on the event loop."""
    shape = slab.selection.shape
    slices = np.empty((shape[axis], *shape[:axis], *shape[axis + 1 :]), array.dtype)
    await read(array, slab.selection, np.moveaxis(slices, 0, axis), **options)
    return slab, slices
