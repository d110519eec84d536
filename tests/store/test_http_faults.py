"""Faults of HTTP servers: one typed error each, whether the request was sent, and how many requests there were."""

from __future__ import annotations

import asyncio
import gzip
import socket
import sys
import traceback
from email.utils import formatdate
from time import time

import pytest

from asynczarr import errors
from asynczarr.middleware import Resume
from asynczarr.store import HTTPStore
from asynczarr.store.answer import watch_answer
from asynczarr.types import ByteRange, Parts
from tests.waiting import until

from .scripted_http import Reply, ScriptedServer

VALUE = bytes(range(100))
ALL = ByteRange()


def ranged(request, value=VALUE, **headers):
    """What a server that can do everything answers."""
    headers = {"ETag": '"1"', "Accept-Ranges": "bytes", **headers}
    part = request.headers.get("range")
    if part is None or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return Reply(200, value, headers)
    first, _, last = part.removeprefix("bytes=").partition("-")
    start, stop = (len(value) - int(last), len(value)) if not first else (int(first), int(last or 10**9) + 1)
    start, stop = max(0, start), min(stop, len(value))
    if start >= stop:
        return Reply(416, b"no", headers)
    return Reply(206, value[start:stop], {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{len(value)}"})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.StoreError),
        (401, errors.Unauthenticated),
        (403, errors.Forbidden),
        (405, errors.Unsupported),
        (408, errors.Unavailable),
        (416, errors.StoreError),
        (429, errors.Throttled),
        (500, errors.Unavailable),
        (502, errors.Unavailable),
        (503, errors.Unavailable),
        (599, errors.Unavailable),
    ],
)
async def test_status_codes(status, error):
    async with ScriptedServer(lambda _: Reply(status)) as server, HTTPStore(server.url) as store:
        for number, call in enumerate((store.get("a/k"), store.head("a/k"), store.get_ranges("a/k", [ByteRange(5)]))):
            if status == 416 and number == 2:  # a range that is refused is looked into
                error = errors.StoreError
            with pytest.raises(errors.StoreError) as caught:
                await call
            assert type(caught.value) is error
            assert (caught.value.key, caught.value.store) == ("a/k", server.url)
        assert len(server.requests) == (4 if status == 416 else 3)


@pytest.mark.parametrize("status", [404, 410])
async def test_missing(status):
    async with ScriptedServer(lambda _: Reply(status)) as server, HTTPStore(server.url) as store:
        assert await store.get("k") is None
        assert await store.get("k", ByteRange(-5)) is None
        assert await store.head("k") is None
        assert await store.get_ranges("k", [ByteRange(0, 5), ByteRange(7)]) is None
        assert len(server.requests) == 4


async def test_throttling_says_how_long():
    in_a_minute = formatdate(time() + 60, usegmt=True)
    for status, header, seconds in (
        (429, "7", 7),
        (503, "0", 0),
        (429, in_a_minute, 60),
        (503, formatdate(0, usegmt=True), 0),
        (429, "soon", None),
        (429, None, None),
    ):
        reply = Reply(status, headers={} if header is None else {"Retry-After": header})
        async with ScriptedServer([reply]) as server, HTTPStore(server.url) as store:
            with pytest.raises(errors.Throttled) as caught:
                await store.get("k")
            assert caught.value.retry_after == (seconds if seconds is None else pytest.approx(seconds, abs=5))


async def test_a_broken_kept_connection_is_not_used_again_by_stealth():
    """aiohttp would send the second request twice."""
    script = [Reply(200, b"x"), Reply(reset=True)]
    async with ScriptedServer(script) as server, HTTPStore(server.url) as store:
        assert await store.get("k") == b"x"
        with pytest.raises(errors.ConnectionFailed) as caught:
            await store.get("k")
        assert caught.value.sent
        assert len(server.requests) == 2


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("part", [ALL, ByteRange(0, 50), ByteRange(-50)], ids=str)
async def test_a_short_body_is_no_value(part, reset):
    def script(request):
        reply = ranged(request)
        reply.cut, reply.reset = 30, reset
        return reply

    async with ScriptedServer(script) as server, HTTPStore(server.url) as store:
        with pytest.raises((errors.Truncated, errors.ConnectionFailed)):
            await store.get("k", part)
        assert len(server.requests) == 1


async def test_nobody_listens():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        async with HTTPStore(url) as store:
            with pytest.raises(errors.ConnectionFailed) as caught:
                await store.get("k")
    assert not caught.value.sent


