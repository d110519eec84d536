"""The part of the contract for stores that handle several values at once."""

from __future__ import annotations

import asyncio

import pytest

from ..errors import KeyInvalid, StoreClosed
from ..store.base import ManyStore, Store
from ..types import ByteRange

__all__ = ["ManyContract"]


class ManyContract:
    """A part of :class:`~asynczarr.testing.StoreContract`."""

    async def test_many_at_once(self, store: Store) -> None:
        """Where several values can be read and written at once, it is the same as one by one."""
        if not store.capabilities.many:
            pytest.skip("the store handles one value at a time")
        assert isinstance(store, ManyStore)
        many: ManyStore = store
        values = {f"a/{number % 2}/{number}": b"%d" % number * number for number in range(20)} | {
            "top": b"",
            "a/b": b"x",
        }
        keys = [*values, "a/missing", "nowhere/missing"]

        def use() -> None:
            many.set_many_sync([*values.items()])
            many.set_many_sync([("a/b", bytearray(b"later")), ("top", b"top")])
            many.set_many_sync([])
            expected = [*({**values, "top": b"top", "a/b": b"later"}).values(), None, None]
            found = many.get_many_sync(keys)
            assert [None if value is None else bytes(value) for value in found] == expected
            parts = many.get_many_sync(keys, ByteRange(1, 4))
            assert [None if part is None else bytes(part) for part in parts] == [v and v[1:4] for v in expected]
            with pytest.raises(KeyInvalid):
                many.set_many_sync([("fine", b"x"), ("../x", b"x")])
            with pytest.raises(KeyInvalid):
                many.get_many_sync(["fine", "../x"])

        await asyncio.to_thread(use)
        assert bytes(await store.get("a/b") or b"") == b"later"
        await store.aclose()
        with pytest.raises(StoreClosed):
            many.get_many_sync(["top"])
        with pytest.raises(StoreClosed):
            many.set_many_sync([("top", b"x")])
