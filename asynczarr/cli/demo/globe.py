"""What is computed while the map streams: a smaller map, and from it the share of land at each latitude."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BANDS", "Globe", "Overview"]

WIDTH = 2160
"""Columns of the smaller map: a sixth of a degree each."""

BANDS = ((90, 60), (60, 30), (30, 0), (0, -30), (-30, -60), (-60, -90))
"""Latitudes in degrees, from north to south."""


class Overview:
    """Counts land in square blocks of cells; takes chunks in any order.

    Args:
        shape: rows and columns of the map, multiples of the block.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.block: int = max(1, shape[1] // WIDTH)
        self.counts: npt.NDArray[np.uint16] = np.zeros((shape[0] // self.block, shape[1] // self.block), np.uint16)

    def add(self, region: tuple[slice, ...], land: npt.NDArray[np.bool_]) -> None:
        """Count one chunk, whose edges are edges of blocks."""
        size = self.block
        rows, columns = land.shape[0] // size, land.shape[1] // size
        # Along rows first, in bytes, which processors add by the dozen: 20 at most fit.
        tall = land.view(np.uint8).reshape(rows, size, land.shape[1]).sum(axis=1, dtype=np.uint8)
        target = tuple(slice(part.start // size, part.stop // size) for part in region)
        self.counts[target] = tall.reshape(rows, columns, size).sum(axis=2, dtype=np.uint16)

    def globe(self, latitude: npt.NDArray[np.float64]) -> Globe:
        """The result. `latitude` has the upper edge of each row of the whole map, in degrees, from north to south."""
        edges = np.append(latitude[:: self.block], 2 * latitude[-1] - latitude[-2])
        return Globe((self.counts / self.block**2).astype(np.float32), edges)


@dataclass(frozen=True, slots=True, eq=False)
class Globe:
    """A small map of the share of land.

    Attributes:
        share: from 0 to 1, rows from north to south, columns from 180 degrees west.
        edges: latitudes of the edges of its rows, degrees, one more than rows.
    """

    share: npt.NDArray[np.float32]
    edges: npt.NDArray[np.float64]

    @property
    def profile(self) -> npt.NDArray[np.float64]:
        """Share of land along each row."""
        return np.asarray(self.share.mean(axis=1, dtype=np.float64))

    def land(self, north: float = 90, south: float = -90) -> float:
        """Share of the area between two latitudes that is land."""
        edges = np.clip(self.edges, south, north)
        area = -np.diff(np.sin(np.radians(edges)))  # of a ring on the sphere, up to a factor
        return float((self.profile * area).sum() / area.sum())