async def test_no_such_host():
    async with HTTPStore("http://no-such-host.invalid") as store:
        with pytest.raises(errors.ConnectionFailed) as caught:
            await store.get("k")
    assert not caught.value.sent


async def test_a_connection_that_takes_too_long():
    with socket.socket() as sock, socket.socket() as one, socket.socket() as two:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        for client in (one, two):  # they fill the queue; the next SYN is dropped
            client.setblocking(False)
            client.connect_ex(sock.getsockname())
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/?signature=secret"
        async with HTTPStore(url, connect_timeout=0.2) as store:
            with pytest.raises(errors.AttemptTimeout) as caught:
                await store.get("k")
    assert not caught.value.sent
    assert "secret" not in "".join(traceback.format_exception(caught.value))


async def test_silence():
    script = [Reply(200, b"x", silent=30), Reply(200, VALUE, cut=None)]
    async with ScriptedServer(script) as server, HTTPStore(server.url, read_timeout=1.5) as store:
        with pytest.raises(errors.AttemptTimeout) as caught:
            await store.get("k")
        assert caught.value.sent
        assert await store.get("k") == VALUE
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(206, VALUE[10:20], {"Content-Range": "bytes 11-20/100"}), errors.IntegrityError),
        (Reply(206, VALUE[10:15], {"Content-Range": "bytes 10-14/100"}), errors.Truncated),
        (Reply(206, VALUE[10:15], {"Content-Range": "bytes 10-19/100"}), errors.Truncated),
        (Reply(206, VALUE[10:25], {"Content-Range": "bytes 10-19/100"}), errors.IntegrityError),
        (Reply(206, VALUE[10:30], {"Content-Range": "bytes 10-29/100"}), errors.IntegrityError),
        (Reply(206, VALUE[10:20], {"Content-Range": "bytes 10-19/*"}), errors.Unsupported),
        (Reply(206, VALUE[10:20]), errors.Unsupported),
        (Reply(206, b"--x", {"Content-Type": "multipart/byteranges; boundary=x"}), errors.Unsupported),
        (Reply(206, gzip.compress(VALUE), {"Content-Encoding": "gzip"}), errors.Unsupported),
        (Reply(200, gzip.compress(VALUE), {"Content-Encoding": "gzip"}), errors.Unsupported),
        (Reply(204), errors.StoreError),
        (Reply(300), errors.StoreError),
        (Reply(304), errors.StoreError),
        (Reply(302), errors.Unavailable),
        (Reply(302, headers={"Location": "ftp://host/k"}), errors.Unavailable),
        (Reply(302, headers={"Location": "http://[/"}), errors.Unavailable),
    ],
)
async def test_wrong_answers(reply, error):
    async with ScriptedServer([reply]) as server, HTTPStore(server.url) as store:
        with pytest.raises(errors.StoreError) as caught:
            await store.get("k", ByteRange(10, 20))
        assert type(caught.value) is error
        assert server.seen == [("GET", "bytes=10-19")]


@pytest.mark.parametrize("reset", [False, True])
async def test_a_broken_body_is_gone_on_with(reset):
    """From the byte where it broke, and of the same version."""
    sizes = []
    async with ScriptedServer(ranged) as server, HTTPStore(server.url) as bare:

        def break_the_first(reply):
            if len(server.requests) == 1:
                reply.cut, reply.reset = 30, reset

        server.fault = break_the_first
        with watch_answer(sizes.append, lambda: sizes.append("awaited")):
            assert await Resume(bare).get("k") == VALUE
        assert server.seen == [("GET", ""), ("GET", "bytes=30-")]
        assert server.requests[1].headers["if-range"] == '"1"'
        assert sizes == ["awaited", 100, "awaited", 70]


