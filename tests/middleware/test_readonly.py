"""ReadOnly: reads pass, in both halves; writes are refused before anything is asked."""

from __future__ import annotations

import pytest

from asynczarr.errors import KeyInvalid, StoreClosed, Unsupported
from asynczarr.middleware.readonly import ReadOnly
from asynczarr.store import MemoryStore
from asynczarr.testing import StoreContract

from .harness import INNERS, Turns


class Writable(ReadOnly):
    """Reads through the read-only store, and writes beside it."""

    @property
    def capabilities(self):
        return self.inner.capabilities

    async def set(self, key, value, **options):
        return await self.inner.set(key, value, **options)

    async def delete(self, key, **options):
        await self.inner.delete(key, **options)

    async def delete_many(self, keys):
        await self.inner.delete_many(keys)

    def set_sync(self, key, value, **options):
        return self.inner.set_sync(key, value, **options)

    def delete_sync(self, key, **options):
        self.inner.delete_sync(key, **options)


class TestReading(StoreContract):
    @pytest.fixture(params=INNERS)
    async def store(self, request):
        async with Writable(INNERS[request.param]()) as store:
            yield store


async def test_writes_are_refused_and_nothing_is_asked():
    inner = Turns(MemoryStore())
    store = ReadOnly(inner)
    for call in (
        lambda key: store.set(key, b"x"),
        lambda key: store.set(key, b"x", create=True, metadata={"a": "b"}),
        store.delete,
        lambda key: store.delete_many([key]),
    ):
        with pytest.raises(Unsupported, match="read-only"):
            await call("k")
        with pytest.raises(KeyInvalid):
            await call("../k")
    await store.delete_many([])
    assert inner.calls == []
    await store.aclose()
    with pytest.raises(StoreClosed):
        await store.delete("k")


async def test_capabilities_and_blocking_half():
    store = ReadOnly(MemoryStore())
    capabilities = store.capabilities
    assert (capabilities.sync, capabilities.versions, capabilities.list) == (True, True, True)
    assert not any((capabilities.write, capabilities.create, capabilities.cas, capabilities.metadata))
    store.inner.set_sync("k", b"value")
    assert store.get_sync("k") == b"value"
    with pytest.raises(Unsupported):
        store.set_sync("k", b"x")
    with pytest.raises(Unsupported):
        store.delete_sync("k")
