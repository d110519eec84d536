"""What was selected from an array, without reading it: its shape, its names, and further selections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import SelectionError
from ..selection import Selection, basic, by_name, orthogonal, vectorized
from ..stream.stored import StoredArray

if TYPE_CHECKING:
    from .view import View

__all__ = ["Indexer", "Selected"]


class Indexer:
    """``array.oindex``, ``array.vindex`` and ``array.blocks``: other meanings of ``[...]``."""

    __slots__ = ("_select",)

    def __init__(self, select: Callable[[Any], View]) -> None:
        self._select = select

    def __getitem__(self, index: Any) -> View:
        return self._select(index)


class Selected(ABC):
    """A part of an array that is not in memory. Selecting from it again composes the selections."""

    def __init__(self, array: StoredArray, selection: Selection, names: tuple[str | None, ...] | None) -> None:
        self._array = array
        self._selection = selection
        self._names = names  # those of the array, also of axes that were dropped

    @property
    def stored(self) -> StoredArray:
        """The array as the engine sees it; for those who build on :mod:`asynczarr.stream`."""
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""
        return self._selection.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the elements; for Zarr v2 in the byte order of the store."""
        return self._array.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all elements in memory (of strings and objects, only of the references)."""
        return self.size * self.dtype.itemsize

    @property
    def dimension_names(self) -> tuple[str | None, ...] | None:
        """Names of the axes; ``None`` if the array has no names (v3) or this is a selection of points."""
        kept = self._selection.kept
        return None if self._names is None or kept is None else tuple([self._names[axis] for axis in kept])

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise TypeError("the elements are not in memory: use `await array.read()`, which gives an ndarray")

    __iter__ = None  # without it, [0], [1], ... would be tried: views, each with no element read
    __contains__ = None

    def __getitem__(self, index: Any) -> View:
        """Basic indexing: integers, slices with any step, ``...``, or ``{"dimension": index}`` by name; lazy."""
        if isinstance(index, Mapping):
            index = by_name(index, self.dimension_names)
        return self._view(basic(index, self.shape))

    @property
    def oindex(self) -> Indexer:
        """Orthogonal indexing: an integer, slice, integer array or mask for each axis, each for itself."""
        return Indexer(lambda index: self._view(orthogonal(index, self.shape)))

    @property
    def vindex(self) -> Indexer:
        """Point indexing: one integer array an axis, broadcast against each other, or one mask of the array's shape."""
        return Indexer(lambda index: self._view(vectorized(index, self.shape)))

    @property
    def blocks(self) -> Indexer:
        """Block indexing: the region of whole chunks, by coordinates in the chunk grid.

        Raises:
            SelectionError: on a view; blocks are those of the whole array.
        """
        raise SelectionError("blocks belong to the array, not to a view of it")

    @abstractmethod
    def _view(self, inner: Selection) -> View:
        """What `inner` selects from this."""
