"""What the arrays of the suite look like: shapes, chunk grids, codecs, metadata documents, and the values in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["CHUNKS", "CODECS", "DTYPE", "PLANE", "Grid", "NDArray", "Region", "document", "shape_of", "values"]

NDArray: TypeAlias = npt.NDArray[Any]
Region: TypeAlias = tuple[slice, ...]

DTYPE = np.dtype("float32")
PLANE = (256, 256)
"""Elements along the two fast axes of every array; the slow axis makes up the size."""

CHUNKS = {"1M": (64, 64, 64), "128K": (32, 32, 32), "16K": (16, 16, 16), "4K": (8, 8, 16)}
"""Shapes of chunks by the name of their size in bytes."""

SHARD = (128, 128, 128)
"""8 MiB; a layout with shards is called ``128K/8M``."""

CODECS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "zstd": [{"name": "zstd", "configuration": {"level": 1, "checksum": False}}],
    "blosc": [
        {
            "name": "blosc",
            "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 4, "blocksize": 0},
        }
    ],
    "gzip": [{"name": "gzip", "configuration": {"level": 5}}],
}
_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}

_PORTION = 8 * 2**20
"""Bytes at which a peer without a stream of chunks reads at least at once, in whole rows of chunks."""


def shape_of(mebibytes: int) -> tuple[int, int, int]:
    """Shape of an array of that many MiB."""
    return (mebibytes * 2**20 // (prod(PLANE) * DTYPE.itemsize), *PLANE)


@dataclass(frozen=True, slots=True)
class Grid:
    """How an array is cut.

    Attributes:
        shape: elements along each axis.
        chunk: shape of a chunk (with shards: of an inner chunk); it divides `shape`.
        shard: shape of a shard, or ``None``.
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    shard: tuple[int, ...] | None = None

    @classmethod
    def of(cls, layout: str, mebibytes: int) -> Grid:
        """The grid of a layout such as ``16K`` or ``16K/8M``."""
        chunk, _, shard = layout.partition("/")
        return cls(shape_of(mebibytes), CHUNKS[chunk], SHARD if shard else None)

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return prod(self.shape) * DTYPE.itemsize

    @property
    def counts(self) -> tuple[int, ...]:
        """Chunks along each axis."""
        return tuple(size // part for size, part in zip(self.shape, self.chunk, strict=True))

    def number(self, index: tuple[int, ...]) -> int:
        """Number of a chunk in C order."""
        number = 0
        for at, count in zip(index, self.counts, strict=True):
            number = number * count + at
        return number

    def index(self, number: int) -> tuple[int, ...]:
        """Index of the chunk with that number."""
        return tuple(int(at) for at in np.unravel_index(number, self.counts))

    def region(self, number: int) -> Region:
        """The elements of the chunk with that number."""
        corner = [at * part for at, part in zip(self.index(number), self.chunk, strict=True)]
        return tuple(slice(start, start + part) for start, part in zip(corner, self.chunk, strict=True))

    def portions(self) -> list[Region]:
        """Slabs across the slow axis, of whole rows of chunks or shards and of at least 8 MiB."""
        row = (self.shard or self.chunk)[0]
        depth = row * max(1, _PORTION // (row * prod(self.shape[1:]) * DTYPE.itemsize))
        rest = tuple(slice(0, size) for size in self.shape[1:])
        return [(slice(at, min(at + depth, self.shape[0])), *rest) for at in range(0, self.shape[0], depth)]

    def pieces(self, portion: Region) -> Iterator[tuple[int, Region]]:
        """The chunks of a slab: their numbers, and where they are in it."""
        above = portion[0].start // self.chunk[0]
        deep = (portion[0].stop - portion[0].start) // self.chunk[0]
        for i, j, k in np.ndindex(deep, *self.counts[1:]):
            corner = [at * part for at, part in zip((i, j, k), self.chunk, strict=True)]
            yield (
                self.number((above + i, j, k)),
                tuple(slice(start, start + part) for start, part in zip(corner, self.chunk, strict=True)),
            )


def document(grid: Grid, codec: str) -> dict[str, Any]:
    """The ``zarr.json`` of an array."""
    codecs = [_BYTES, *CODECS[codec]]
    if grid.shard is not None:
        sharding = {
            "chunk_shape": list(grid.chunk),
            "codecs": codecs,
            "index_codecs": [_BYTES, {"name": "crc32c"}],
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(grid.shape),
        "data_type": DTYPE.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(grid.shard or grid.chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0.0,
        "codecs": codecs,
        "attributes": {},
    }


def values(file: Path, mebibytes: int) -> NDArray:
    """The values of an array of that size, mapped from `file`, which is written if it is not there yet.

    A smooth field with noise, in steps of 1/16 and around zero: it compresses about as measurements do, and sums of a
    chunk in float32 are exact in whatever order they are made.
    """
    if not file.exists():
        shape = shape_of(mebibytes)
        field = np.empty(shape, DTYPE)
        noise = np.random.default_rng(mebibytes)
        y, x = np.meshgrid(*(np.linspace(0, 12 * np.pi, size, dtype=DTYPE) for size in PLANE), indexing="ij")
        for z in range(shape[0]):
            smooth = 6 * np.sin(x + z / 7) * np.cos(y - z / 11)
            field[z] = np.round(16 * (smooth + 0.15 * noise.standard_normal(PLANE, DTYPE))) / 16
        unfinished = file.with_suffix(".part.npy")
        np.save(unfinished, field)
        unfinished.replace(file)
    mapped: NDArray = np.load(file, mmap_mode="r")
    return mapped
