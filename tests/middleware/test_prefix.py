"""Prefix: a subtree is a store, with both halves of its own, and nothing leads out of it."""

from __future__ import annotations

import asyncio

import pytest

import asynczarr as az
from asynczarr.errors import KeyInvalid, Unsupported
from asynczarr.middleware import Cache, ReadOnly
from asynczarr.middleware.prefix import Prefix
from asynczarr.store import FilesystemStore, MemoryStore
from asynczarr.testing import HOSTILE_KEYS, StoreContract
from asynczarr.types import ByteRange

from .harness import INNERS


class TestContract(StoreContract):
    @pytest.fixture(params=[*INNERS, "filesystem", "no prefix", "twice"])
    async def store(self, request, tmp_path):
        match request.param:
            case "filesystem":
                inner = FilesystemStore(tmp_path, durability="none")
            case "twice":
                inner = Prefix(MemoryStore(), "outer")
            case "no prefix":
                inner = MemoryStore()
            case name:
                inner = INNERS[name]()
        if inner.capabilities.list:  # neighbours that must not be seen
            for key in ("zarr.json", "a/bc", "a/b.x", "a/c/k"):
                await inner.set(key, b"else")
        if request.param == "no prefix":
            for key in ("zarr.json", "a/bc", "a/b.x", "a/c/k"):
                await inner.delete(key)
        async with Prefix(inner, "" if request.param == "no prefix" else "a/b") as store:
            yield store


async def test_keys_and_blocking_half():
    inner = MemoryStore()
    store = Prefix(inner, "a/b/")
    assert store.capabilities == inner.capabilities
    store.set_sync("c/0", b"value")
    assert inner.get_sync("a/b/c/0") == store.get_sync("c/0") == b"value"
    for key in HOSTILE_KEYS:
        for call in (store.get_sync, store.delete_sync, lambda key: store.set_sync(key, b"")):
            with pytest.raises(KeyInvalid):
                call(key)
    assert [key async for key in inner.list()] == ["a/b/c/0"]


async def test_what_is_kept_of_a_key_is_forgotten():
    inner = MemoryStore()
    store = ReadOnly(Prefix(Cache(inner, ttl=None), "p"))
    await inner.set("p/k", b"old")
    assert await store.get("k") == b"old"
    await inner.set("p/k", b"new")
    store.forget("k")
    assert await store.get("k") == b"new"


async def test_many_keys_at_once(tmp_path):
    for inner in (FilesystemStore(tmp_path, durability="none"), MemoryStore()):
        store = Prefix(inner, "a/b")
        assert store.capabilities.many == inner.capabilities.many

        def use(store=store):
            store.set_sync("c/0", b"zero")
            store.set_sync("c/2", b"two")
            values = store.get_many_sync(["c/0", "c/1", "c/2"], ByteRange(1))
            assert [None if value is None else bytes(value) for value in values] == [b"ero", None, b"wo"]
            with pytest.raises(KeyInvalid):
                store.get_many_sync(["c/0", "../x"])

        await asyncio.to_thread(use)


async def test_without_a_blocking_half_there_is_none():
    store = Prefix(INNERS["async"](), "a")
    assert not store.capabilities.sync
    with pytest.raises(Unsupported):
        store.get_sync("k")


async def test_names_that_are_no_keys_are_not_listed():
    inner = MemoryStore()
    await inner.set("a/C:/x", b"")
    await inner.set("a/ok", b"")
    store = Prefix(inner, "a")
    assert [key async for key in store.list()] == ["ok"]
    assert [name async for name in store.list_dir()] == ["ok"]
    for listing in (store.list, store.list_dir):
        with pytest.raises(KeyInvalid):
            [name async for name in listing("C:/")]


@pytest.mark.parametrize(
    ("url", "prefix", "shown"),
    [
        ("memory://", "a/b", "memory:///a/b"),
        ("memory://name", "a/b/", "memory://name/a/b"),
        ("s3://bucket/", "a", "s3://bucket/a"),
        ("https://host/x?v=1", "a", "https://host/x/a?v=1"),
        ("memory://name", "", "memory://name"),
    ],
)
def test_url(url, prefix, shown):
    class Named(MemoryStore):
        pass

    Named.url = url
    assert Prefix(Named(), prefix).url == shown


@pytest.mark.parametrize("prefix", ["/", "..", "../", "a//", "/a", "a\\b"])
def test_a_prefix_that_is_no_key_is_refused(prefix):
    with pytest.raises(KeyInvalid):
        Prefix(MemoryStore(), prefix)


async def test_an_array_in_a_subtree():
    inner = MemoryStore("array_in_a_subtree")
    async with az.open_array(Prefix(inner, "deep/down"), mode="a", shape=(4,), chunks=(2,), dtype="int8") as array:
        await array[:].write(7)
        assert (await array[1:].read()).tolist() == [7, 7, 7]
    keys = [key async for key in MemoryStore("array_in_a_subtree").list()]
    assert keys
    assert all(key.startswith("deep/down/") for key in keys)
