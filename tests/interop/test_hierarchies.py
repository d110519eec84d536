"""Groups, attributes, dimension names and consolidated metadata of one library open in the other."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

import asynczarr as az

from .peers import need_peers

ATTRIBUTES = {"title": "Höhe", "scale": 0.5, "count": 3, "flags": [True, None], "nested": {"units": "m"}}
VALUES = np.arange(12, dtype="i4").reshape(4, 3)
PATHS = ["a", "a/b", "a/b/deep", "top"]
"""Groups ``a`` and ``a/b``, arrays ``a/b/deep`` and ``top``."""


@pytest.fixture(autouse=True)
def _peers(skip_or_fail: Callable[[str], NoReturn]) -> None:
    need_peers(skip_or_fail)


@contextmanager
def quiet() -> Iterator[None]:
    """zarr-python warns that consolidated metadata is no part of the v3 specification."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


async def write_ours(folder: Path, zarr_format: int) -> None:
    names = {"dimension_names": ("y", None)} if zarr_format == 3 else {}
    async with az.create_group(folder, zarr_format=zarr_format, attributes=ATTRIBUTES) as root:
        await root.create_group("a/b", attributes={"level": 2})
        deep = await root.create_array(
            "a/b/deep", shape=(4, 3), dtype="i4", chunks=(2, 2), attributes=ATTRIBUTES, **names
        )
        await deep.write(VALUES)
        await root.create_array("top", shape=3, dtype="f8", chunks=3)


def write_theirs(folder: Path, zarr_format: int) -> None:
    import zarr

    names = {"dimension_names": ("y", None)} if zarr_format == 3 else {}
    with quiet():
        root = zarr.open_group(folder, mode="w", zarr_format=zarr_format, attributes=ATTRIBUTES)
        group = root.create_group("a").create_group("b", attributes={"level": 2})
        deep = group.create_array("deep", shape=(4, 3), dtype="i4", chunks=(2, 2), attributes=ATTRIBUTES, **names)
        deep[...] = VALUES
        root.create_array("top", shape=(3,), dtype="f8", chunks=(3,))


async def check_by_us(folder: Path, zarr_format: int) -> None:
    async with az.open_group(folder) as root:
        assert dict(root.attrs) == ATTRIBUTES
        assert [path async for path, _ in root.members(max_depth=None)] == PATHS
        assert dict((await root.get_group("a/b")).attrs) == {"level": 2}
        deep = await root.get_array("a/b/deep")
        assert dict(deep.attrs) == ATTRIBUTES
        assert deep.dimension_names == (("y", None) if zarr_format == 3 else None)
        np.testing.assert_array_equal(await deep.read(), VALUES)


def check_by_zarr_python(folder: Path, zarr_format: int, *, use_consolidated: bool) -> None:
    import zarr

    with quiet():
        root = zarr.open_group(folder, mode="r", zarr_format=zarr_format, use_consolidated=use_consolidated)
        assert dict(root.attrs) == ATTRIBUTES
        assert sorted(path for path, _ in root.members(max_depth=None)) == PATHS
        assert dict(root["a/b"].attrs) == {"level": 2}
        deep = root["a/b/deep"]
        assert dict(deep.attrs) == ATTRIBUTES
        if zarr_format == 3:
            assert deep.metadata.dimension_names == ("y", None)
        np.testing.assert_array_equal(deep[...], VALUES)


def hide_documents(folder: Path, name: str) -> None:
    """Remove all metadata below the root, so that only the consolidated one can tell."""
    for document in folder.rglob(name):
        if document.parent != folder:
            document.unlink()


@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
async def test_ours_opens_in_zarr_python(zarr_format: int, consolidated: bool, tmp_path: Path) -> None:
    await write_ours(tmp_path, zarr_format)
    if consolidated:
        async with az.open_group(tmp_path, mode="r+") as root:
            await root.consolidate()
        for name in ("zarr.json", ".zarray", ".zgroup", ".zattrs"):
            hide_documents(tmp_path, name)
    check_by_zarr_python(tmp_path, zarr_format, use_consolidated=consolidated)


@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
async def test_zarr_python_opens_in_ours(zarr_format: int, consolidated: bool, tmp_path: Path) -> None:
    import zarr

    write_theirs(tmp_path, zarr_format)
    if consolidated:
        with quiet():
            zarr.consolidate_metadata(tmp_path, zarr_format=zarr_format)
        for name in ("zarr.json", ".zarray", ".zgroup", ".zattrs"):
            hide_documents(tmp_path, name)
    await check_by_us(tmp_path, zarr_format)


@pytest.mark.parametrize("zarr_format", [2, 3])
async def test_what_we_change_in_consolidated_metadata_is_seen(zarr_format: int, tmp_path: Path) -> None:
    """Written and consolidated by zarr-python, changed by us: nothing stale is left for zarr-python to find."""
    import zarr

    write_theirs(tmp_path, zarr_format)
    with quiet():
        zarr.consolidate_metadata(tmp_path, zarr_format=zarr_format)
    async with az.open_group(tmp_path, mode="r+") as root:
        await root.create_array("a/new", shape=2, dtype="u1", attributes={"new": True})
        await (await root.get_array("a/b/deep")).resize((8, 3))
        await root.delete("top")
    with quiet():
        root = zarr.open_group(tmp_path, mode="r", zarr_format=zarr_format, use_consolidated=True)
        assert sorted(path for path, _ in root.members(max_depth=None)) == ["a", "a/b", "a/b/deep", "a/new"]
        assert dict(root["a/new"].attrs) == {"new": True}
        assert root["a/b/deep"].shape == (8, 3)


@pytest.mark.parametrize("consolidated", [False, True])
async def test_ours_opens_in_zarrs(consolidated: bool, tmp_path: Path) -> None:
    import zarrista

    await write_ours(tmp_path, 3)
    if consolidated:
        async with az.open_group(tmp_path, mode="r+") as root:
            await root.consolidate()
    group = zarrista.Group.open(zarrista.store.FilesystemStore(str(tmp_path)))
    assert group.attrs == ATTRIBUTES
    assert sorted(node.path for node in group.traverse()) == [f"/{path}" for path in PATHS]
    if consolidated:
        assert set(group.consolidated_metadata["metadata"]) == set(PATHS)


async def test_default_documents_say_the_same(tmp_path: Path) -> None:
    """Member by member, but for the level of zstd."""
    import zarr

    with quiet():
        zarr.create_array(tmp_path / "theirs", shape=(4, 3), dtype="i4", chunks=(2, 2), fill_value=0)
    async with az.create_array(tmp_path / "ours", shape=(4, 3), dtype="i4", chunks=(2, 2)):
        theirs, ours = (json.loads((tmp_path / name / "zarr.json").read_text()) for name in ("theirs", "ours"))
    for document in (theirs, ours):
        document["codecs"] = [codec["name"] for codec in document["codecs"]]
        document.pop("storage_transformers", None)
        document.setdefault("attributes", {})
    assert ours == theirs
