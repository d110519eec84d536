"""The part of the contract about the names in a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from ..errors import Unsupported
from ..store.base import Store
from .asking import names_of, need, refuses
from .keys import HOSTILE_PREFIXES

__all__ = ["ListingContract"]


class ListingContract:
    """A part of :class:`~asynczarr.testing.StoreContract`."""

    async def test_list(self, store: Store) -> None:
        """A prefix is a folder, not the beginning of a string."""
        keys = ("a/b/c", "a/b/d", "a/e", "ab/x", "a-b/y", "a.json", "zarr.json")
        for key in keys:
            await store.set(key, b"x")
        if not store.capabilities.list:
            for listing in (store.list, store.list_dir):
                with pytest.raises(Unsupported):
                    await names_of(listing(""))
            return
        assert await names_of(store.list()) == sorted(keys)
        assert await names_of(store.list("a/")) == ["a/b/c", "a/b/d", "a/e"]
        assert await names_of(store.list("a/b/")) == ["a/b/c", "a/b/d"]
        assert await names_of(store.list("a/b/c/")) == []
        assert await names_of(store.list_dir()) == sorted(["a/", "ab/", "a-b/", "a.json", "zarr.json"])
        assert await names_of(store.list_dir("a/")) == ["b/", "e"]
        assert await names_of(store.list_dir("nothing/")) == []

    async def test_deleted_keys_leave_no_prefix(self, store: Store) -> None:
        """A prefix lives as long as a key below it."""
        need(store, "list")
        await store.set("a/b/c", b"x")
        await store.set("a/d", b"x")
        await store.delete("a/b/c")
        assert await names_of(store.list_dir("a/")) == ["d"]
        await store.delete_many(["a/d"])
        assert await names_of(store.list_dir()) == []

    async def test_many_keys_are_listed_completely(self, store: Store) -> None:
        """2,500 keys, which is more than one page anywhere; leaving a listing early is fine."""
        need(store, "list")
        keys = [f"many/c/{number}" for number in range(2500)]
        todo = iter(keys)

        async def work() -> None:
            for key in todo:
                await store.set(key, b"")

        await asyncio.gather(*(work() for _ in range(16)))
        assert await names_of(store.list("many/")) == sorted(keys)
        assert await names_of(store.list_dir("many/c/")) == sorted(map(str, range(2500)))
        async for _ in store.list("many/"):
            break
        await store.delete_many(keys)
        assert await names_of(store.list()) == []

    async def test_hostile_prefixes_are_refused(self, store: Store) -> None:
        """By both listings."""
        need(store, "list")

        async def walk(listing: Callable[[str], AsyncIterator[str]], prefix: str) -> None:
            await names_of(listing(prefix))  # inside of a coroutine: the call itself may refuse, or the first step

        for listing in (store.list, store.list_dir):
            accepted = [prefix for prefix in HOSTILE_PREFIXES if not await refuses(walk(listing, prefix))]
            assert accepted == []
