"""C5: faults of TCP, by the proxy: latency, bandwidth, resets, half an answer, silence, nobody there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.store.base import Store
from asynczarr.testing.fault_proxy import FaultProxy
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Drawn, WireFault, seed

from .stores import SOON, stacked
from .virtual_time import flying, now

DATA = np.arange(128 * 128).reshape(128, 128)
pytestmark = pytest.mark.virtual_time

LIMIT = 300.0
"""Virtual seconds in which it must be over: attempts that wait for 10 s, a few in a row."""

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


@asynccontextmanager
async def _connected(store: Store, proxy: FaultProxy) -> AsyncIterator[None]:
    """Connect in calm, which needs threads and real time; then let time fly."""
    faults, proxy.faults = proxy.faults, None
    await store.get("k")
    proxy.forget()
    proxy.faults = faults
    with flying():
        yield


async def _work(proxy: FaultProxy) -> tuple[int, int]:
    """Write and read an array of 64 chunks through the proxy; the requests that it took, and the wrong values."""
    async with stacked(proxy) as store, _connected(store, proxy), asyncio.timeout(LIMIT):
        array = await az.create_array(store, shape=DATA.shape, dtype=DATA.dtype, chunks=(16, 16))
        await array.write(DATA)
        wrong = int((await array.read() != DATA).sum())
        assert len([key async for key in store.list("c/")]) == 64
        await store.delete_many([key async for key in store.list()])
    return sum(proxy.sent.values()), wrong


@pytest.mark.parametrize("name", TOXICS)
async def test_faults(proxy: FaultProxy, name: str, scale: Any, figure: Any) -> None:
    calm, _ = await _work(proxy)
    begin = now()
    arrays = scale(1, 30, 300)
    requests = faults = wrong = 0
    for number in range(arrays):
        drawn = proxy.faults = Drawn(TOXICS[name], seed=seed() + number, at_most=3)
        asked, different = await _work(proxy)
        requests += asked
        wrong += different
        faults += sum(drawn.met.values())
    assert wrong == 0
    assert faults > 0
    assert requests <= arrays * calm + 3 * faults, "every fault costs a few requests, not more"
    figure(
        "Faults of TCP, by the proxy: an array of 64 chunks written and read",
        name,
        arrays=arrays,
        requests=requests,
        faults=faults,
        **{"wrong values": wrong, "seconds": now() - begin},
    )


async def test_latency_and_bandwidth(proxy: FaultProxy) -> None:
    """20 ms each way cost no request more, and requests wait together, not one after the other."""
    values = [DATA[row : row + 16].tobytes() for row in range(0, 128, 2)]
    async with stacked(proxy) as store, _connected(store, proxy):
        for latency, bandwidth, seconds in (
            (0.02, None, 3 * 0.04),
            (0.0, 1_000_000, 2 * 64 * len(values[0]) / 1e6),
        ):
            proxy.latency, proxy.bandwidth = latency, bandwidth
            begin = now()
            await asyncio.gather(*(store.set(f"{number}", value) for number, value in enumerate(values)))
            assert list(await asyncio.gather(*(store.get(f"{number}") for number in range(64)))) == values
            assert now() - begin == pytest.approx(seconds, rel=0.5)
        assert proxy.sent == {"PUT": 128, "GET": 128}


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
        async with asyncio.timeout(SOON):
            while True:
                try:
                    await store.set("k", b"1", create=True)
                    break
                except az.ConnectionFailed:
                    continue
        assert proxy.verbs() == ["PUT"]