async def test_a_body_of_unknown_length_is_refused():
    script = [Reply(200, VALUE, {"Content-Length": None}), Reply(200, b"", {"Content-Length": None})]
    async with ScriptedServer(script) as server, HTTPStore(server.url) as store:
        with pytest.raises(errors.Unsupported):
            await store.get("k")
        with pytest.raises(errors.Unsupported):
            await store.head("k")
        assert len(server.requests) == 2


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_server_that_ignores_ranges(chunked):
    def script(_):
        if not chunked:
            return Reply(200, VALUE)
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(VALUE), VALUE)
        return Reply(200, body, {"Content-Length": None, "Transfer-Encoding": "chunked", "Connection": "close"})

    parts = [ByteRange(3, 8), ByteRange(90, 120), ByteRange(-7), ByteRange(40), ByteRange(200, 300), ALL]
    async with ScriptedServer(script) as server, HTTPStore(server.url, unranged_limit=100) as store:
        for part in parts:
            assert bytes(await store.get("k", part)) == VALUE[part.start : part.stop]
        assert len(server.requests) == len(parts)
        found = await store.get_ranges("k", parts)
        assert found == Parts([part.of(VALUE) for part in parts], None, 100)
        assert len(server.requests) == len(parts) + 1
    async with ScriptedServer(script) as server, HTTPStore(server.url, unranged_limit=99) as store:
        assert await store.get("k") == VALUE  # all that was asked for
        for part in (ByteRange(90, 101), ByteRange(-7), ByteRange(40)):
            with pytest.raises(errors.Unsupported, match="ignores ranges"):
                await store.get("k", part)
        if not chunked:
            assert bytes(await store.get("k", ByteRange(3, 8))) == VALUE[3:8]
            assert len(server.requests) == 5


@pytest.mark.parametrize("answer", ["all", "first bytes", 400, 416, 501])
async def test_a_server_without_suffix_ranges(answer):
    def script(request):
        if request.headers.get("range", "").startswith("bytes=-"):
            if isinstance(answer, int):
                return Reply(answer)
            if answer == "first bytes":
                return Reply(206, VALUE[:8], {"Content-Range": "bytes 0-7/100", "ETag": '"1"'})
            return Reply(200, VALUE, {"Accept-Ranges": "bytes", "ETag": '"1"'})
        return ranged(request)

    async with ScriptedServer(script) as server, HTTPStore(server.url) as store:
        for _ in range(2):
            assert bytes(await store.get("k", ByteRange(-7))) == VALUE[-7:]
        by_head = [("HEAD", ""), ("GET", "bytes=93-99")]
        assert server.seen == [("GET", "bytes=-7"), *by_head, *by_head]  # it is tried once only
        parts = await store.get_ranges("k", [ByteRange(-3), ByteRange(0, 2)])
        assert (parts.version, [bytes(data) for data in parts.data]) == ('"1"', [VALUE[-3:], VALUE[:2]])


async def test_a_refused_range_is_no_empty_value():
    def script(request):
        return Reply(416) if request.method == "GET" else ranged(request)

    async with ScriptedServer(script) as server, HTTPStore(server.url) as store:
        with pytest.raises(errors.Unavailable, match="refused"):
            await store.get("k", ByteRange(0, 5))
        assert bytes(await store.get("k", ByteRange(100, 105))) == b""
        assert [method for method, _ in server.seen] == ["GET", "HEAD"] * 2


async def test_ranges_of_a_value_that_changes_are_read_again():
    state = iter("1122222222")

    def script(request):
        tag = next(state)
        return ranged(request, tag.encode() * 100, ETag=f'"{tag}"')

    async with ScriptedServer(script) as server, HTTPStore(server.url) as store:
        parts = await store.get_ranges("k", [ByteRange(0, 2), ByteRange(-2), ByteRange(50, 51)])
        assert parts == Parts([b"22", b"22", b"2"], '"2"', 100)
        assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("parts", "cover"),
    [
        ([ByteRange(0, 1), ByteRange(2, 3)], "bytes=0-2"),
        ([ByteRange(4, 6), ByteRange(2, 4), ByteRange(9, 20)], "bytes=2-19"),
        ([ByteRange(4, 6), ByteRange(-1)], ""),
        ([ByteRange(4, 6), ByteRange(1)], "bytes=1-"),
        ([ByteRange(4, 6), ByteRange(3, 3), ByteRange(5, 8)], "bytes=3-7"),
    ],
    ids=str,
)
async def test_a_value_that_never_rests_is_read_by_one_request(parts, cover):
    count = 0

    def script(request):
        nonlocal count
        count += 1
        return ranged(request, b"%d" % (count % 10) * 10, ETag=f'"{count}"')

    async with ScriptedServer(script) as server, HTTPStore(server.url) as store:
        found = await store.get_ranges("k", parts)
        assert server.seen[-1] == ("GET", cover)
        assert found.version == f'"{len(server.requests)}"'
        value = b"%d" % (len(server.requests) % 10) * 10
        assert [bytes(data) for data in found.data] == [value[part.start : part.stop] for part in parts]


