"""Which chunks a selection meets, what it takes from each, and where that goes: pure index arithmetic, no I/O.

An index is parsed (:func:`basic`, :func:`orthogonal`, :func:`vectorized`, :func:`block`) into a :class:`Selection`,
which is a lazy view: it composes with further selections. ``selection.project(axes)`` plans it over the chunks as a
lazy sequence of :class:`Projection`, and ``projection.split(axes)`` plans again inside of a shard.
"""

from __future__ import annotations

from .parse import axis_number, basic, block, by_name, orthogonal, vectorized
from .projection import Projection, Projections
from .rows import chunk_rows
from .selections import GridSelection, PointSelection, Selection

__all__ = [
    "GridSelection",
    "PointSelection",
    "Projection",
    "Projections",
    "Selection",
    "axis_number",
    "basic",
    "block",
    "by_name",
    "chunk_rows",
    "orthogonal",
    "vectorized",
]
