"""The regular chunk grid: every chunk has the same shape (v3 specification, "Regular grids")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MetadataError
from .shapes import MAX_NDIM, parse_length

__all__ = ["RegularAxis", "RegularGrid", "parse_chunk_shape"]


@dataclass(frozen=True, slots=True)
class RegularAxis:
    """Chunks of `step` elements along an axis of `extent` elements."""

    extent: int
    step: int

    @property
    def nchunks(self) -> int:
        """Number of chunks that hold at least one element."""
        return -(-self.extent // self.step)

    def start(self, chunk: int) -> int:
        """First element of a chunk."""
        return chunk * self.step

    def size(self, chunk: int) -> int:
        """Elements of a chunk as it is encoded, the same for all."""
        return self.step

    def find(self, index: int) -> int:
        """The chunk that holds element `index`."""
        return index // self.step

    def find_many(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """``find`` for an array of indices."""
        return indices // self.step


@dataclass(frozen=True, slots=True)
class RegularGrid:
    """``regular``: chunks of `chunk_shape`, each length at least 1.

    Raises:
        MetadataError: a length that is no integer of at least 1, or too many axes.
    """

    chunk_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.chunk_shape, tuple) or len(self.chunk_shape) > MAX_NDIM:
            raise MetadataError(f"chunk_shape: a tuple of at most {MAX_NDIM} integers expected")
        for length in self.chunk_shape:
            parse_length(length, "chunk_shape", least=1)

    @property
    def largest(self) -> tuple[int, ...]:
        """The chunk shape."""
        return self.chunk_shape

    def axes(self, shape: tuple[int, ...]) -> tuple[RegularAxis, ...]:
        """The chunks along each axis of an array of `shape`."""
        if len(shape) != len(self.chunk_shape):
            raise MetadataError(f"chunks have {len(self.chunk_shape)} axes, the array has {len(shape)}")
        return tuple(map(RegularAxis, shape, self.chunk_shape))

    def to_json(self) -> dict[str, Any]:
        """The ``chunk_grid`` member of a v3 document."""
        return {"name": "regular", "configuration": {"chunk_shape": list(self.chunk_shape)}}


def parse_chunk_shape(value: Any, shape: tuple[int, ...], *, strict: bool) -> RegularGrid:
    """Read ``chunk_shape`` of v3 or ``chunks`` of v2.

    Not strict: ``true`` is 1, and 0 or ``false`` is 1 along an axis without elements (old zarr-python wrote these).
    """
    if not isinstance(value, list) or len(value) != len(shape):
        raise MetadataError(f"chunk shape: a list of {len(shape)} integers expected, one an axis")
    if not strict:
        lengths = zip(value, shape, strict=True)
        value = [1 if item is True or (not extent and _is_zero(item)) else item for item, extent in lengths]
    return RegularGrid(tuple(value))


def _is_zero(item: Any) -> bool:
    return isinstance(item, int) and item == 0
