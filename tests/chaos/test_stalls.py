"""C7: a drip, silence, a half-open connection. A call ends when its time is over, and its connection with it.

In virtual time: with the times of the default stack, exact on every machine.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import numpy as np
import pytest

import asynczarr as az
from asynczarr.middleware import RetryBudget, RetryPolicy
from asynczarr.store.base import Store
from asynczarr.testing.fault_proxy import FaultProxy
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Scripted, WireFault

from .stores import bare, stacked
from .virtual_time import flying, now

pytestmark = pytest.mark.virtual_time

DATA = bytes(range(256)) * 4
FIRST_BYTE, BODY, TOTAL = 10.0, 15.0, 120.0
"""Seconds by the default stack: of an attempt until its answer begins, and for a small body; and of a whole call."""

STALLS = {
    "a drip": WireFault(bandwidth=1),
    "accepted, then silence": WireFault(silent="before"),
    "done, then silence": WireFault(silent="after"),
}


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        server.bucket.put("k", DATA)
        yield server


@pytest.mark.parametrize("name", STALLS)
async def test_one_stall_costs_one_attempt(server: FaultServer, name: str) -> None:
    async with stacked(server) as store:
        await _warm(store, server)
        server.faults = Scripted(STALLS[name])
        with flying():
            begin = now()
            assert bytes(await store.get("k")) == DATA
        assert now() - begin == pytest.approx(BODY if name == "a drip" else FIRST_BYTE, abs=0.1)
        assert server.verbs() == ["GET", "GET"]
        first, second = (request.connection for request in server.requests)
        assert first != second, "the stalled connection is not used again"
        await _closed(server, 1)


WITH_A_BODY = ("get", "list")
STALLED = [(verb, name) for verb in (*WITH_A_BODY, "head", "set", "delete") for name in STALLS]


@pytest.mark.parametrize(("verb", "name"), [(v, name) for v, name in STALLED if name != "a drip" or v in WITH_A_BODY])
async def test_a_call_ends_at_its_deadline(server: FaultServer, name: str, verb: str) -> None:
    attempts = RetryPolicy(attempts=50, document_attempts=50, transient=0.001, budget=RetryBudget())
    async with stacked(server, policy=attempts) as store:
        await _warm(store, server)
        server.faults = Scripted(STALLS[name], always=True)
        calls = {
            "get": lambda: store.get("k"),
            "head": lambda: store.head("k"),
            "set": lambda: store.set("k", b"new"),
            "delete": lambda: store.delete("k"),
            "list": lambda: _all(store.list()),
        }
        with flying():
            begin = now()
            with pytest.raises(az.DeadlineExceeded) as caught:
                await calls[verb]()
        assert now() - begin == pytest.approx(TOTAL, abs=0.5)
        assert caught.value.key == ("" if verb == "list" else "k")
        attempt = BODY if name == "a drip" else FIRST_BYTE
        if verb in ("set", "list"):  # nothing says when the answer begins: both times are one
            attempt = FIRST_BYTE + BODY
        assert len(server.requests) == math.ceil(TOTAL / attempt)
        connections = [request.connection for request in server.requests]
        assert len(set(connections)) == len(connections), "no stalled connection is used again"
        await _closed(server, 0)


async def _warm(store: Store, server: FaultServer) -> None:
    """Connect, which loads botocore in a thread, and see an answer begin, so that its two times are told apart."""
    await store.get("k")
    server.forget()


async def _all(names: AsyncIterator[str]) -> list[str]:
    return [name async for name in names]


async def _closed(server: FaultServer, left: int) -> None:
    """Wait until the client has closed all but `left` connections."""
    async with asyncio.timeout(30):
        while server.open_connections > left:
            await asyncio.sleep(0.01)


async def test_a_connection_that_is_half_open(server: FaultServer) -> None:
    """The other side is gone and has told nobody, as after a pulled plug."""
    port = int(server.address.rpartition(":")[2])
    async with FaultProxy(port) as proxy, stacked(proxy) as store:
        await _warm(store, server)
        assert bytes(await store.get("k")) == DATA
        proxy.blackhole = True
        proxy.forget()
        with flying():
            asyncio.get_running_loop().call_later(FIRST_BYTE + 5, setattr, proxy, "blackhole", False)
            begin = now()
            assert bytes(await store.get("k")) == DATA
        assert now() - begin == pytest.approx(2 * FIRST_BYTE, abs=0.1)
        assert proxy.verbs("k") == server.verbs("k")[1:] == ["GET"], "two were swallowed"
        assert proxy.connections == 3


async def test_a_stream_goes_on_after_stalls(server: FaultServer) -> None:
    """Of 64 chunks, four stall: each costs one more request, and the others do not wait for them."""
    data = np.arange(64 * 64).reshape(64, 64)
    async with bare(server) as store:
        array = await az.create_array(store, path="a", shape=(64, 64), chunks=(8, 8), dtype=data.dtype)
        await array.write(data)
    async with stacked(server) as store:
        array = await az.open_array(store, "a")
        server.forget()
        stall = WireFault(silent="before")
        server.faults = Scripted(stall, stall, None, None, stall, None, stall, key="a/c/", verbs=["GET"])
        with flying():
            begin = now()
            assert (await array.read() == data).all()
        assert now() - begin == pytest.approx(FIRST_BYTE, abs=0.1)
        assert server.sent["GET"] == 64 + 4
