"""Stores of zarr-python as ours: its own, those of fsspec, and icechunk."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path

import numpy as np
import pytest

import asynczarr as az
from asynczarr import errors
from asynczarr.store import ZarrPythonStore
from asynczarr.testing import ODD_KEYS, StoreContract
from asynczarr.types import ByteRange

zarr = pytest.importorskip("zarr", minversion="3.1")
fsspec = pytest.importorskip("fsspec")

from zarr.abc.store import Store  # noqa: E402
from zarr.core.buffer import default_buffer_prototype  # noqa: E402
from zarr.storage import FsspecStore, LocalStore, MemoryStore, ObjectStore, WrapperStore  # noqa: E402

old_zarr = tuple(map(int, zarr.__version__.split(".")[:2])) < (3, 4)
blocking = pytest.mark.allow_blocking("older LocalStores of zarr-python list on the event loop")


class TestMemory(StoreContract):
    @pytest.fixture(params=[False, True], ids=["mutable", "immutable"])
    async def store(self, request):
        async with ZarrPythonStore(MemoryStore(), immutable=request.param) as store:
            yield store

    async def test_readers_see_old_or_new(self, store, request):
        if request.node.callspec.params["store"]:
            pytest.skip("who says immutable must not overwrite")
        await super().test_readers_see_old_or_new(store)


@blocking
class TestLocal(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path):
        async with ZarrPythonStore(LocalStore(tmp_path / "root")) as store:
            yield store

    async def test_odd_keys(self, store, monkeypatch):
        """Names of temporary files are made of the key, and "..." has no suffix that could be replaced."""
        keys = [key for key in ODD_KEYS if key.strip(".") and len(key) <= 200]
        monkeypatch.setattr("asynczarr.testing.store_suite.ODD_KEYS", keys)
        await super().test_odd_keys(store)


class TestObstore(StoreContract):
    @pytest.fixture
    async def store(self):
        from obstore.store import MemoryStore as Memory

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zarr-python calls its ObjectStore experimental
            inner = ObjectStore(Memory())
        async with ZarrPythonStore(inner) as store:
            yield store


class TestFsspecMemory(StoreContract):
    @pytest.fixture
    async def store(self):
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
        from fsspec.implementations.memory import MemoryFileSystem

        class Fresh(MemoryFileSystem):
            """Its files belong to the class."""

        Fresh.store, Fresh.pseudo_dirs = {}, [""]
        inner = FsspecStore(AsyncFileSystemWrapper(Fresh(skip_instance_cache=True), asynchronous=True), path="/root")
        async with ZarrPythonStore(inner) as store:
            yield store

    async def test_odd_keys(self, store, monkeypatch):
        """fsspec takes some keys for patterns when it deletes."""
        patterns = [key for key in ODD_KEYS if set(key) & set("*?[")]
        monkeypatch.setattr("asynczarr.testing.store_suite.ODD_KEYS", [key for key in ODD_KEYS if key not in patterns])
        await super().test_odd_keys(store)
        for key in ("a", *patterns):
            await store.set(key, b"x")
        for key in patterns:
            with pytest.raises(errors.Unsupported, match="pattern"):
                await store.delete(key)
        assert sorted([key async for key in store.list()]) == sorted(["a", *patterns])


class Broken(WrapperStore[Store]):
    """Fails as it is told."""

    error: Exception | None = None
    answer: bytes | None = None

    async def get(self, key, prototype, byte_range=None):
        if self.error is not None:
            raise self.error
        if self.answer is not None:
            return prototype.buffer.from_bytes(self.answer)
        return await self._store.get(key, prototype, byte_range)

    async def getsize(self, key):
        return await self._store.getsize(key)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (PermissionError(13, "no"), errors.Forbidden),
        (OSError(28, "full"), errors.QuotaExceeded),
        (OSError("something"), errors.Unavailable),
        (TimeoutError(), errors.AttemptTimeout),
        (ConnectionResetError(104, "reset"), errors.ConnectionFailed),
        (NotImplementedError(), errors.Unsupported),
        (RuntimeError("token=hidden"), errors.Unavailable),
    ],
)
async def test_foreign_errors_are_typed(raised, error):
    inner = Broken(MemoryStore())
    store = ZarrPythonStore(inner)
    await store.set("k", b"0123456789")
    inner.error = raised
    for call in (store.get("k"), store.get("k", ByteRange(0, 4)), store.get_ranges("k", [ByteRange(2)])):
        with pytest.raises(errors.StoreError) as caught:
            await call
        assert type(caught.value) is error
        assert caught.value.__cause__ is raised
        assert (caught.value.key, caught.value.store) == ("k", store.url)
        assert "hidden" not in str(caught.value)


async def test_lengths_are_compared():
    inner = Broken(MemoryStore())
    await inner.set("k", default_buffer_prototype().buffer.from_bytes(b"0123456789"))
    inner.answer = b"012"
    with pytest.raises(errors.IntegrityError):
        await ZarrPythonStore(inner).get("k", ByteRange(0, 2))
    inner.answer = b"0"
    for immutable in (False, True):
        with pytest.raises(errors.Unavailable, match="changed"):
            await ZarrPythonStore(inner, immutable=immutable).get_ranges("k", [ByteRange(0, 2), ByteRange(5)])


@blocking
async def test_names_of_folders_are_not_keys(tmp_path):
    store = ZarrPythonStore(LocalStore(tmp_path))
    await store.set("a/b", b"x")
    (tmp_path / "empty" / "below").mkdir(parents=True)
    (tmp_path / f"k.{'0' * 32}.partial").write_bytes(b"half a value")
    assert await store.get("a") is await store.head("a") is None
    await store.delete("a")
    assert await store.get("a/b") == b"x"
    assert [name async for name in store.list_dir()] == ["a/"]
    assert [key async for key in store.list()] == ["a/b"]
    assert store.url == tmp_path.as_uri()


async def test_read_only_stores():
    for inner in (MemoryStore(read_only=True), MemoryStore().with_read_only(True)):
        store = ZarrPythonStore(inner)
        assert not store.capabilities.write
        for call in (store.set("k", b"x"), store.delete("k")):
            with pytest.raises(errors.Unsupported):
                await call


async def test_ranges_of_one_state_are_one_request(tmp_path):
    gets = []

    class Counting(WrapperStore[Store]):
        async def get(self, key, prototype, byte_range=None):
            gets.append(byte_range)
            return await self._store.get(key, prototype, byte_range)

    inner = Counting(MemoryStore())
    parts = [ByteRange(-2), ByteRange(0, 1), ByteRange(7, 7), ByteRange(20, 30)]
    for immutable, requests in ((False, 1), (True, 2)):
        store = ZarrPythonStore(inner, immutable=immutable)
        await store.set("k", b"0123456789")
        gets.clear()
        found = await store.get_ranges("k", parts)
        assert [bytes(data) for data in found.data] == [b"89", b"0", b"", b""]
        # zarr-python's MemoryStore reads the value to know its size
        assert len([part for part in gets if part is not None]) == requests


async def test_a_file_system_of_one_loop():
    pytest.importorskip("aiohttp")
    from fsspec.implementations.http import HTTPFileSystem

    store = ZarrPythonStore(FsspecStore(HTTPFileSystem(asynchronous=True), path="http://127.0.0.1:9"))
    with pytest.raises(errors.StoreError) as caught:
        await store.get("k")
    assert type(caught.value) is errors.ConnectionFailed

    def elsewhere():
        with pytest.raises(errors.Unsupported, match="one event loop"):
            asyncio.run(store.get("k"))

    await asyncio.to_thread(elsewhere)
    session = await store._store.fs.set_session()
    await session.close()


async def test_arrays_both_ways():
    inner = MemoryStore()
    values = np.arange(400, dtype="int32").reshape(20, 20)
    async with az.create_array(
        ZarrPythonStore(inner), "a", shape=(20, 20), dtype="int32", chunks=(5, 5), shards=(10, 20)
    ) as array:
        await array.write(values)
        await array[3:7, 1:4].write(-1)
    values[3:7, 1:4] = -1
    there = await asyncio.to_thread(lambda: zarr.open_array(inner, path="a", mode="r")[:])
    assert np.array_equal(there, values)
    async with az.open_array(ZarrPythonStore(inner), "a") as array:
        assert np.array_equal(await array[::3, 5:].read(), values[::3, 5:])


async def test_icechunk(tmp_path: Path):
    icechunk = pytest.importorskip("icechunk")
    repository = await asyncio.to_thread(
        lambda: icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path)))
    )
    session = await asyncio.to_thread(repository.writable_session, "main")
    store = ZarrPythonStore(session.store)
    values = np.arange(1200, dtype="float32").reshape(30, 40)
    spec = {"shape": (30, 40), "dtype": "float32", "chunks": (10, 10)}
    async with az.create_group(store) as group:
        for name, shards in (("plain", None), ("sharded", (20, 40))):
            array = await group.create_array(name, shards=shards, **spec)
            await array.write(values)
            await array[5:8].write(values[5:8] + 1)
        await group.delete("plain")
        again = await group.create_array("plain", **spec)
        await again.write(values)
    snapshot = await asyncio.to_thread(session.commit, "written by asynczarr")

    reading = await asyncio.to_thread(lambda: repository.readonly_session(snapshot_id=snapshot))
    store = ZarrPythonStore(reading.store)
    assert not store.capabilities.write
    assert store._immutable
    keys = [f"plain/c/{y}/{x}" for y in range(3) for x in range(4)]
    assert sorted([key async for key in store.list("plain/c/")]) == keys
    assert sorted([name async for name in store.list_dir("plain/c/")]) == ["0/", "1/", "2/"]
    assert sorted([name async for name in store.list_dir("plain/")]) == ["c/", "zarr.json"]
    assert [key async for key in store.list("nothing/")] == [name async for name in store.list_dir("no/thing/")] == []
    assert await store.get("plain/c/9/9") is await store.head("plain/c/9/9") is None
    assert bytes(await store.get("plain/c/0/0", ByteRange(10**6, 10**6 + 5))) == b""
    async with az.open_group(store) as group:
        assert sorted([path async for path, _ in group.members()]) == ["plain", "sharded"]
        assert np.array_equal(await (await group.get_array("plain")).read(), values)
        sharded = await group.get_array("sharded")
        changed = values.copy()
        changed[5:8] += 1
        assert np.array_equal(await sharded[4:9, 3::2].read(), changed[4:9, 3::2])
        assert np.array_equal(np.stack([slab.data async for slab in sharded.stream_slices()]), changed)
    there = await asyncio.to_thread(lambda: zarr.open_array(reading.store, path="sharded", mode="r")[:])
    assert np.array_equal(there, changed)
    with pytest.raises(errors.Unsupported):
        await store.set("plain/c/0/0", b"x")
