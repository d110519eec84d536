"""The part of the contract about versions, and writes that depend on what is stored."""

from __future__ import annotations

import asyncio

import pytest

from ..errors import AlreadyExists, PreconditionFailed, Unsupported
from ..store.base import Store
from ..types import ByteRange
from .asking import need, value_of

__all__ = ["ConditionsContract"]


class ConditionsContract:
    """A part of :class:`~asynczarr.testing.StoreContract`."""

    async def test_versions(self, store: Store) -> None:
        """Other bytes make another version, reads tell it, and ``if_version`` pins it."""
        await store.set("k", b"first")
        first = await store.head("k")
        assert first is not None
        if not store.capabilities.versions:
            assert first.version is None
            with pytest.raises(Unsupported):
                await store.get_ranges("k", [ByteRange()], if_version="1")
            return
        parts = await store.get_ranges("k", [ByteRange()], if_version=first.version)
        assert parts is not None
        assert parts.version == first.version
        second = await store.set("k", b"other")
        assert second not in (None, first.version)
        now = await store.head("k")
        assert now is not None
        assert now.version == second
        with pytest.raises(PreconditionFailed):
            await store.get_ranges("k", [ByteRange()], if_version=first.version)
        assert await store.get_ranges("missing", [ByteRange()], if_version=first.version) is None

    async def test_create_has_one_winner(self, store: Store) -> None:
        """Of 32 at once, one creates the key and the others are told that it exists."""
        if not store.capabilities.create:
            with pytest.raises(Unsupported):
                await store.set("k", b"x", create=True)
            assert await store.get("k") is None
            return
        calls = (store.set("lock", b"%d" % number, create=True) for number in range(32))
        results = await asyncio.gather(*calls, return_exceptions=True)
        winners = [number for number, result in enumerate(results) if not isinstance(result, BaseException)]
        assert len(winners) == 1
        assert {type(result) for result in results if isinstance(result, BaseException)} == {AlreadyExists}
        assert bytes(await value_of(store, "lock")) == b"%d" % winners[0]

    async def test_conditions_on_what_is_not_so(self, store: Store) -> None:
        """A wrong version, or a missing key, refuses set and delete and changes nothing."""
        if not store.capabilities.cas:
            await store.set("k", b"x")
            with pytest.raises(Unsupported):
                await store.set("k", b"y", if_version="1")
            with pytest.raises(Unsupported):
                await store.delete("k", if_version="1")
            assert bytes(await value_of(store, "k")) == b"x"
            return
        old = await store.set("k", b"old")
        new = await store.set("k", b"new")
        refusal = PreconditionFailed if store.capabilities.cas_delete else Unsupported
        with pytest.raises(PreconditionFailed):
            await store.set("k", b"x", if_version=old)
        with pytest.raises(refusal):
            await store.delete("k", if_version=old)
        assert bytes(await value_of(store, "k")) == b"new"
        await store.delete("k", if_version=new if store.capabilities.cas_delete else None)
        with pytest.raises(PreconditionFailed):
            await store.set("k", b"x", if_version=new)
        with pytest.raises(refusal):
            await store.delete("k", if_version=new)
        assert await store.get("k") is None

    async def test_compare_and_swap_loses_no_update(self, store: Store) -> None:
        """8 workers add 1 to a counter, 25 times each."""
        need(store, "cas")
        await store.set("counter", b"0")

        async def add_one() -> None:
            while True:
                parts = await store.get_ranges("counter", [ByteRange()])
                assert parts is not None
                await asyncio.sleep(0)  # let the others in, also if the store never waits
                try:
                    await store.set("counter", b"%d" % (int(bytes(parts.data[0])) + 1), if_version=parts.version)
                except PreconditionFailed:
                    continue
                return

        async def work() -> None:
            for _ in range(25):
                await add_one()

        await asyncio.gather(*(work() for _ in range(8)))
        assert bytes(await value_of(store, "counter")) == b"200"
