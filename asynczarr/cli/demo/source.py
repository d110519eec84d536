"""The data: a mask of the globe, read out of a compressed npz file a few rows at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import click
import numpy as np
import numpy.typing as npt

__all__ = ["Mask", "find_mask", "require"]

ROWS = 120
"""Rows that are decompressed at a time: 5 MB."""

MAX_AXIS = 10**6
"""Longest axis that is taken: rows and coordinates are allocated by what the file says."""


@dataclass(frozen=True, slots=True)
class Mask:
    """The mask ``True`` on water, with its coordinates, as the package global-land-mask keeps it.

    Attributes:
        file: the npz file.
        every: take only every n-th row and column.
    """

    file: Path
    every: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that are taken.

        Raises:
            click.ClickException: the file holds something else.
        """
        with _entry(self.file, "mask") as (_, shape, dtype):
            if dtype != np.bool_ or len(shape) != 2:
                raise click.ClickException(f"{self.file} holds no mask, but {dtype} {shape}")
            return -(-shape[0] // self.every), -(-shape[1] // self.every)

    @property
    def compressed(self) -> int:
        """Bytes of the file."""
        return self.file.stat().st_size

    def coordinate(self, name: str) -> npt.NDArray[np.float64]:
        """``lat`` or ``lon``: degrees of the upper or left edge of each row or column."""
        with _entry(self.file, name) as (stream, shape, dtype):
            values = np.frombuffer(stream.read(shape[0] * dtype.itemsize), dtype)
        return values[:: self.every].astype(np.float64)

    def land(self) -> Iterator[tuple[tuple[slice, slice], npt.NDArray[np.bool_]]]:
        """Regions and values, ``True`` on land, from the top; never more than a few rows are in memory."""
        with _entry(self.file, "mask") as (stream, (rows, columns), _):
            done = 0
            for start in range(0, rows, ROWS):
                count = min(ROWS, rows - start)
                water = np.frombuffer(stream.read(count * columns), np.bool_).reshape(count, columns)
                land = ~water[-start % self.every :: self.every, :: self.every]
                yield (slice(done, done + len(land)), slice(0, land.shape[1])), land
                done += len(land)


def find_mask() -> Path:
    """The file in the installed package. The package itself is not imported: that would load all of it."""
    require("global_land_mask")
    spec = find_spec("global_land_mask")
    folders = (spec.submodule_search_locations if spec else None) or ()
    return Path(next(iter(folders))) / "globe_combined_mask_compressed.npz"


def require(*packages: str) -> None:
    """Check that packages are installed.

    Raises:
        click.UsageError: some are not; it says what to do.
    """
    missing = [name.replace("_", "-") for name in packages if find_spec(name) is None]
    if missing:
        raise click.UsageError(f"the demo needs {', '.join(missing)}: python -m pip install 'asynczarr[demo]'")


@contextmanager
def _entry(file: Path, name: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype[Any]]]:
    """An array in an npz file: a stream that stands at its first element, its shape and dtype."""
    with zipfile.ZipFile(file) as archive, archive.open(f"{name}.npy") as stream:
        np.lib.format.read_magic(stream)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if fortran or dtype.hasobject or not shape or max(shape) > MAX_AXIS:
            raise click.ClickException(f"{file}: {name} is not what this demo can read: {dtype} {shape}")
        yield stream, shape, dtype
