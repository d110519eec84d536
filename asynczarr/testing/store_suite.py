"""The promises of :class:`~asynczarr.store.base.Store` as tests that every backend can run.

::

    from asynczarr.testing import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        async def store(self):
            async with MyStore(...) as store:   # empty, writable
                yield store

It needs pytest and pytest-asyncio (with ``asyncio_mode = auto``, or a fixture made by ``pytest_asyncio.fixture``).
What a store does not claim in its ``capabilities`` it must refuse with ``Unsupported``; the tests see to that too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ..errors import KeyInvalid, StoreClosed, Unsupported
from ..store.base import Store, SyncStore
from ..types import ByteRange
from .asking import names_of, refuses, value_of
from .conditions_suite import ConditionsContract
from .keys import HOSTILE_KEYS, ODD_KEYS
from .listing_suite import ListingContract
from .many_suite import ManyContract

__all__ = ["StoreContract"]


class StoreContract(ListingContract, ConditionsContract, ManyContract):
    """Inherit it, add a fixture ``store`` that gives an empty store, and let pytest collect the subclass."""

    pytestmark: pytest.MarkDecorator = pytest.mark.asyncio

    async def test_missing_is_none(self, store: Store) -> None:
        """Absence is an answer, not an error."""
        assert await store.get("zarr.json") is None
        assert await store.get("a/b", ByteRange(-4)) is None
        assert await store.get_ranges("a/b", [ByteRange(0, 4)]) is None
        assert await store.head("a/b") is None
        if store.capabilities.list:
            assert await names_of(store.list()) == await names_of(store.list_dir("a/")) == []
        await store.delete("a/b")
        await store.delete_many(["a/b", "zarr.json"])

    async def test_what_was_set_is_read(self, store: Store) -> None:
        """Set, overwrite with less and with more, delete."""
        for value in (b"first", b"", b"the third value", b"4"):
            await store.set("a/b", value)
            assert bytes(await value_of(store, "a/b")) == value
            info = await store.head("a/b")
            assert info is not None
            assert info.size == len(value)
        await store.delete("a/b")
        assert await store.get("a/b") is None
        assert await store.head("a/b") is None

    @pytest.mark.parametrize("value", [bytes(range(100)), b"x", b""], ids=["100 bytes", "1 byte", "empty"])
    async def test_ranges_are_slices(self, store: Store, value: bytes) -> None:
        """Suffixes, clamped and empty ranges; a range past the end is empty, a long suffix is everything."""
        await store.set("k", value)
        ends = (0, 1, 50, 99, 100, 101, 1000)
        ranges = [ByteRange(start, stop) for start in ends for stop in (*ends, None) if stop is None or start <= stop]
        ranges += [ByteRange(-length) for length in ends[1:]]
        for part in ranges:
            assert bytes(await value_of(store, "k", part)) == value[part.start : part.stop], part
        parts = await store.get_ranges("k", ranges)
        assert parts is not None
        assert parts.size == len(value)
        assert [bytes(data) for data in parts.data] == [value[part.start : part.stop] for part in ranges]

    async def test_get_ranges_keeps_order_and_duplicates(self, store: Store) -> None:
        """One buffer a range, in the order asked, also for none at all."""
        await store.set("k", b"0123456789")
        parts = await store.get_ranges("k", [ByteRange(8), ByteRange(2, 4), ByteRange(2, 4), ByteRange(1, 5)])
        assert parts is not None
        assert [bytes(data) for data in parts.data] == [b"89", b"23", b"23", b"1234"]
        nothing = await store.get_ranges("k", [])
        assert nothing is not None
        assert (nothing.data, nothing.size) == ([], 10)

    async def test_large_value(self, store: Store) -> None:
        """8 MiB there and back, whole and in part."""
        value = bytes(range(256)) * (8 << 12)
        await store.set("big", value)
        assert bytes(await value_of(store, "big")) == value
        assert bytes(await value_of(store, "big", ByteRange(-1000))) == value[-1000:]

    async def test_values_do_not_change_afterwards(self, store: Store) -> None:
        """Neither when the caller reuses its buffer, nor when a key is overwritten while somebody holds its value."""
        mine = bytearray(b"before")
        await store.set("k", mine)
        mine[:] = b"after!"
        read = await value_of(store, "k")
        part = await value_of(store, "k", ByteRange(0, 3))
        assert bytes(read) == b"before"
        await store.set("k", b"xxxxxx")
        assert (bytes(read), bytes(part)) == (b"before", b"bef")

    async def test_any_flat_buffer_is_a_value(self, store: Store) -> None:
        """bytes, bytearray and memoryview, also of wider items: the bytes count."""
        wide = memoryview(bytes(range(16))).cast("I")
        for value in (b"abcd", bytearray(b"abcd"), memoryview(b"xabcdx")[1:5], wide):
            await store.set("k", value)
            assert bytes(await value_of(store, "k")) == bytes(value)

    async def test_odd_keys(self, store: Store) -> None:
        """Every legal key can be written, read, listed and deleted."""
        for number, key in enumerate(ODD_KEYS):
            await store.set(key, b"%d" % number)
        for number, key in enumerate(ODD_KEYS):
            assert bytes(await value_of(store, key)) == b"%d" % number, key
        if store.capabilities.list:
            assert sorted([key async for key in store.list()]) == sorted(ODD_KEYS)
        await store.delete_many(ODD_KEYS)
        assert [key for key in ODD_KEYS if await store.get(key) is not None] == []

    async def test_hostile_keys_are_refused(self, store: Store) -> None:
        """By every verb, before anything is touched."""
        verbs: dict[str, Callable[[str], Awaitable[object]]] = {
            "get": store.get,
            "get a range": lambda key: store.get(key, ByteRange(0, 1)),
            "get_ranges": lambda key: store.get_ranges(key, [ByteRange(0, 1)]),
            "head": store.head,
            "set": lambda key: store.set(key, b"x"),
            "delete": store.delete,
            "delete_many": lambda key: store.delete_many([key]),
        }
        accepted = [(name, key) for name, verb in verbs.items() for key in HOSTILE_KEYS if not await refuses(verb(key))]
        assert accepted == []

    async def test_user_metadata(self, store: Store) -> None:
        """It is stored with the value or refused; an empty mapping is none."""
        await store.set("k", b"x", metadata={})
        if not store.capabilities.metadata:
            with pytest.raises(Unsupported):
                await store.set("k", b"y", metadata={"writer": "7"})
            assert bytes(await value_of(store, "k")) == b"x"
            return
        await store.set("k", b"y", metadata={"writer": "7"})
        info = await store.head("k")
        assert info is not None
        assert dict(info.metadata) == {"writer": "7"}

    async def test_readers_see_old_or_new(self, store: Store) -> None:
        """While a value is overwritten, every read is of one state of it, and all ranges are of the same."""
        size = 1 << 16
        await store.set("k", b"\0" * size)
        running = True

        async def read() -> None:
            while running:
                whole = bytes(await value_of(store, "k"))
                assert whole == whole[:1] * size
                parts = await store.get_ranges("k", [ByteRange(0, 100), ByteRange(-100), ByteRange(5000, 5001)])
                assert parts is not None
                assert len({bytes(data[:1]) for data in parts.data}) == 1
                await asyncio.sleep(0)

        readers = [asyncio.create_task(read()) for _ in range(4)]
        for number in range(1, 30):
            await store.set("k", bytes([number]) * size)
            await asyncio.sleep(0)
        running = False
        await asyncio.gather(*readers)

    async def test_cancelled_set_leaves_old_or_new(self, store: Store) -> None:
        """Cancelled at any moment, a write has happened or has not, and leaves nothing else behind."""
        old, new = b"o" * (1 << 20), b"n" * (1 << 20)
        for moment in range(12):
            await store.set("k", old)
            task = asyncio.create_task(store.set("k", new))
            for _ in range(moment):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert bytes(await value_of(store, "k")) in (old, new)
            if store.capabilities.list:
                assert await names_of(store.list()) == ["k"]

    async def test_blocking_half(self, store: Store) -> None:
        """Where there is one, it does the same from other threads."""
        if not store.capabilities.sync:
            pytest.skip("the store has no blocking half")
        assert isinstance(store, SyncStore)

        def use() -> None:
            assert store.get_sync("a/k") is None
            version = store.set_sync("a/k", b"0123456789")
            assert bytes(store.get_sync("a/k", ByteRange(-3)) or b"") == b"789"
            parts = store.get_ranges_sync("a/k", [ByteRange(1, 3)], if_version=version)
            assert parts is not None
            assert (bytes(parts.data[0]), parts.version, parts.size) == (b"12", version, 10)
            store.delete_sync("a/k", if_version=version)
            with pytest.raises(KeyInvalid):
                store.get_sync("../x")

        await asyncio.to_thread(use)
        assert await store.get("a/k") is None

    async def test_closed_store_refuses(self, store: Store) -> None:
        """``aclose`` may be called again; everything else raises ``StoreClosed``."""
        await store.set("k", b"x")
        await store.aclose()
        await store.aclose()
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: store.get("k"),
            lambda: store.get_ranges("k", [ByteRange()]),
            lambda: store.head("k"),
            lambda: store.set("k", b"y"),
            lambda: store.delete("k"),
        ]
        if store.capabilities.list:
            calls += [lambda: names_of(store.list()), lambda: names_of(store.list_dir())]
        for call in calls:
            with pytest.raises(StoreClosed):
                await call()

    async def test_url_is_shown(self, store: Store) -> None:
        """The address names a scheme, and errors name the store and the key."""
        assert "://" in store.url
        with pytest.raises(KeyInvalid) as caught:
            await store.get("../secret")
        assert "../secret" in str(caught.value)
