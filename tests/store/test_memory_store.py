"""What the memory store promises beyond the contract."""

from __future__ import annotations

import asyncio
import threading

import pytest

from asynczarr.errors import Unsupported
from asynczarr.store import MemoryStore, open_store
from asynczarr.types import ByteRange


async def test_same_name_same_values():
    one, two, fresh = MemoryStore("test-same"), open_store("memory://test-same"), open_store("memory://")
    version = await one.set("k", b"x")
    assert await two.get("k") == b"x"
    assert (await two.head("k")).version == version
    assert await fresh.get("k") is None
    await one.aclose()
    assert await two.get("k") == b"x"
    assert await MemoryStore("test-same").get("k") == b"x"
    await two.delete("k")


async def test_nothing_is_copied_without_need():
    store = MemoryStore()
    value = b"x" * 1000
    await store.set("k", value)
    assert await store.get("k") is value
    part = await store.get("k", ByteRange(10, 20))
    assert isinstance(part, memoryview)
    assert part.obj is value


async def test_read_only():
    writer = MemoryStore("test-read-only")
    await writer.set("k", b"x")
    reader = open_store("memory://test-read-only", mode="r")
    assert not reader.capabilities.write
    assert await reader.get("k") == b"x"
    for call in (reader.set("k", b"y"), reader.delete("k"), reader.delete_many(["k"])):
        with pytest.raises(Unsupported):
            await call
    assert await writer.get("k") == b"x"
    await writer.delete("k")


async def test_versions_never_repeat():
    store = MemoryStore()
    seen = set()
    for _ in range(3):
        seen.add(await store.set("k", b"x"))
        await store.delete("k")
    seen.add(await MemoryStore().set("k", b"x"))
    assert len(seen) == 4


async def test_a_listing_is_of_one_moment():
    store = MemoryStore()
    for number in range(10):
        await store.set(f"a/{number}", b"")
    seen = []
    async for key in store.list():
        seen.append(key)
        await store.delete("a/5")
        await store.set(f"b/{len(seen)}", b"")
    assert seen == [f"a/{number}" for number in range(10)]


def test_threads_share_a_store():
    store = MemoryStore()

    def work(number):
        for step in range(200):
            store.set_sync(f"{number}/{step}", b"x")
            store.delete_sync(f"{number}/{step - 1}") if step else None

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    async def keys():
        return [key async for key in store.list()]

    assert asyncio.run(keys()) == [f"{number}/199" for number in range(4)]


def test_conditions_exclude_each_other():
    with pytest.raises(ValueError, match="exclude each other"):
        MemoryStore().set_sync("k", b"x", create=True, if_version="1")


def test_repr_is_the_address():
    assert repr(MemoryStore("x")) == "MemoryStore('memory://x')"
