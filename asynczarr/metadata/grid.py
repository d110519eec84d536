"""Chunk grids: how an array is cut into chunks, one axis at a time (v3 specification, "Chunk grids")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import MetadataError, UnknownExtension
from .extension import parse_extension
from .rectilinear import RectilinearGrid, parse_chunk_shapes
from .regular import RegularGrid, parse_chunk_shape

__all__ = [
    "Axis",
    "ChunkGrid",
    "GridFactory",
    "RectilinearGrid",
    "RegularGrid",
    "parse_chunk_grid",
    "register_chunk_grid",
]


class Axis(Protocol):
    """The chunks along one axis. Chunk `k` covers elements ``start(k)`` to ``start(k) + size(k)``.

    All methods cost O(1) or O(log n) and allocate nothing that grows with the number of chunks.
    """

    @property
    def extent(self) -> int:
        """Elements of the array along this axis; the last chunks may reach past it."""
        ...

    @property
    def nchunks(self) -> int:
        """Number of chunks that hold at least one element."""
        ...

    def start(self, chunk: int) -> int:
        """First element of a chunk."""
        ...

    def size(self, chunk: int) -> int:
        """Elements of a chunk as it is encoded, also past the end of the array."""
        ...

    def find(self, index: int) -> int:
        """The chunk that holds element `index`, ``0 <= index < extent``."""
        ...

    def find_many(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """``find`` for an array of indices."""
        ...


class ChunkGrid(Protocol):
    """A chunk grid as in the metadata, apart from the shape of the array."""

    @property
    def largest(self) -> tuple[int, ...]:
        """Elements of the largest chunk along each axis."""
        ...

    def axes(self, shape: tuple[int, ...]) -> tuple[Axis, ...]:
        """The chunks along each axis of an array of `shape`.

        Raises:
            MetadataError: the grid has another number of axes, or ends before the array does.
        """
        ...

    def to_json(self) -> dict[str, Any]:
        """The ``chunk_grid`` member of a v3 document."""
        ...


GridFactory: TypeAlias = Callable[[Mapping[str, Any], tuple[int, ...], bool], ChunkGrid]
"""Makes a grid of its configuration, the shape of the array and whether to be strict."""

_FACTORIES: dict[str, GridFactory] = {}


def register_chunk_grid(name: str, factory: GridFactory) -> None:
    """Add a chunk grid, or replace one, for this process."""
    _FACTORIES[name] = factory


def parse_chunk_grid(document: Any, shape: tuple[int, ...], *, strict: bool = False) -> ChunkGrid:
    """Read the ``chunk_grid`` member of a v3 document of an array of `shape`.

    Raises:
        UnknownExtension: a name that nobody registered.
        MetadataError: a malformed member or configuration, or a grid that does not fit the shape.
    """
    extension = parse_extension(document, "chunk grid", strict=strict)
    if strict and not extension.must_understand:
        raise MetadataError("must_understand is not for chunk grids")
    factory = _FACTORIES.get(extension.name)
    if factory is None:
        raise UnknownExtension("chunk grid", extension.name)
    return factory(extension.configuration, shape, strict)


def _regular(configuration: Mapping[str, Any], shape: tuple[int, ...], strict: bool) -> ChunkGrid:
    if set(configuration) != {"chunk_shape"}:
        raise MetadataError(f"chunk grid 'regular' takes exactly 'chunk_shape', not {sorted(configuration)[:8]}")
    value = configuration["chunk_shape"]
    if not strict and isinstance(value, list) and any(isinstance(item, list) for item in value):
        return parse_chunk_shapes(value, shape)
    return parse_chunk_shape(value, shape, strict=strict)


def _rectilinear(configuration: Mapping[str, Any], shape: tuple[int, ...], strict: bool) -> ChunkGrid:
    if set(configuration) != {"kind", "chunk_shapes"} or configuration["kind"] != "inline":
        raise MetadataError("chunk grid 'rectilinear' takes exactly 'chunk_shapes' and 'kind', which is 'inline'")
    return parse_chunk_shapes(configuration["chunk_shapes"], shape)


register_chunk_grid("regular", _regular)
register_chunk_grid("rectilinear", _rectilinear)
