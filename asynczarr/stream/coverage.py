"""Which stored objects of a ``write_stream`` are finished: nothing that the source has for them is still to come."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from math import prod
from typing import TypeAlias

import numpy as np

from ..types import Coords
from .edit import Patch, bounds, fills

__all__ = ["Box", "Coverage", "Finishing"]

Box: TypeAlias = tuple[tuple[int, int], ...]
"""First and stop along each axis."""

MOST_BOXES = 64
"""Boxes that are remembered of one object; what is in more pieces than that is finished when the source has ended."""


class Coverage:
    """The part of one object that is written: boxes, joined where two make one, so that slabs and rows stay one box."""

    __slots__ = ("_boxes",)

    def __init__(self) -> None:
        self._boxes: list[Box] | None = []

    def add(self, patches: Iterable[Patch]) -> None:
        """These patches are stored as well."""
        for patch in patches:
            box = bounds(patch.part)
            if self._boxes is None or box is None:  # steps cover too little to keep account of
                continue
            self._boxes = _joined(self._boxes, box)
            if len(self._boxes) > MOST_BOXES:
                self._boxes = None

    def complete(self, shape: tuple[int, ...]) -> bool:
        """Whether it is everything of an object of this shape."""
        boxes = self._boxes
        if boxes is None or sum(prod(stop - first for first, stop in box) for box in boxes) < prod(shape):
            return False
        return fills(np.array(boxes, np.intp).reshape(len(boxes), len(shape), 2), shape)


class Finishing:
    """Follows the writes of one ``write_stream``, object by object.

    Args:
        finished: objects that are known to be complete; its owner adds to it.
    """

    def __init__(self, finished: Container[Coords]) -> None:
        self._finished = finished
        self._parts: dict[Coords, Coverage] = {}
        self._lost: set[Coords] = set()

    def written(self, coords: Coords, patches: Sequence[Patch], *, whole: bool) -> bool:
        """Patches are stored; whether the object is complete, with all that was given for it so far."""
        if not whole and (coords in self._lost or coords not in self._finished):
            part = self._parts.setdefault(coords, Coverage())
            part.add(patches)
            if not part.complete(patches[0].part.inside):
                return False
        self._parts.pop(coords, None)
        self._lost.discard(coords)
        return True

    def failed(self, coords: Coords) -> None:
        """Values for an object are lost: they matter no more only when later ones have covered all of it."""
        self._parts.pop(coords, None)
        self._lost.add(coords)

    def ended(self) -> list[Coords]:
        """The source has no more: further objects that are finished by that."""
        return [coords for coords in self._parts if coords not in self._lost]


def _joined(boxes: list[Box], box: Box) -> list[Box]:
    """The boxes and one more; with it, those that it makes a larger box with or that lie inside."""
    rest: list[Box] = []
    waiting = list(boxes)
    while waiting:
        other = waiting.pop()
        union = _union(other, box)
        if union is None:
            rest.append(other)
        elif union != box:
            box = union
            waiting += rest
            rest.clear()
    return [*rest, box]


def _union(one: Box, two: Box) -> Box | None:
    """Both together, if that is a box."""
    both = tuple([(min(a, c), max(b, d)) for (a, b), (c, d) in zip(one, two, strict=True)])
    if both in (one, two):
        return both
    differ = [axis for axis, (first, second) in enumerate(zip(one, two, strict=True)) if first != second]
    if len(differ) != 1:
        return None
    (a, b), (c, d) = one[differ[0]], two[differ[0]]
    return both if max(a, c) <= min(b, d) else None
