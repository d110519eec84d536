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
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ..errors import AlreadyExists, KeyInvalid, PreconditionFailed, StoreClosed, Unsupported
from ..store.base import Store, SyncStore
from ..types import ByteRange
from .keys import HOSTILE_KEYS, HOSTILE_PREFIXES, ODD_KEYS
from .many_suite import ManyContract

__all__ = ["StoreContract"]


class StoreContract(ManyContract):
    """Inherit it, add a fixture ``store`` that gives an empty store, and let pytest collect the subclass."""

    pytestmark: pytest.MarkDecorator = pytest.mark.asyncio

    async def test_missing_is_none(self, store: Store) -> None:
        """Absence is an answer, not an error."""
        assert await store.get("zarr.json") is None
        assert await store.get("a/b", ByteRange(-4)) is None
        assert await store.get_ranges("a/b", [ByteRange(0, 4)]) is None
        assert await store.head("a/b") is None
        if store.capabilities.list:
            assert await _drain(store.list()) == await _drain(store.list_dir("a/")) == []
        await store.delete("a/b")
        await store.delete_many(["a/b", "zarr.json"])

    async def test_what_was_set_is_read(self, store: Store) -> None:
        """Set, overwrite with less and with more, delete."""
        for value in (b"first", b"", b"the third value", b"4"):
            await store.set("a/b", value)
            assert bytes(await _get(store, "a/b")) == value
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
            assert bytes(await _get(store, "k", part)) == value[part.start : part.stop], part
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
        assert bytes(await _get(store, "big")) == value
        assert bytes(await _get(store, "big", ByteRange(-1000))) == value[-1000:]

    async def test_values_do_not_change_afterwards(self, store: Store) -> None:
        """Neither when the caller reuses its buffer, nor when a key is overwritten while somebody holds its value."""
        mine = bytearray(b"before")
        await store.set("k", mine)
        mine[:] = b"after!"
        read = await _get(store, "k")
        part = await _get(store, "k", ByteRange(0, 3))
        assert bytes(read) == b"before"
        await store.set("k", b"xxxxxx")
        assert (bytes(read), bytes(part)) == (b"before", b"bef")

    async def test_any_flat_buffer_is_a_value(self, store: Store) -> None:
        """bytes, bytearray and memoryview, also of wider items: the bytes count."""
        wide = memoryview(bytes(range(16))).cast("I")
        for value in (b"abcd", bytearray(b"abcd"), memoryview(b"xabcdx")[1:5], wide):
            await store.set("k", value)
            assert bytes(await _get(store, "k")) == bytes(value)

    async def test_odd_keys(self, store: Store) -> None:
        """Every legal key can be written, read, listed and deleted."""
        for number, key in enumerate(ODD_KEYS):
            await store.set(key, b"%d" % number)
        for number, key in enumerate(ODD_KEYS):
            assert bytes(await _get(store, key)) == b"%d" % number, key
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
        accepted = [
            (name, key) for name, verb in verbs.items() for key in HOSTILE_KEYS if not await _refuses(verb(key))
        ]
        assert accepted == []

    async def test_hostile_prefixes_are_refused(self, store: Store) -> None:
        """By both listings."""
        _need(store, "list")

        async def walk(listing: Callable[[str], AsyncIterator[str]], prefix: str) -> None:
            await _drain(listing(prefix))  # inside of a coroutine: the call itself may refuse, or the first step

        for listing in (store.list, store.list_dir):
            accepted = [prefix for prefix in HOSTILE_PREFIXES if not await _refuses(walk(listing, prefix))]
            assert accepted == []

    async def test_list(self, store: Store) -> None:
        """A prefix is a folder, not the beginning of a string."""
        keys = ("a/b/c", "a/b/d", "a/e", "ab/x", "a-b/y", "a.json", "zarr.json")
        for key in keys:
            await store.set(key, b"x")
        if not store.capabilities.list:
            for listing in (store.list, store.list_dir):
                with pytest.raises(Unsupported):
                    await _drain(listing(""))
            return
        assert await _drain(store.list()) == sorted(keys)
        assert await _drain(store.list("a/")) == ["a/b/c", "a/b/d", "a/e"]
        assert await _drain(store.list("a/b/")) == ["a/b/c", "a/b/d"]
        assert await _drain(store.list("a/b/c/")) == []
        assert await _drain(store.list_dir()) == sorted(["a/", "ab/", "a-b/", "a.json", "zarr.json"])
        assert await _drain(store.list_dir("a/")) == ["b/", "e"]
        assert await _drain(store.list_dir("nothing/")) == []

    async def test_deleted_keys_leave_no_prefix(self, store: Store) -> None:
        """A prefix lives as long as a key below it."""
        _need(store, "list")
        await store.set("a/b/c", b"x")
        await store.set("a/d", b"x")
        await store.delete("a/b/c")
        assert await _drain(store.list_dir("a/")) == ["d"]
        await store.delete_many(["a/d"])
        assert await _drain(store.list_dir()) == []

    async def test_many_keys_are_listed_completely(self, store: Store) -> None:
        """2,500 keys, which is more than one page anywhere; leaving a listing early is fine."""
        _need(store, "list")
        keys = [f"many/c/{number}" for number in range(2500)]
        todo = iter(keys)

        async def work() -> None:
            for key in todo:
                await store.set(key, b"")

        await asyncio.gather(*(work() for _ in range(16)))
        assert await _drain(store.list("many/")) == sorted(keys)
        assert await _drain(store.list_dir("many/c/")) == sorted(map(str, range(2500)))
        async for _ in store.list("many/"):
            break
        await store.delete_many(keys)
        assert await _drain(store.list()) == []

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
        assert bytes(await _get(store, "lock")) == b"%d" % winners[0]

    async def test_conditions_on_what_is_not_so(self, store: Store) -> None:
        """A wrong version, or a missing key, refuses set and delete and changes nothing."""
        if not store.capabilities.cas:
            await store.set("k", b"x")
            with pytest.raises(Unsupported):
                await store.set("k", b"y", if_version="1")
            with pytest.raises(Unsupported):
                await store.delete("k", if_version="1")
            assert bytes(await _get(store, "k")) == b"x"
            return
        old = await store.set("k", b"old")
        new = await store.set("k", b"new")
        refusal = PreconditionFailed if store.capabilities.cas_delete else Unsupported
        with pytest.raises(PreconditionFailed):
            await store.set("k", b"x", if_version=old)
        with pytest.raises(refusal):
            await store.delete("k", if_version=old)
        assert bytes(await _get(store, "k")) == b"new"
        await store.delete("k", if_version=new if store.capabilities.cas_delete else None)
        with pytest.raises(PreconditionFailed):
            await store.set("k", b"x", if_version=new)
        with pytest.raises(refusal):
            await store.delete("k", if_version=new)
        assert await store.get("k") is None

    async def test_compare_and_swap_loses_no_update(self, store: Store) -> None:
        """8 workers add 1 to a counter, 25 times each."""
        _need(store, "cas")
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
        assert bytes(await _get(store, "counter")) == b"200"

    async def test_user_metadata(self, store: Store) -> None:
        """It is stored with the value or refused; an empty mapping is none."""
        await store.set("k", b"x", metadata={})
        if not store.capabilities.metadata:
            with pytest.raises(Unsupported):
                await store.set("k", b"y", metadata={"writer": "7"})
            assert bytes(await _get(store, "k")) == b"x"
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
                whole = bytes(await _get(store, "k"))
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
            assert bytes(await _get(store, "k")) in (old, new)
            if store.capabilities.list:
                assert await _drain(store.list()) == ["k"]

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
            calls += [lambda: _drain(store.list()), lambda: _drain(store.list_dir())]
        for call in calls:
            with pytest.raises(StoreClosed):
                await call()

    async def test_url_is_shown(self, store: Store) -> None:
        """The address names a scheme, and errors name the store and the key."""
        assert "://" in store.url
        with pytest.raises(KeyInvalid) as caught:
            await store.get("../secret")
        assert "../secret" in str(caught.value)


async def _get(store: Store, key: str, byte_range: ByteRange | None = None) -> bytes | bytearray | memoryview:
    value = await store.get(key, byte_range)
    assert value is not None, key
    return value


async def _drain(names: AsyncIterator[str]) -> list[str]:
    return sorted([name async for name in names])


async def _refuses(call: Awaitable[object]) -> bool:
    try:
        await call
    except KeyInvalid:
        return True
    return False


def _need(store: Store, capability: str) -> None:
    if not getattr(store.capabilities, capability):
        pytest.skip(f"the store has no {capability}")
