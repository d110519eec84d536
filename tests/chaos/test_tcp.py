"""C5: faults of TCP, by the proxy: latency, bandwidth, resets, half an answer, silence, nobody there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.testing.fault_proxy import FaultProxy
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Drawn, WireFault, seed

from .stores import stacked

DATA = np.arange(128 * 128).reshape(128, 128)
LIMIT = 60.0
"""Seconds in which it must be over, on a busy machine too."""

TOXICS: dict[str, dict[WireFault, float]] = {
    "reset before it arrives": {WireFault(reset="before"): 0.15},
    "reset after it is done": {WireFault(reset="after"): 0.15},
    "reset after 200 bytes": {WireFault(cut=200, reset="body"): 0.15},
    "closed after 200 bytes": {WireFault(cut=200): 0.15},
    "silence": {WireFault(silent="before"): 0.02, WireFault(silent="after"): 0.02},
    "slow": {WireFault(delay=0.05): 0.2},
    "all of them": {
        WireFault(reset="before"): 0.05,
        WireFault(reset="after"): 0.05,
        WireFault(cut=200, reset="body"): 0.05,
        WireFault(cut=200): 0.05,
        WireFault(silent="after"): 0.01,
        WireFault(delay=0.02): 0.05,
    },
}


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    async with FaultServer() as server, FaultProxy(int(server.address.rpartition(":")[2])) as proxy:
        yield proxy


async def _work(proxy: FaultProxy) -> int:
    """Write and read an array of 64 chunks through the proxy; the requests that it took."""
    proxy.forget()
    attempt = {"first_byte": 1.0, "body": 1.0}
    async with asyncio.timeout(LIMIT), stacked(proxy, attempt_deadline=attempt) as store:
        array = await az.create_array(store, shape=DATA.shape, dtype=DATA.dtype, chunks=(16, 16))
        await array.write(DATA)
        assert (await array.read() == DATA).all()
        assert len([key async for key in store.list("c/")]) == 64
        await store.delete_many([key async for key in store.list()])
    return sum(proxy.sent.values())


@pytest.mark.parametrize("name", TOXICS)
async def test_faults(proxy: FaultProxy, name: str, scale: Any, figure: Any) -> None:
    calm = await _work(proxy)
    begin = time.monotonic()
    requests = wrong = 0
    for number in range(scale(1, 20, 200)):
        drawn = proxy.faults = Drawn(TOXICS[name], seed=seed() + number, at_most=3)
        requests += await _work(proxy)
        wrong += sum(drawn.met.values())
    assert wrong > 0
    assert requests <= scale(1, 20, 200) * calm + 3 * wrong, "every fault costs a few requests, not more"
    figure(
        "Faults of TCP, by the proxy: an array of 64 chunks written and read",
        name,
        arrays=scale(1, 20, 200),
        requests=requests,
        faults=wrong,
        **{"wrong values": 0, "seconds": time.monotonic() - begin},
    )


async def test_latency_and_bandwidth(proxy: FaultProxy) -> None:
    """20 ms each way cost no request more, and requests wait together, not one after the other."""
    calm = await _work(proxy)
    proxy.latency = 0.02
    begin = time.monotonic()
    assert await _work(proxy) == calm
    assert time.monotonic() - begin < 0.04 * calm
    proxy.latency, proxy.bandwidth = 0.0, 400_000
    assert await _work(proxy) == calm


async def test_nobody_there(proxy: FaultProxy) -> None:
    """Refused connections: proven not sent, tried again, and at last an error that says what it was."""
    proxy.refuse()
    async with stacked(proxy) as store:
        for conditional in ({}, {"create": True}):
            with pytest.raises(az.ConnectionFailed, match="no connection") as caught:
                await store.set("k", b"1", **conditional)
            assert (caught.value.sent, caught.value.attempts) == (False, 6)
        assert proxy.verbs() == []
        asyncio.get_running_loop().call_later(0.02, lambda: asyncio.ensure_future(proxy.start()))
        async with asyncio.timeout(10):
            while True:
                try:
                    await store.set("k", b"1", create=True)
                    break
                except az.ConnectionFailed:
                    continue
        assert proxy.verbs() == ["PUT"]
