"""C3 and C18 on real servers: lost acknowledgements through the proxy, and servers killed by SIGKILL in mid-stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.middleware import RetryBudget, RetryPolicy
from asynczarr.store.base import Store
from asynczarr.testing.fault_proxy import FaultProxy
from asynczarr.testing.wire import Request
from asynczarr.testing.wire_faults import NO_FAULT, Drawn, WireFault

from .reach import REACH, Reach, on
from .stores import wrapped
from .test_lost_acknowledgements import LOST, check, report
from .workload import count_alone, count_together

pytestmark = pytest.mark.timeout(600)


def _patient() -> RetryPolicy:
    """Enough for a server that is away for half a minute while many requests wait for it."""
    budget = RetryBudget(100_000)
    return RetryPolicy(attempts=60, document_attempts=60, transient=0.1, cap=1.0, budget=budget)


@pytest.fixture
def server(server_name: str, request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{server_name}_server")


@asynccontextmanager
async def _through(server_name: str, server: Any) -> AsyncIterator[tuple[Store, FaultProxy, Drawn]]:
    reach = REACH[server_name]
    drawn = Drawn({LOST: 0.2})

    def faults(request: Request) -> WireFault:
        return NO_FAULT if request.verb in reach.handshake else drawn(request)

    async with FaultProxy(server.port) as proxy:
        proxy.keep = False
        async with wrapped(await reach.open(server, proxy.port)) as store:
            await store.get("warm")
            proxy.forget()
            proxy.faults = faults
            yield store, proxy, drawn
            proxy.faults = None


ENFORCING = ("moto", "ceph", "fake_gcs", "azurite", "redis")
"""Those that were seen to enforce conditions on their writes."""


@on(*ENFORCING)
async def test_clients_with_keys_of_their_own(server_name: str, server: Any, scale: Any, figure: Any) -> None:
    begun = time.monotonic()
    async with _through(server_name, server) as (store, proxy, drawn):
        tally = await count_alone(store, scale(160, 100_000, 1_000_000), clients=16)
        wire = {"sent": sum(proxy.sent.values()), "lost": drawn.met[LOST]}
        check(tally, wire)
        assert tally.succeeded > 0.97 * tally.writes
        report(figure, f"{REACH[server_name].backend} on {server_name}, own keys", tally, wire, begun)


@on(*ENFORCING)
async def test_clients_that_share_a_counter(server_name: str, server: Any, scale: Any, figure: Any) -> None:
    begun = time.monotonic()
    async with _through(server_name, server) as (store, proxy, drawn):
        tally = await count_together(store, scale(40, 800, 20_000))
        wire = {"sent": sum(proxy.sent.values()), "lost": drawn.met[LOST]}
        check(tally, wire)
        report(figure, f"{REACH[server_name].backend} on {server_name}, one counter", tally, wire, begun)


LASTING = ("ceph", "fake_gcs", "redis", "secantusdb")
"""Those that keep what they have acknowledged when they are killed. moto has everything in memory; Azurite writes its
index to disk every five seconds, and forgets the containers and blobs that are younger."""


@on(*LASTING, "azurite")
async def test_a_stream_goes_on_when_its_server_is_killed(
    server_name: str, server: Any, scale: Any, figure: Any
) -> None:
    """Killed in the middle of a read and started again: every chunk comes, once, and is right."""
    reach = REACH[server_name]
    data = np.arange(128 * 128).reshape(128, 128)
    kills, slowest, lost, wrong = scale(1, 20, 100), 0.0, 0, 0
    async with (
        FaultProxy(server.port) as proxy,
        wrapped(await reach.open(server, proxy.port), policy=_patient()) as store,
    ):
        array = await az.create_array(store, shape=data.shape, dtype=data.dtype, chunks=(16, 16))
        await array.write(data)
        await asyncio.sleep(6 if server_name == "azurite" else 0)  # until its index is on disk
        proxy.forget()
        for _ in range(kills):
            begin = time.monotonic()
            seen, different = await _streamed_through_a_kill(reach, server, array, data)
            lost += 64 - seen
            wrong += different
            slowest = max(slowest, time.monotonic() - begin)
        requests = len(proxy.requests)
        assert (lost, wrong) == (0, 0)
        assert 64 * kills <= requests <= 3 * 64 * kills, "what was under way is asked for again, and no more"
        with pytest.raises(az.StoreError):  # without patience: one typed error, soon
            await _read_while_gone(reach, server, array)
        assert (await array.read() == data).all()
    figure(
        "Servers killed by SIGKILL while an array is streamed",
        f"{reach.backend} on {server_name}",
        kills=kills,
        requests=requests,
        **{"chunks lost": lost, "wrong values": wrong, "slowest stream, s": slowest},
    )


async def _streamed_through_a_kill(reach: Reach, server: Any, array: az.Array, data: Any) -> tuple[int, int]:
    """How many chunks came, and how many of their values are wrong."""
    restarted = None
    seen = wrong = 0
    try:
        async for chunk in array.stream_chunks(max_bytes=20_000):
            seen += 1
            if seen == 10:
                restarted = asyncio.ensure_future(reach.restart(server))
            row, column = (16 * each for each in chunk.index)
            wrong += int((chunk.data != data[row : row + 16, column : column + 16]).sum())
            await asyncio.sleep(0.001)
    finally:
        if restarted is not None:
            await restarted
    return seen, wrong


async def _read_while_gone(reach: Reach, server: Any, array: az.Array) -> None:
    """Read with three quick attempts while the server is not there."""
    await reach.end(server)
    try:
        impatient = az.stack(
            _bare(array.store),
            policy=RetryPolicy(attempts=3, document_attempts=3, budget=RetryBudget()),
            deadline={"total": 20},
        )
        begin = time.monotonic()
        try:
            await impatient.get("c/0/0")
        finally:
            assert time.monotonic() - begin < 60, "its deadline is 20 s"
    finally:
        await reach.begin(server)


def _bare(store: Any) -> Any:
    while hasattr(store, "inner"):
        store = store.inner
    return store


@on(*LASTING)
async def test_acknowledged_writes_survive(server_name: str, server: Any, scale: Any, figure: Any) -> None:
    """Four writers; the server is killed while they write. What was acknowledged is there, or something newer."""
    reach = REACH[server_name]
    kills, lost, torn = scale(1, 20, 100), 0, 0
    acknowledged: dict[str, int] = {}
    asked: dict[str, int] = {}
    unknown = writes = 0
    stop = False

    async def writer(store: Store, name: int) -> None:
        nonlocal unknown, writes
        number = 0
        while not stop:
            key = f"w/{name}/{number % 10}"
            number += 1
            asked[key] = number
            writes += 1
            try:
                await store.set(key, b"%d " % number * 500)
                acknowledged[key] = number
            except az.StoreError:
                unknown += 1
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.002)

    async with wrapped(await reach.open(server)) as store:
        writers = [asyncio.ensure_future(writer(store, name)) for name in range(4)]
        for _ in range(kills):
            await asyncio.sleep(0.3)
            await reach.restart(server)
        await asyncio.sleep(0.3)
        stop = True
        await asyncio.gather(*writers)
        for key, number in acknowledged.items():
            value = await _patient_get(store, key)
            found = 0 if value is None else int(value.split()[0])
            torn += value is not None and value != b"%d " % found * 500
            lost += found < number
            assert found <= asked[key], "what nobody has written"
    assert acknowledged
    assert (lost, torn) == (0, 0)
    figure(
        "Servers killed by SIGKILL while four clients write",
        f"{reach.backend} on {server_name}",
        kills=kills,
        keys=len(acknowledged),
        writes=writes,
        **{"acknowledged writes lost": lost, "torn": torn, "writes without an answer": unknown},
    )


async def _patient_get(store: Store, key: str) -> bytes | None:
    async with asyncio.timeout(60):
        while True:
            try:
                value = await store.get(key)
            except az.StoreError:
                await asyncio.sleep(0.1)
                continue
            return None if value is None else bytes(value)
