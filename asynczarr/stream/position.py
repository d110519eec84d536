"""Where a stream stands, so that another stream can go on from there, and how far that is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import SelectionError
from ..selection import Selection
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
        SelectionError: the state belongs to another chunk grid or selection.
    """

    def __init__(self, array: StoredArray, selection: Selection, state: Mapping[str, Any] | None = None) -> None:
        self.total = len(selection.project(array.chunk_axes))
        self._grid = [list(array.shape), list(array.chunk_shape), list(selection.shape)]
        self._order: deque[Position] = deque()
        self._done: set[Position] = set()
        self._skip: frozenset[Position] = frozenset()
        self._next: Position = (0, 0)
        self.count = 0
        if state is not None:
            if state.get("grid") != self._grid:
                raise SelectionError("this stream state belongs to another array, chunk grid or selection")
            self._next = _position(state["position"])
            self._skip = frozenset(_position(item) for item in state["later"])
            self.count = int(state["count"])

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
            "grid": self._grid,
            "position": list(position),
            "later": [list(item) for item in later],
            "count": self.count,
        }


def _position(value: Any) -> Position:
    number, within = value
    return int(number), int(within)
