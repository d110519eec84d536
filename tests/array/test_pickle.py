"""Stores, arrays, views and groups go to other processes; what belongs to this one says so."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.middleware import Cache, ChunkCache, Prefix, ReadOnly
from asynczarr.store.base import Store

VALUES = np.arange(400, dtype="i4").reshape(20, 20)
GRIDS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": (5, 5)},
    "shards": {"chunks": (5, 5), "shards": (10, 10)},
    "v2": {"chunks": (5, 5), "zarr_format": 2},
    "rectilinear": {"chunks": ([1, 19], 5), "dimension_names": ("y", "x")},
}
CHILD = """
import asyncio, pickle, sys
node = pickle.loads(sys.stdin.buffer.read())
sys.stdout.buffer.write(pickle.dumps(asyncio.run(node.read())))
"""


def _there(node: Any, folder: Path) -> Any:
    """What another process, in another folder, reads."""
    environment = {**os.environ, "PYTHONPATH": str(Path(az.__file__).parents[1])}
    run = [sys.executable, "-c", CHILD]
    done = subprocess.run(run, input=pickle.dumps(node), capture_output=True, check=True, env=environment, cwd=folder)
    return pickle.loads(done.stdout)


async def test_read_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    array = await az.create_array("x.zarr", shape=(20, 20), dtype="i4", chunks=(5, 5))
    await array.write(VALUES)
    np.testing.assert_array_equal(_there(array[::-2, 3:], tmp_path / "elsewhere"), VALUES[::-2, 3:])


@pytest.mark.parametrize("grid", GRIDS)
async def test_arrays_and_views(tmp_path: Path, grid: str) -> None:
    spec = {"shape": (20, 20), "dtype": "i4", **GRIDS[grid], "attributes": {"units": "K"}}
    options = az.NodeOptions(write_empty_chunks=False, chunk_cache=ChunkCache(2**20))
    array = await az.create_array(tmp_path / "x.zarr", "a/b", options=options, **spec)
    await array.write(VALUES)
    assert (await array.read())[0, 0] == 0
    there = pickle.loads(pickle.dumps(array))
    assert (there.path, there.metadata, there.attrs) == (array.path, array.metadata, array.attrs)
    assert there.options.write_empty_chunks is False
    assert there.options.chunk_cache.used == 0 < array.options.chunk_cache.used
    await there[3:7].write(-1)
    expected = VALUES.copy()
    expected[3:7] = -1
    index = np.array([1, 5, 19])
    views: list[tuple[Any, Any]] = [
        (array[2:15:3], expected[2:15:3]),
        (array[..., -1], expected[..., -1]),
        (array.oindex[index, :4], expected[index, :4]),
        (array.vindex[index, index], expected[index, index]),
    ]
    for view, values in views:
        np.testing.assert_array_equal(await pickle.loads(pickle.dumps(view)).read(), values)
        np.testing.assert_array_equal(await copy.deepcopy(view).read(), values)
    await there.aclose()
    with pytest.raises(az.StoreClosed):
        await there.read()
    np.testing.assert_array_equal(await array[4].read(), expected[4])  # its store is another one


async def test_a_view_keeps_the_shape_that_it_was_made_with(tmp_path: Path) -> None:
    array = await az.create_array(tmp_path / "x.zarr", shape=8, dtype="i4", chunks=4, fill_value=7)
    view = array[4:]
    await array.resize(100)
    assert (await pickle.loads(pickle.dumps(view)).read()).tolist() == [7] * 4


async def test_read_only_stays_so(tmp_path: Path) -> None:
    await az.create_array(tmp_path / "x.zarr", shape=8, dtype="i4")
    array = pickle.loads(pickle.dumps(await az.open_array(tmp_path / "x.zarr")))
    with pytest.raises(az.Forbidden):
        await array[:2].write(1)


async def test_groups(tmp_path: Path) -> None:
    group = await az.create_group(tmp_path / "g.zarr", attributes={"a": 1})
    await group.create_array("x", shape=3, dtype="f8", fill_value=2)
    await group.consolidate()
    there = pickle.loads(pickle.dumps(group))
    assert there.metadata == group.metadata
    assert (await (await there.get_array("x")).read()).tolist() == [2, 2, 2]


STORES: dict[str, Any] = {
    "folder": lambda path: az.FilesystemStore(root=path, durability="data", max_threads=3),
    "lmdb": lambda path: az.open_store(f"lmdb://{path}/db", map_size=2**20),
    "zip": lambda path: az.ZipStore(path / "x.zip", root=None),
    "http": lambda path: az.open_store("https://example.org/x.zarr", headers={"X-Key": "given"}),
    "s3": lambda path: az.open_store("s3://bucket/x", region="eu-west-1", access_key_id="a", secret_access_key="b"),
    "gcs": lambda path: az.open_store("gs://bucket/x", anonymous=True),
    "azure": lambda path: az.open_store("az://container/x", account="me", anonymous=True),
    "redis": lambda path: az.open_store("redis://localhost:1/0"),
    "mongodb": lambda path: az.open_store("mongodb://localhost:1/base"),
    "wrapped": lambda path: Prefix(ReadOnly(Cache(az.FilesystemStore(path), max_bytes=2**20)), "below"),
}


@pytest.mark.parametrize("kind", STORES)
async def test_stores(tmp_path: Path, kind: str) -> None:
    """Made anew from what they were made with, layer by layer; nothing is connected."""
    store = STORES[kind](tmp_path)
    there = pickle.loads(pickle.dumps(store))
    while True:
        assert type(there) is type(store)
        assert (there.url, there.capabilities) == (store.url, store.capabilities)
        if not hasattr(store, "inner"):
            break
        store, there = store.inner, there.inner
    assert there is not store


@pytest.mark.parametrize("make", [az.MemoryStore, lambda: az.MemoryStore("named"), lambda: Cache(az.MemoryStore())])
async def test_memory_stays_in_its_process(make: Any) -> None:
    store: Store = make()
    array = await az.create_array(store, shape=3, dtype="i4")
    for given in (store, array, array[1:]):
        with pytest.raises(TypeError, match="cannot be pickled: its values are in this process"):
            pickle.dumps(given)


@pytest.mark.parametrize("mode", ["w", "a", "x"])
async def test_an_archive_has_one_writer(tmp_path: Path, mode: Any) -> None:
    with pytest.raises(TypeError, match="cannot be pickled: an archive has one writer"):
        pickle.dumps(az.ZipStore(tmp_path / "x.zip", mode=mode))


async def test_an_archive_that_is_read(tmp_path: Path) -> None:
    async with az.create_array(tmp_path / "x.zip", shape=(20, 20), dtype="i4", chunks=(5, 5)) as array:
        await array.write(VALUES)
    async with az.open_array(tmp_path / "x.zip") as array:
        there = pickle.loads(pickle.dumps(array))
    async with there:
        np.testing.assert_array_equal(await there.read(), VALUES)
