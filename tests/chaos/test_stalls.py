"""C7: a drip, silence, a half-open connection. A call ends when its time is over, and its connection with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.store.base import Store
from asynczarr.testing.fault_proxy import FaultProxy
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Scripted, WireFault

from .stores import bare, stacked

DATA = bytes(range(256)) * 4
ATTEMPT = {"first_byte": 0.2, "body": 0.2}
TOTAL = 1.0

STALLS = {
    "a drip": WireFault(bandwidth=5),
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
    async with stacked(server, attempt_deadline=ATTEMPT) as store:
        await _warm(store, server)
        server.faults = Scripted(STALLS[name])
        begin = time.monotonic()
        assert bytes(await store.get("k")) == DATA
        assert 0.15 < time.monotonic() - begin < 1
        assert server.verbs() == ["GET", "GET"]
        first, second = (request.connection for request in server.requests)
        assert first != second, "the stalled connection is not used again"
        await _closed(server, 1)


@pytest.mark.parametrize("name", STALLS)
@pytest.mark.parametrize("verb", ["get", "head", "set", "delete", "list"])
async def test_a_call_ends_at_its_deadline(server: FaultServer, name: str, verb: str) -> None:
    if name == "a drip" and verb in ("head", "set", "delete"):
        pytest.skip("the answer has no body")
    layers: dict[str, Any] = {"deadline": {"total": TOTAL}, "attempt_deadline": ATTEMPT}
    async with stacked(server, **layers) as store:
        await _warm(store, server)
        server.faults = Scripted(STALLS[name], always=True)
        calls = {
            "get": lambda: store.get("k"),
            "head": lambda: store.head("k"),
            "set": lambda: store.set("k", b"new"),
            "delete": lambda: store.delete("k"),
            "list": lambda: _all(store.list()),
        }
        begin = time.monotonic()
        with pytest.raises((az.DeadlineExceeded, az.AttemptTimeout, az.OutcomeUnknown)) as caught:
            await calls[verb]()
        assert time.monotonic() - begin < TOTAL + 0.5
        assert isinstance(caught.value, az.StoreError)
        assert caught.value.key == ("" if verb == "list" else "k")
        assert 1 <= len(server.requests) <= 6
        connections = [request.connection for request in server.requests]
        assert len(set(connections)) == len(connections), "no stalled connection is used again"
        await _closed(server, 0)


async def _warm(store: Store, server: FaultServer) -> None:
    """Connect, which takes as long as loading botocore takes."""
    async with asyncio.timeout(30):
        while True:
            try:
                await store.head("warm")
                break
            except az.StoreError:
                continue
    server.forget()


async def _all(names: AsyncIterator[str]) -> list[str]:
    return [name async for name in names]


async def _closed(server: FaultServer, left: int) -> None:
    """Wait until the client has closed all but `left` connections; it must not take long."""
    async with asyncio.timeout(1):
        while server.open_connections > left:
            await asyncio.sleep(0.001)


async def test_a_connection_that_is_half_open(server: FaultServer) -> None:
    """The other side is gone and has told nobody, as after a pulled plug."""
    port = int(server.address.rpartition(":")[2])
    async with FaultProxy(port) as proxy, stacked(proxy, attempt_deadline=ATTEMPT) as store:
        await _warm(store, server)
        assert bytes(await store.get("k")) == DATA
        proxy.blackhole = True
        asyncio.get_running_loop().call_later(0.5, setattr, proxy, "blackhole", False)
        begin = time.monotonic()
        assert bytes(await store.get("k")) == DATA
        assert 0.15 < time.monotonic() - begin < 3
        assert proxy.connections > 1


async def test_a_stream_goes_on_after_stalls(server: FaultServer) -> None:
    """Of 64 chunks, four stall: each costs one more request, and the others do not wait for them."""
    data = np.arange(64 * 64).reshape(64, 64)
    async with bare(server) as store:
        array = await az.create_array(store, path="a", shape=(64, 64), chunks=(8, 8), dtype=data.dtype)
        await array.write(data)
    async with stacked(server, attempt_deadline={"first_byte": 0.6, "body": 0.4}) as store:
        array = await az.open_array(store, "a")
        server.forget()
        stall = WireFault(silent="before")
        server.faults = Scripted(stall, stall, None, None, stall, None, stall, key="a/c/", verbs=["GET"])
        begin = time.monotonic()
        assert (await array.read() == data).all()
        assert time.monotonic() - begin < 4
        assert server.sent["GET"] == 64 + 4
