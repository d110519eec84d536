"""The proxy changes nothing by itself; each of its faults is what it says, for HTTP and for Redis."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from asynczarr.testing.fault_proxy import FaultProxy
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Drawn, Scripted, WireFault

DATA = bytes(range(256)) * 4096


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        server.bucket.put("k", DATA)
        yield server


@pytest.fixture
async def proxy(server: FaultServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(int(server.address.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
async def http(proxy: FaultProxy) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(proxy.address) as session:
        session._retry_connection = False
        yield session


async def _get(http: aiohttp.ClientSession, path: str = "/b/k") -> bytes:
    async with http.get(path) as answer:
        return await answer.read()


async def test_it_passes_everything_on(server, proxy, http):
    for _ in range(3):
        assert await _get(http) == DATA
    async with http.put("/b/new", data=DATA[:-1]) as answer:
        assert answer.status == 200
    assert server.bucket.objects["new"].data == DATA[:-1]
    assert proxy.verbs() == server.verbs() == ["GET"] * 3 + ["PUT"]
    assert proxy.requests[-1].headers["content-length"] == str(len(DATA) - 1)
    assert (proxy.connections, server.connections) == (1, 1)


async def test_latency_does_not_add_up(proxy, http):
    """1 MiB is many packets, and all of them are under way at once."""
    await _get(http)
    proxy.latency = 0.25
    begin = time.monotonic()
    assert await _get(http) == DATA
    assert 0.5 <= time.monotonic() - begin < 3, "16 pieces of 64 KiB would need 4 s"


async def test_bandwidth_is_shared(proxy, http):
    proxy.bandwidth = 4 * len(DATA)
    begin = time.monotonic()
    assert await asyncio.gather(_get(http), _get(http)) == [DATA, DATA]
    assert 0.48 < time.monotonic() - begin < 4


@pytest.mark.parametrize(("moment", "stored"), [("before", False), ("after", True)])
@pytest.mark.parametrize("how", ["reset", "silent"])
async def test_a_write_without_an_answer(server, proxy, http, how, moment, stored):
    proxy.faults = Scripted(WireFault(**{how: moment}), verbs=["PUT"])
    with pytest.raises((aiohttp.ClientOSError, TimeoutError)):
        async with asyncio.timeout(1.5), http.put("/b/new", data=b"1"):
            pass
    assert ("new" in server.bucket.objects) is stored
    assert proxy.verbs("new") == ["PUT"]
    assert await _get(http) == DATA
    assert proxy.connections == 2


@pytest.mark.parametrize("fault", [WireFault(cut=100_000), WireFault(cut=100_000, reset="body")])
async def test_answers_that_break_off(proxy, http, fault):
    proxy.faults = Scripted(fault)
    with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
        await _get(http)
    assert await _get(http) == DATA


async def test_a_delay(server, proxy, http):
    proxy.faults = Scripted(WireFault(delay=0.1))
    begin = time.monotonic()
    assert await _get(http) == DATA
    assert time.monotonic() - begin >= 0.1


async def test_refused_dropped_swallowed(proxy, http):
    assert await _get(http) == DATA
    proxy.refuse()
    assert await _get(http) == DATA, "the open connection goes on"
    proxy.drop()
    await asyncio.sleep(0.01)
    with pytest.raises(aiohttp.ClientConnectorError, match="Connect call failed"):
        await _get(http)
    await proxy.start()
    assert await _get(http) == DATA
    proxy.blackhole = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await _get(http)
    proxy.blackhole = False
    assert await _get(http) == DATA


async def test_a_server_that_is_gone(server, proxy, http):
    await server.stop()
    with pytest.raises(aiohttp.ClientOSError):
        await _get(http)
    await server.start()
    assert await _get(http) == DATA


async def test_what_only_a_server_can_do_is_refused(proxy):
    proxy.faults = Scripted(WireFault(status=503), always=True)
    with pytest.raises(ValueError, match="a proxy cannot"):
        proxy.begin(b"GET /b/k HTTP/1.1\r\n", 0)


async def test_lost_answers_of_another_protocol():
    """Of Redis' protocol the proxy knows verb and key; of others only where an exchange begins."""
    commands = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while command := await reader.read(1000):
            commands.append(command)
            writer.write(b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, FaultProxy(server.sockets[0].getsockname()[1]) as proxy:
        draw = proxy.faults = Drawn({WireFault(reset="after"): 0.5}, seed=1, verbs=["SET"])
        lost = 0
        for _ in range(40):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n")
            try:
                assert await reader.readline() == b"+OK\r\n"
                writer.write(b"hello")
                assert await reader.readline() == b"+OK\r\n"
            except ConnectionResetError:
                lost += 1
            writer.close()
        assert lost == sum(draw.met.values())
        assert 5 < lost < 35
        assert len(commands) == 80 - lost, "the server has seen every command"
        assert proxy.sent == {"SET": 40, "": 40 - lost}
        assert {request.key for request in proxy.requests if request.verb == "SET"} == {"k"}


@pytest.mark.parametrize("first", ["client", "server"])
async def test_nothing_stays_open_when_both_ends_are_done(first):
    """A socket that has said all and heard all is closed, or a server that closes after each answer uses them up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first == "client":
            assert await reader.read() == b"ask"
        writer.write(b"answer")
        writer.close()
        await writer.wait_closed()

    before = len(os.listdir("/proc/self/fd"))
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, FaultProxy(server.sockets[0].getsockname()[1]) as proxy:
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"ask")
            if first == "client":
                writer.write_eof()
            assert await reader.read() == b"answer"
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(10):
            while len(os.listdir("/proc/self/fd")) > before + 4:
                await asyncio.sleep(0.01)
        assert proxy.connections == 20
