"""Where a stream stands, so that another stream can go on from there, and how far that is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, cast

import numpy as np

from ..errors import SelectionError
from ..selection import Selection
from ..selection.selections import GridSelection, PointSelection
from ..types import Coords
from .plan import Piece, Position
from .stored import StoredArray

__all__ = ["Position", "Progress", "Tracker"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stream has come.

    Attributes:
        done: chunks delivered, skipped or failed so far.
        total: chunks of the selection; with ``filter=`` an upper bound.
    """

    done: int
    total: int


class Tracker:
    """Knows which positions of a plan are done, in whatever order they finish.

    Args:
        array: what is streamed.
        selection: of what.
        state: what :meth:`state` of an earlier stream returned.

    Raises:
        SelectionError: the state is none, or belongs to another chunk grid or selection.
    """

    def __init__(self, array: StoredArray, selection: Selection, state: Mapping[str, Any] | None = None) -> None:
        self._array = array
        self._selection = selection
        self._order: deque[Position] = deque()
        self._done: set[Position] = set()
        self._skip: frozenset[Position] = frozenset()
        self._next: Position = (0, 0)
        self.count: int = 0
        if state is not None:
            try:
                plan, self.count = state["plan"], int(state["count"])
                self._next = _position(state["position"])
                self._skip = frozenset([_position(item) for item in state["later"]])
            except (LookupError, TypeError, ValueError) as error:
                raise SelectionError(f"not the state of a stream: {state!r:.80}") from error
            if plan != self._plan:
                raise SelectionError("this stream state belongs to another chunk grid or selection")

    @cached_property
    def total(self) -> int:
        """Chunks of the selection; with a filter an upper bound."""
        return self._selection.project(self._array.chunk_axes).count

    @cached_property
    def _plan(self) -> str:
        """What all streams have in common whose positions mean the same."""
        array, selection = self._array, self._selection
        items = selection.items if isinstance(selection, GridSelection) else cast("PointSelection", selection).coords
        digest = blake2b(repr((array.axes, array.chunk_shape)).encode(), digest_size=16)
        for item in items:
            digest.update(repr(item if isinstance(item, int | range) else item.shape).encode())
            digest.update(item.tobytes() if isinstance(item, np.ndarray) else b"")
        return digest.hexdigest()

    @property
    def position(self) -> Position:
        """The first position that is not done."""
        return self._order[0] if self._order else self._next

    def keep(self, wanted: Callable[[Coords], bool] | None) -> Callable[[Piece], bool] | None:
        """The filter for the plan: the user's, and what an earlier stream has done; ``None`` keeps all."""
        skip = self._skip
        if wanted is None:
            return (lambda piece: piece.position not in skip) if skip else None
        return lambda piece: piece.position not in skip and wanted(piece.index)

    def launched(self, pieces: Iterable[Piece]) -> None:
        """Pieces are on their way; called in the order of the plan."""
        self._order.extend(piece.position for piece in pieces)
        if self._order:
            number, within = self._order[-1]
            self._next = (number, within + 1)

    def passed(self, position: Position) -> None:
        """A piece is done."""
        self.count += 1
        self._done.add(position)
        while self._order and self._order[0] in self._done:
            self._done.remove(self._order.popleft())

    def state(self) -> dict[str, Any]:
        """Everything that is done, as JSON."""
        position = self.position
        later = sorted(self._done | {item for item in self._skip if item > position})
        return {
            "plan": self._plan,
            "position": list(position),
            "later": [list(item) for item in later],
            "count": self.count,
        }


def _position(value: Any) -> Position:
    number, within = value
    return int(number), int(within)
