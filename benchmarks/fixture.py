"""Arrays on disk that peers read, and the neutral check of arrays that they wrote. Both by tensorstore."""

from __future__ import annotations

import json
import shutil
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .layout import Grid, NDArray, document, shape_of, values
from .units import Unit

__all__ = ["TREE_ARRAYS", "empty_array", "ensure", "equal", "expected", "read_back", "sums", "tree"]

TREE_ARRAYS = 1000
_DONE = "done"
_ROWS = 16


def expected(folder: Path, mebibytes: int) -> NDArray:
    """The values that an array of that size has."""
    folder.mkdir(parents=True, exist_ok=True)
    return values(folder / f"values-{mebibytes}.npy", mebibytes)


def sums(folder: Path, unit: Unit) -> NDArray:
    """The sum of each chunk of the array of a unit, in C order."""
    file = folder / f"sums-{unit.layout.partition('/')[0]}-{unit.mebibytes}.npy"
    if not file.exists():
        grid, data = unit.grid, expected(folder, unit.mebibytes)
        np.save(file, np.array([data[grid.region(number)].sum() for number in range(prod(grid.counts))]))
    found: NDArray = np.load(file)
    return found


def empty_array(folder: Path, grid: Grid, codec: str) -> None:
    """A folder with the metadata of an array and nothing else; what was there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "zarr.json").write_text(json.dumps(document(grid, codec)))


def ensure(folder: Path, unit: Unit) -> Path:
    """The array that a unit reads, written now if no earlier run has left it."""
    if unit.work == "tree":
        return tree(folder / f"tree-{unit.layout}", consolidated=unit.layout == "consolidated")
    data = expected(folder, unit.mebibytes)
    target = folder / f"{unit.layout.replace('/', 'in')}-{unit.codec}-{unit.mebibytes}.zarr"
    mark = target.with_suffix(f".{_DONE}")
    if not mark.exists():
        empty_array(target, unit.grid, unit.codec)
        _open(target, write=True).write(data).result()
        mark.touch()
    return target


def tree(folder: Path, *, consolidated: bool) -> Path:
    """A group of 1000 small arrays, with consolidated metadata or without."""
    mark = folder.with_suffix(f".{_DONE}")
    if mark.exists():
        return folder
    grid = Grid(shape_of(1), (16, 16, 16))
    array = document(grid, "zstd")
    group: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    names = [f"array{number:04}" for number in range(TREE_ARRAYS)]
    if consolidated:
        inline = {"kind": "inline", "must_understand": False, "metadata": dict.fromkeys(names, array)}
        group["consolidated_metadata"] = inline
    for name in names:
        empty_array(folder / name, grid, "zstd")
    (folder / "zarr.json").write_text(json.dumps(group))
    mark.touch()
    return folder


def read_back(folder: Path) -> NDArray:
    """What an array on disk holds."""
    data: NDArray = _open(folder, write=False).read().result()
    return data


def equal(one: NDArray, other: NDArray) -> bool:
    """Whether two arrays hold the same, some planes at a time: without a temporary array of their size."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.ndim == 0:
        return bool(one == other)
    return all(np.array_equal(one[at : at + _ROWS], other[at : at + _ROWS]) for at in range(0, len(one), _ROWS))


def _open(folder: Path, *, write: bool) -> Any:
    import tensorstore

    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(folder)},
        "context": {"file_io_sync": False},
        "store_data_equal_to_fill_value": True,
    }
    return tensorstore.open(spec, read=True, write=write).result()
