"""C12: every verb of a store behind a network, cancelled at every turn of the event loop until it completes.

Nothing may be left: no task, no connection that is not back in the pool, no permit, no multipart upload; and what was
being written is there whole, or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import asynczarr as az
from asynczarr.middleware import RetryBudget, RetryPolicy
from asynczarr.store.base import Store
from asynczarr.testing import Fault, FaultyStore
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Scripted, WireFault
from asynczarr.types import ByteRange

from .stores import SOON, bare, stacked, wrapped

OLD, NEW = b"o" * 1000, b"n" * 1000
LARGE = b"l" * (6 << 20)


async def _list(store: Store) -> None:
    assert [key async for key in store.list("many/")] == [f"many/{number}" for number in range(5)]


VERBS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "get": lambda store: store.get("k"),
    "get a range": lambda store: store.get("k", ByteRange(-10)),
    "get_ranges": lambda store: store.get_ranges("k", [ByteRange(0, 9), ByteRange(50, 70), ByteRange(-5)]),
    "head": lambda store: store.head("k"),
    "set": lambda store: store.set("k", NEW),
    "create": lambda store: store.set("new", NEW, create=True),
    "delete": lambda store: store.delete("k"),
    "delete_many": lambda store: store.delete_many(["k", "many/0"]),
    "list": _list,
}


async def _cancelled_at_turn(turn: int, call: Awaitable[object]) -> bool:
    """Cancel a call at a turn of the loop; whether it completed before."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(call)

    def tick(left: int) -> None:
        if left:
            loop.call_soon(tick, left - 1)
        else:
            task.cancel()

    tick(turn)
    await asyncio.wait([task])
    if task.cancelled():
        return False
    await task
    return True


def _tasks(server: FaultServer) -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - server.tasks


async def _settled(server: FaultServer, before: set[asyncio.Task[Any]]) -> None:
    """Tasks that only close a connection may take a moment; the server must have seen all connections end or rest."""
    async with asyncio.timeout(SOON):
        while _tasks(server) - before or server.busy:
            await asyncio.sleep(0.0005)


def _fill(server: FaultServer) -> None:
    server.bucket.objects.clear()
    server.bucket.put("k", OLD)
    for number in range(5):
        server.bucket.put(f"many/{number}", b"")


def _check(server: FaultServer) -> None:
    assert server.bucket.uploads == {}
    for key in ("k", "new"):
        stored = server.bucket.objects.get(key)
        assert stored is None or stored.data in (OLD, NEW, LARGE)


def _weather(name: str) -> Scripted | None:
    """Every fourth request goes wrong."""
    faults = (WireFault(reset="after"), WireFault(status=503), WireFault(cut=3))
    if name == "calm":
        return None
    return Scripted(*(each for fault in faults for each in (fault, None, None, None)), always=True)


@pytest.mark.parametrize("weather", ["calm", "faults"])
@pytest.mark.parametrize("verb", VERBS)
async def test_at_every_turn(verb: str, weather: str) -> None:
    turns = 0
    budget = RetryBudget()
    policy = RetryPolicy(transient=0.0, throttle=0.0, most_asked=0.0, budget=budget)
    async with FaultServer() as server, stacked(server, policy=policy) as store:
        _fill(server)
        await store.get("k")
        server.faults = _weather(weather)
        done = False
        sent: list[int] = []
        while not done:
            _fill(server)
            server.forget()
            before = _tasks(server)
            done = await _cancelled_at_turn(turns, VERBS[verb](store))
            await _settled(server, before)
            _check(server)
            sent.append(len(server.requests))
            turns += 1
            assert turns < 3000
        assert turns > 5
        if weather == "calm":
            assert sent[0] == 0
            assert sent[-1] == max(sent), "the call that is not cancelled sends most, and sends it once"
        server.faults = None
        _fill(server)
        server.forget()
        connections = server.connections
        await asyncio.gather(*(store.get("k") for _ in range(64)))
        assert server.connections - connections <= 64, "every permit of the pool is back"
        for _ in range(600):
            await store.get("k")
        assert budget.tokens == budget.capacity, "every token of the budget can come back"


async def test_a_multipart_upload(scale: Any) -> None:
    """Two parts: whatever the moment, no upload is left on the server that would cost its owner money."""
    turn = 0
    aborted = 0
    async with FaultServer() as server, bare(server, multipart_size=5 << 20, part_size=5 << 20) as store:
        await store.get("k")
        done = False
        while not done:
            before = _tasks(server)
            server.forget()
            done = await _cancelled_at_turn(turn, store.set("k", LARGE))
            await _settled(server, before)
            aborted += server.sent["DELETE"]
            _check(server)
            turn += scale(7, 1, 1)
            assert turn < 5000
        assert aborted > 0, "no upload was ever cancelled in the middle"
        assert server.bucket.objects["k"].data == LARGE


async def test_permits_of_the_limit_come_back() -> None:
    """A limit of two requests and few bytes: cancelled at every turn, and both are free again."""
    slow = FaultyStore(az.MemoryStore(), [Fault("delay", times=None, seconds=0)])
    store = wrapped(slow, limit={"requests": 2, "max_bytes": 3000})
    await store.set("k", OLD)
    for turn in range(60):
        tasks = [asyncio.ensure_future(store.set("k", OLD)) for _ in range(4)]
        for _ in range(turn):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        async with asyncio.timeout(SOON):
            await asyncio.gather(*(store.get("k") for _ in range(4)))


async def test_listings_that_are_left() -> None:
    """Left after any number of names: the request for the next page, and its connection, are gone."""
    async with FaultServer() as server, stacked(server) as store:
        _fill(server)
        server.bucket.page = 2
        await store.get("k")
        for count in range(6):
            before = _tasks(server)
            names: AsyncIterator[str] = store.list("many/")
            for _ in range(count):
                await anext(names, None)
            if count < 5:
                await names.aclose()  # type: ignore[attr-defined]
            await _settled(server, before)