async def test_weak_validators_are_compared_but_are_no_versions():
    tags = iter(['W/"1"', 'W/"1"', 'W/"1"', 'W/"2"', 'W/"2"', 'W/"2"'])

    def script(request):
        return ranged(request, ETag=next(tags))

    async with ScriptedServer(script) as server, HTTPStore(server.url) as store:
        assert (await store.head("k")).version is None
        parts = await store.get_ranges("k", [ByteRange(0, 1)])
        assert parts.version is None
        parts = await store.get_ranges("k", [ByteRange(0, 1), ByteRange(2, 3)])
        assert (parts.version, len(server.requests)) == (None, 6)
        assert "if-range" not in server.requests[-1].headers


async def test_private_headers_go_to_no_other_host():
    async with ScriptedServer(ranged) as other:

        def script(request):
            assert request.headers["authorization"] == "Bearer secret"
            assert request.headers["x-key"] == "secret"
            return Reply(302, headers={"Location": f"{other.url}/elsewhere?signature=theirs"})

        headers = {"Authorization": "Bearer secret", "X-Key": "secret"}
        async with ScriptedServer(script) as server, HTTPStore(server.url, headers=headers) as store:
            assert bytes(await store.get("k", ByteRange(5, 8))) == VALUE[5:8]
            (request,) = other.requests
            assert request.target == "/elsewhere?signature=theirs"
            assert request.headers["range"] == "bytes=5-7"
            assert "secret" not in str(request)


async def test_redirects_are_bounded():
    circle = Reply(307, headers={"Location": "/x"})
    async with ScriptedServer(lambda _: circle) as server, HTTPStore(server.url, max_redirects=3) as store:
        with pytest.raises(errors.Unavailable, match="redirected more than 3"):
            await store.get("k")
        assert len(server.requests) == 4


async def test_secrets_and_odd_keys_on_the_wire():
    async with ScriptedServer(lambda _: Reply(403)) as server:
        url = server.url.replace("http://", "http://me:hidden@") + "/a b%2Fc/?sig=se%2Bcret%2F=&x=y z"
        async with HTTPStore(url) as store:
            for key in ("c/0", "a b?#%+&=é/..."):
                with pytest.raises(errors.Forbidden) as caught:
                    await store.get(key)
                shown = (
                    "".join(traceback.format_exception(caught.value)) + f"{store!r} {store.url} {vars(caught.value)}"
                )
                assert "se%2Bcret" not in shown
                assert "hidden" not in shown
        assert [request.target for request in server.requests] == [
            "/a%20b%2Fc/c/0?sig=se%2Bcret%2F=&x=y%20z",
            "/a%20b%2Fc/a%20b%3F%23%25%2B%26%3D%C3%A9/...?sig=se%2Bcret%2F=&x=y%20z",
        ]
        assert {request.headers["authorization"] for request in server.requests} == {"Basic bWU6aGlkZGVu"}
        assert {request.headers["accept-encoding"] for request in server.requests} == {"identity"}


def test_without_aiohttp_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "asynczarr.store.http.client", raising=False)
    monkeypatch.delattr("asynczarr.store.http.client", raising=False)
    with pytest.raises(errors.Unsupported, match=r"pip install 'asynczarr\[http\]'"):
        HTTPStore("https://host")


async def test_cancelled_anywhere_nothing_is_left():
    """Cancelled after 0, 1, 2, ... turns of the loop; what was begun is closed, and the store still works."""

    def script(request):
        reply = ranged(request, bytes(1 << 20))
        reply.silent = 0.001
        return reply

    async with ScriptedServer(script) as server, HTTPStore(server.url) as store:
        before = asyncio.all_tasks()
        for turns in range(60):
            task = asyncio.create_task(store.get_ranges("k", [ByteRange(0, 10), ByteRange(-(1 << 19)), ByteRange(5)]))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            theirs = ("ScriptedServer", "_accept_connection2")
            left = asyncio.all_tasks() - before
            assert [task for task in left if not any(name in repr(task) for name in theirs)] == []
        assert len(await store.get("k")) == 1 << 20
        await store.aclose()
        await until(lambda: not server.connections)


async def test_closing_with_requests_in_flight():
    async with ScriptedServer(lambda _: Reply(200, b"x", silent=1)) as server:
        store = HTTPStore(server.url)
        task = asyncio.create_task(store.get("k"))
        while not server.requests:
            await asyncio.sleep(0.01)
        await store.aclose()
        with pytest.raises(errors.ConnectionFailed):
            await task
        with pytest.raises(errors.StoreClosed):
            await store.get("k")
