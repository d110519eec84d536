"""The scripted server: honest without faults, and each fault is what it says on the wire."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from urllib.parse import quote
from xml.etree import ElementTree

import aiohttp
import pytest

from asynczarr.testing.fault_server import FaultServer, reset
from asynczarr.testing.wire import Request
from asynczarr.testing.wire_faults import Drawn, Scripted, WireFault, seed
from tests.waiting import until

DATA = bytes(range(256)) * 4


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        server.bucket.put("k", DATA, {"who": "me"})
        yield server


@pytest.fixture
async def http(server: FaultServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.address, headers={"Accept-Encoding": "identity"}) as session:
        session._retry_connection = False
        yield session


async def _get(http: aiohttp.ClientSession, path: str = "/b/k", **headers: str) -> tuple[int, bytes]:
    async with http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()}) as answer:
        return answer.status, await answer.read()


async def _put(http: aiohttp.ClientSession, path: str, data: bytes = b"", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.put(path, data=data, headers=named) as answer:
        return answer.status


async def test_values(server, http):
    async with http.head("/b/k") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Length"] == "1024"
        assert answer.headers["x-amz-meta-who"] == "me"
        etag = answer.headers["ETag"]
    assert await _get(http) == (200, DATA)
    assert await _get(http, Range="bytes=2-5") == (206, DATA[2:6])
    assert await _get(http, Range="bytes=1020-5000") == (206, DATA[1020:])
    assert await _get(http, Range="bytes=1000-") == (206, DATA[1000:])
    assert await _get(http, Range="bytes=-7") == (206, DATA[-7:])
    assert await _get(http, Range="bytes=-7000") == (206, DATA)
    assert (await _get(http, Range="bytes=1024-"))[0] == 416
    assert (await _get(http, If_Match=etag))[0] == 200
    assert (await _get(http, If_Match='"other"'))[0] == 412
    assert (await _get(http, If_None_Match=etag))[0] == 304
    assert (await _get(http, "/b/none"))[0] == 404
    async with http.delete("/b/k") as answer:
        assert answer.status == 204
        assert "Content-Length" not in answer.headers
    assert (await _get(http))[0] == 404
    assert server.sent["GET"] == len(server.verbs("k")) - 2 + 1
    assert server.connections == 1


async def test_conditions(server, http):
    assert await _put(http, "/b/new", b"1", If_None_Match="*") == 200
    assert await _put(http, "/b/new", b"2", If_None_Match="*") == 412
    etag = server.bucket.objects["new"].etag
    assert await _put(http, "/b/new", b"3", If_Match=etag) == 200
    assert await _put(http, "/b/new", b"4", If_Match=etag.strip('"')) == 412
    assert await _put(http, "/b/gone", b"4", If_Match=etag) == 404
    assert server.bucket.objects["new"].data == b"3"
    async with http.delete("/b/new", headers={"If-Match": etag}) as answer:
        assert answer.status == 412


async def test_listings_have_pages(server, http):
    server.bucket.remove("k")
    for number in range(25):
        server.bucket.put(f"a/{number:02}/x&<", b"1")
    server.bucket.put("b", b"2")
    for query, names in [
        ("max-keys=10", [f"a/{number:02}/x&<" for number in range(25)] + ["b"]),
        ("max-keys=10&prefix=a/&delimiter=/", [f"a/{number:02}/" for number in range(25)]),
        ("delimiter=/", ["b", "a/"]),
        ("start-after=a/23/x%26%3C", ["a/24/x&<", "b"]),
    ]:
        found, token, pages = [], "", 0
        while token is not None:
            more = f"&continuation-token={quote(token)}" if token else ""
            _, body = await _get(http, f"/b?list-type=2&{query}{more}")
            root = ElementTree.fromstring(body)
            space = {"s": "http://s3.amazonaws.com/doc/2006-03-01/"}
            found += [each.text for each in root.findall("s:Contents/s:Key", space)]
            found += [each.text for each in root.findall("s:CommonPrefixes/s:Prefix", space)]
            token = root.findtext("s:NextContinuationToken", None, space)
            pages += 1
        assert found == names
        assert pages == (3 if "max-keys" in query else 1)


async def test_multipart_and_batch_delete(server, http):
    async with http.post("/b/big?uploads", headers={"x-amz-meta-a": "b"}) as answer:
        name = ElementTree.fromstring(await answer.read())[-1].text
    assert list(server.bucket.uploads) == [name]
    for number in (2, 1):
        assert await _put(http, f"/b/big?partNumber={number}&uploadId={name}", b"%d" % number) == 200
    body = "<C><Part><PartNumber>1</PartNumber></Part><Part><PartNumber>2</PartNumber></Part></C>"
    async with http.post(f"/b/big?uploadId={name}", data=body, headers={"If-None-Match": "*"}) as answer:
        assert answer.status == 200
    stored = server.bucket.objects["big"]
    assert (stored.data, stored.metadata, server.bucket.uploads) == (b"12", {"a": "b"}, {})
    async with http.delete(f"/b/big?uploadId={name}") as answer:
        assert answer.status == 404
    async with http.post("/b?delete", data="<D><Object><Key>big</Key></Object><Object><Key>k</Key></Object></D>"):
        assert server.bucket.objects == {}


@pytest.mark.parametrize(("moment", "stored"), [("before", False), ("after", True)])
@pytest.mark.parametrize("how", ["reset", "silent"])
async def test_a_write_without_an_answer(server, http, how, moment, stored):
    server.faults = Scripted(WireFault(**{how: moment}), verbs=["PUT"])
    with pytest.raises((aiohttp.ClientOSError, TimeoutError)):
        async with asyncio.timeout(1.5):
            await _put(http, "/b/new", b"1")
    assert ("new" in server.bucket.objects) is stored
    assert server.verbs("new") == ["PUT"]
    assert await _put(http, "/b/new", b"2") == 200
    assert server.connections == 2


async def test_statuses(server, http):
    server.faults = Scripted(
        WireFault(status=503, retry_after=0.5), WireFault(status=500, committed=True), None, verbs=["PUT"]
    )
    async with http.put("/b/new", data=b"1") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "0.5")
        assert b"<Code>SlowDown</Code>" in await answer.read()
    assert "new" not in server.bucket.objects
    assert await _put(http, "/b/new", b"2") == 500
    assert server.bucket.objects["new"].data == b"2"
    assert await _put(http, "/b/new", b"3") == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (WireFault(cut=100), aiohttp.ClientPayloadError),
        (WireFault(reset="body"), (aiohttp.ClientPayloadError, aiohttp.ClientOSError)),
        (WireFault(length_error=1), aiohttp.ClientPayloadError),
    ],
)
async def test_bodies_that_break_off(server, http, fault, error):
    server.faults = Scripted(fault)
    with pytest.raises(error):
        await _get(http)
    assert await _get(http) == (200, DATA)
    assert server.connections == 2


async def test_answers_that_lie(server, http):
    server.faults = Scripted(
        WireFault(whole=True), WireFault(shift=3), WireFault(flip=8 * 1024 + 17), WireFault(length_error=-24)
    )
    assert await _get(http, Range="bytes=2-5") == (200, DATA)
    async with http.get("/b/k", headers={"Range": "bytes=2-5"}) as answer:
        assert (answer.headers["Content-Range"], await answer.read()) == ("bytes 5-8/1024", DATA[5:9])
    _, flipped = await _get(http)
    assert [number for number in range(1024) if flipped[number] != DATA[number]] == [2]
    assert flipped[2] ^ DATA[2] == 2
    assert await _get(http) == (200, DATA[:-24])


async def test_slow_ones(server, http):
    for fault, least in [(WireFault(delay=0.05), 0.05), (WireFault(late=0.05), 0.05), (WireFault(bandwidth=1e4), 0.1)]:
        server.faults = Scripted(fault)
        begin = time.monotonic()
        assert await _get(http) == (200, DATA)
        assert time.monotonic() - begin >= least
    server.faults = Scripted(WireFault(bandwidth=3))
    async with http.get("/b/k") as answer:
        assert len(await answer.content.read(8)) < 8, "that would take more than two seconds"


async def test_stale_listings_and_duplicates(server, http):
    server.bucket.put("new", b"1")
    server.bucket.remove("k")
    for stale, keys in [(1, [b"k", b"new"]), (2, [b"k"]), (0, [b"new"]), (100, [])]:
        server.faults = Scripted(WireFault(stale=stale))
        _, body = await _get(http, "/b?list-type=2")
        assert [part.partition(b"<")[0] for part in body.split(b"<Key>")[1:]] == keys
    server.faults = Scripted(WireFault(duplicate=1.5), verbs=["PUT"])
    assert await _put(http, "/b/new", b"2") == 200
    assert await _put(http, "/b/new", b"3") == 200
    assert server.bucket.objects["new"].data == b"3"
    await until(lambda: server.bucket.objects["new"].data == b"2")  # the duplicate comes late: a newer write is undone


async def test_a_value_can_change_behind_a_reader(server, http):
    server.faults = Scripted(None, WireFault(before=lambda: server.bucket.put("k", b"other")))
    assert await _get(http) == (200, DATA)
    assert await _get(http) == (200, b"other")


async def test_it_can_be_stopped_and_started_again(server, http):
    assert await _get(http) == (200, DATA)
    await server.stop()
    assert server.open_connections == 0
    with pytest.raises(aiohttp.ClientError):
        await _get(http)
    await server.start()
    assert await _get(http) == (200, DATA)
    assert server.sent == {"GET": 2}
    server.forget()
    assert (server.requests, server.sent) == ([], {})


@pytest.mark.parametrize("sent", [b"", b"GET /b/k HT", b"GET /b/k HTTP/1.1\r\n\r\n"], ids=["nothing", "half", "whole"])
async def test_a_reset_by_the_client_is_heard(server, monkeypatch, sent):
    """No matter in which order finalizers run: here as if the future with the reset always came before its protocol."""
    monkeypatch.delattr(asyncio.StreamReaderProtocol, "__del__")
    complaints: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    server.faults = Drawn({WireFault(silent="before"): 1.0})
    _, writer = await asyncio.open_connection("127.0.0.1", int(server.address.rpartition(":")[2]))
    writer.write(sent)
    while not server.connections or server.busy != sent.endswith(b"\n\r\n"):
        await asyncio.sleep(0.001)
    reset(writer.transport)
    while server.open_connections:
        await asyncio.sleep(0.001)
    del writer
    gc.collect()
    loop.set_exception_handler(None)
    assert complaints == []


def _requests(*keys: str) -> list[Request]:
    return [Request(number, 0, 0.0, "PUT", "b", key, {}, {}, 0) for number, key in enumerate(keys)]


def test_draws_can_be_replayed():
    """The faults of a key do not depend on how its requests mix with those of others."""
    fault = WireFault(reset="after")
    one, two = (Drawn({fault: 0.5}, seed=7) for _ in range(2))
    first = [one(request) for request in _requests(*["a", "b"] * 50)]
    second = [two(request) for request in _requests(*["a"] * 50, *["b"] * 50)]
    assert (first[::2], first[1::2]) == (second[:50], second[50:])
    assert 20 < one.met[fault] < 80
    other = [Drawn({fault: 0.5}, seed=8)(request) for request in _requests(*["a", "b"] * 50)]
    assert other != first


def test_draws_end():
    draw = Drawn({WireFault(reset="after"): 1.0}, seed=7, at_most=3, verbs=["PUT"])
    met = [draw(request) != WireFault() for request in _requests(*["a"] * 8)]
    assert met == [True, True, True, False, True, True, True, False]
    with pytest.raises(ValueError, match="more than 1"):
        Drawn({WireFault(status=500): 0.6, WireFault(status=503): 0.6})


def test_the_seed_is_kept(monkeypatch):
    monkeypatch.delenv("ASYNCZARR_SEED", raising=False)
    assert seed() == seed()
    monkeypatch.setenv("ASYNCZARR_SEED", "11")
    assert seed() == 11


def test_scripts():
    fault = WireFault(status=500)
    script = Scripted(None, fault, key="a")
    assert [script(request) is fault for request in _requests("b", "a", "b", "xa", "a")] == [False] * 3 + [True, False]
    assert script.met == 3
    storm = Scripted(fault, always=True)
    assert all(storm(request) is fault for request in _requests("a", "b", "c"))
