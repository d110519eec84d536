"""The Telemetry middleware: it keeps the contract of its store, and tells of every call."""

from __future__ import annotations

import asyncio
import threading

import pytest

from asynczarr.errors import Forbidden, Unavailable
from asynczarr.middleware.base import Wrapper
from asynczarr.middleware.telemetry import Telemetry
from asynczarr.store import FilesystemStore, MemoryStore
from asynczarr.telemetry import events, hooks, subscribe
from asynczarr.telemetry.address import public
from asynczarr.testing import StoreContract
from asynczarr.types import ByteRange


class TestQuiet(StoreContract):
    @pytest.fixture
    async def store(self):
        async with Telemetry(MemoryStore()) as store:
            yield store


class TestWatched(StoreContract):
    @pytest.fixture(params=[MemoryStore, FilesystemStore])
    async def store(self, request, tmp_path):
        inner = FilesystemStore(tmp_path / "root") if request.param is FilesystemStore else MemoryStore()
        seen: list[events.Event] = []
        with subscribe(seen.append):
            async with Telemetry(inner) as store:
                yield store
        starts = [event.span for event in seen if isinstance(event, events.Start)]
        ends = [event.span for event in seen if isinstance(event, events.Stop | events.Failed)]
        assert sorted(starts) == sorted(ends)
        assert not store._flying


@pytest.fixture
def seen():
    found: list[events.Event] = []
    with subscribe(found.append):
        yield found


def _ends(seen: list[events.Event]) -> list[events.Event]:
    return [event for event in seen if not isinstance(event, events.Start)]


async def test_every_verb_tells_key_bytes_and_outcome(seen: list[events.Event]) -> None:
    async with Telemetry(MemoryStore()) as store:
        await store.set("a/b", b"12345", create=True)
        await store.get("a/b")
        await store.get("a/b", ByteRange(1, 3))
        await store.get("a/c")
        await store.get_ranges("a/b", [ByteRange(0, 1), ByteRange(-2)])
        await store.head("a/b")
        assert [key async for key in store.list("a/")] == ["a/b"]
        assert [name async for name in store.list_dir()] == ["a/"]
        await store.delete("a/b")
        await store.delete_many(["x", "y"])
    told = [(e.verb, e.key, e.ranges, e.size, e.nbytes, e.found, e.attempts) for e in _ends(seen)]  # type: ignore[attr-defined]
    assert told == [
        ("set", "a/b", 0, 5, 5, True, 1),
        ("get", "a/b", 0, 0, 5, True, 1),
        ("get", "a/b", 1, 0, 2, True, 1),
        ("get", "a/c", 0, 0, 0, False, 1),
        ("get_ranges", "a/b", 2, 0, 3, True, 1),
        ("head", "a/b", 0, 0, 0, True, 1),
        ("list", "a/", 0, 0, 1, True, 1),
        ("list_dir", "", 0, 0, 1, True, 1),
        ("delete", "a/b", 0, 0, 0, True, 1),
        ("delete_many", "x", 0, 0, 0, True, 1),
    ]
    assert all(e.store == store.url and e.duration > 0 for e in _ends(seen))  # type: ignore[attr-defined]


async def test_failures_are_told_without_foreign_words(seen: list[events.Event]) -> None:
    class Broken(Wrapper):
        async def get(self, key, byte_range=None):
            if key == "foreign":
                raise RuntimeError("https://user:secret@host")
            raise Forbidden("not yours", store="memory://", key=key)

        async def list(self, prefix=""):
            yield "a"
            raise Unavailable("the second page is gone")

    store = Telemetry(Broken(MemoryStore()))
    with pytest.raises(Forbidden):
        await store.get("a")
    with pytest.raises(RuntimeError):
        await store.get("foreign")
    with pytest.raises(Unavailable):
        _ = [key async for key in store.list()]
    failed = _ends(seen)
    assert all(isinstance(event, events.RequestFailed) for event in failed)
    told = [(event.error, event.message) for event in failed]  # type: ignore[attr-defined]
    assert told == [("Forbidden", "not yours"), ("RuntimeError", ""), ("Unavailable", "the second page is gone")]
    assert not store._flying
    assert "secret" not in repr(seen)


class _Slow(Wrapper):
    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.go = asyncio.Event()

    async def get(self, key, byte_range=None):
        await self.go.wait()
        return await self.inner.get(key)


@pytest.mark.every_loop
async def test_depth_and_cancellation(seen: list[events.Event]) -> None:
    slow = _Slow()
    store = Telemetry(slow)
    tasks = [asyncio.create_task(store.get(f"k{number}")) for number in range(3)]
    await asyncio.sleep(0.01)
    tasks[1].cancel()
    slow.go.set()
    await asyncio.wait(tasks)
    assert [e.queue_depth for e in seen if isinstance(e, events.RequestStart)] == [0, 1, 2]
    (failed,) = (e for e in seen if isinstance(e, events.RequestFailed))
    assert (failed.key, failed.error, failed.queue_depth) == ("k1", "CancelledError", 1)
    assert not store._flying


async def test_leaving_a_listing_ends_its_request(seen: list[events.Event]) -> None:
    async with Telemetry(MemoryStore()) as store:
        for number in range(5):
            await store.set(f"k{number}", b"")
        seen.clear()
        names = store.list()
        assert await anext(names) == "k0"
        await names.aclose()  # type: ignore[attr-defined]
    (stop,) = _ends(seen)
    assert isinstance(stop, events.RequestStop)
    assert stop.nbytes == 1


async def test_the_blocking_half_is_told_from_its_thread(seen: list[events.Event]) -> None:
    threads: list[int] = []
    with subscribe(lambda event: threads.append(threading.get_ident())):
        store = Telemetry(MemoryStore())
        assert store.capabilities.sync

        def work() -> None:
            store.set_sync("a", b"123")
            assert store.get_sync("a") == b"123"
            assert store.get_ranges_sync("a", [ByteRange(0, 2)]) is not None
            store.delete_sync("a")

        await asyncio.to_thread(work)
    assert [event.verb for event in _ends(seen)] == ["set", "get", "get_ranges", "delete"]  # type: ignore[attr-defined]
    assert [event.nbytes for event in _ends(seen)] == [3, 3, 2, 0]  # type: ignore[attr-defined]
    assert len(threads) == 8
    assert threading.get_ident() not in threads


async def test_nothing_is_made_while_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "emit", lambda event: pytest.fail(f"emitted {event}"))
    async with Telemetry(MemoryStore()) as store:
        await store.set("a", b"1")
        await store.get("a")
        store.set_sync("a", b"2")
        assert [key async for key in store.list()] == ["a"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("https://user:pass@host:80/a?token=1#x", "https://host:80/a"),
        ("redis://:pass@host", "redis://host"),
        ("redis://host?password=1", "redis://host"),
        ("mongodb://u:p@h1:1,h2:2/db", "mongodb://h1:1,h2:2/db"),
        ("memory://", "memory://"),
        ("file:///a%3Fb@c", "file:///a%3Fb@c"),
        ("<my store>", "<my store>"),
    ],
)
def test_addresses_show_no_secrets(url: str, shown: str) -> None:
    assert public(url) == shown
