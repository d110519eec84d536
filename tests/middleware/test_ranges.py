"""Several ranges of which one fails: only what has not arrived is asked for again, of the same version."""

from __future__ import annotations

import asyncio

import pytest

from asynczarr.errors import IntegrityError, PreconditionFailed, Unavailable
from asynczarr.middleware import Retry
from asynczarr.store.answer import part_arrives
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Scripted as Faults
from asynczarr.testing.wire_faults import WireFault
from asynczarr.types import ByteRange, Parts

from .kit import Scripted, policy, virtual

stacked = pytest.importorskip("tests.chaos.stores").stacked

VALUE, OTHER = bytes(range(250)) * 4, bytes(range(250, 0, -1)) * 4
RANGES = [*(ByteRange(40 * number, 40 * number + 8) for number in range(20)), ByteRange(-8)]
FAULTS = {
    "500": WireFault(status=500),
    "503": WireFault(status=503, retry_after=0),
    "reset": WireFault(reset="before"),
    "broken in the body": WireFault(cut=4),
    "silence": WireFault(silent="before"),
}
ATTEMPT = {"first_byte": 2.0, "body": 2.0}


@pytest.fixture
async def server():
    async with FaultServer() as server:
        server.bucket.put("k", VALUE)
        yield server


def _cut(value):
    return [part.of(value) for part in RANGES]


def _ranges(server, first=0):
    return [request.headers.get("range") for request in server.requests[first:]]


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("at", [0, 1, 6, 19])
async def test_one_request_more_for_one_that_fails(server, name, at):
    async with stacked(server, attempt_deadline=ATTEMPT, resume=False) as store:
        version = (await store.head("k")).version
        server.forget()
        server.faults = Faults(*[None] * at, FAULTS[name])
        parts = await store.get_ranges("k", RANGES)
        assert [bytes(data) for data in parts.data] == _cut(VALUE)
        assert (parts.version, parts.size) == (version, len(VALUE))
        assert len(server.requests) == len(RANGES) + 1
        again = server.requests[-1] if at else server.requests[1]
        assert again.headers["range"] == server.requests[at].headers["range"]
        assert again.headers.get("if-match") == (version if at else None)


async def test_two_that_fail_twice(server):
    fault = WireFault(status=500)
    async with stacked(server) as store:
        await store.head("k")
        server.forget()
        server.faults = Faults(*[None] * 5, fault, None, fault, *[None] * 13, fault, fault)
        parts = await store.get_ranges("k", RANGES)
        assert [bytes(data) for data in parts.data] == _cut(VALUE)
        assert len(server.requests) == len(RANGES) + 4
        assert sorted(_ranges(server, 21)[:2]) == sorted(_ranges(server, 23))


@pytest.mark.parametrize("given", [False, True])
async def test_a_value_that_changed_meanwhile_is_read_as_a_whole(server, given):
    changes = WireFault(status=500, before=lambda: server.bucket.put("k", OTHER))
    async with stacked(server) as store:
        version = (await store.head("k")).version
        server.forget()
        server.faults = Faults(*[None] * 20, changes)
        if given:
            with pytest.raises(PreconditionFailed):
                await store.get_ranges("k", RANGES, if_version=version)
            assert len(server.requests) == len(RANGES) + 1
            return
        parts = await store.get_ranges("k", RANGES)
        assert [bytes(data) for data in parts.data] == _cut(OTHER)
        assert parts.version == (await store.head("k")).version != version
        assert server.sent["GET"] == len(RANGES) + 1 + len(RANGES)


async def test_a_value_that_was_deleted_meanwhile_is_missing(server):
    gone = WireFault(status=500, before=lambda: server.bucket.remove("k"))
    async with stacked(server) as store:
        await store.head("k")
        server.faults = Faults(*[None] * 20, gone)
        assert await store.get_ranges("k", RANGES) is None


async def _telling(*script):
    """A store that tells of each range, and then fails as the script says."""
    store = Scripted(*script)
    await store.inner.set("k", VALUE)
    inner, asked = store.inner.get_ranges, []

    async def get_ranges(key, ranges, *, if_version=None):
        asked.append((list(ranges), if_version))
        parts = await inner(key, ranges, if_version=if_version)
        for number, data in enumerate(parts.data[:-1]):
            part_arrives(ranges, number, Parts([data], parts.version, parts.size))
            part_arrives(list(ranges), number, Parts([b"x" * len(data)], parts.version, parts.size))  # of another call
        return parts

    store.inner.get_ranges = get_ranges
    return store, asked


async def after_all(send):
    await send()
    raise Unavailable("at the end")


@virtual
async def test_what_a_store_tells_of_other_ranges_is_not_taken():
    store, asked = await _telling(after_all)
    parts = await Retry(store, policy=policy()).get_ranges("k", RANGES)
    assert [bytes(data) for data in parts.data] == _cut(VALUE)
    assert asked == [(RANGES, None), (RANGES[-1:], parts.version)]


@virtual
async def test_nothing_is_kept_of_an_answer_that_is_wrong():
    async def wrong(send):
        await send()
        raise IntegrityError("some of it")

    store, asked = await _telling(wrong)
    parts = await Retry(store, policy=policy()).get_ranges("k", RANGES)
    assert [bytes(data) for data in parts.data] == _cut(VALUE)
    assert asked == [(RANGES, None)] * 2


async def test_cancelled_at_every_moment(server):
    async with stacked(server) as store:
        await store.head("k")
        for moment in range(12):
            server.faults = Faults(None, None, WireFault(status=500))
            before = asyncio.all_tasks()
            task = asyncio.create_task(store.get_ranges("k", RANGES))
            await asyncio.sleep(0.002 * moment)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.result().size == len(VALUE)
            left = [one for one in asyncio.all_tasks() - before if "asynczarr/store" in repr(one)]
            assert left == []
