"""Faults of a cloud service: one typed error each, whether the request was sent, and one request on the wire.

For stores whose service a script of ``bucket_scripts`` plays; a subclass gives the fixture ``cloud``.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest

from asynczarr import errors
from asynczarr.middleware import Resume
from asynczarr.store.answer import watch_answer
from asynczarr.store.base import Store
from asynczarr.types import ByteRange
from tests.waiting import until

from .bucket_scripts import Service
from .scripted_http import HANG, Reply, Request, ScriptedServer

VALUE = bytes(range(100))
VERBS: dict[str, Callable[[Store], Any]] = {
    "get": lambda store: store.get("a/k"),
    "get a range": lambda store: store.get("a/k", ByteRange(5, 50)),
    "get_ranges": lambda store: store.get_ranges("a/k", [ByteRange(5, 50)]),
    "head": lambda store: store.head("a/k"),
    "set": lambda store: store.set("a/k", VALUE),
    "create": lambda store: store.set("a/k", VALUE, create=True),
    "delete": lambda store: store.delete("a/k"),
    "delete_many": lambda store: store.delete_many(["a/k", "a/l"]),
    "list": lambda store: drain(store.list("a/")),
    "list_dir": lambda store: drain(store.list_dir("a/")),
}
READS = ("get", "get a range", "get_ranges")


async def drain(names):
    return [name async for name in names]


@dataclass
class Cloud:
    """A service and how to open a store on it.

    Attributes:
        make: of the address of a server and options of the store.
        service: what answers if no fault does.
        secret: what may not be shown.
        version: some version that is well-formed and not stored.
    """

    make: Callable[..., Store]
    service: Service
    secret: str
    version: str

    def server(
        self, *faults: Reply | None, always: Reply | None = None, ssl: SSLContext | None = None
    ) -> ScriptedServer:
        """Give `faults` for the first requests (``None`` is none), then `always` or what the service says."""
        todo = list(faults)

        def script(request):
            return (todo.pop(0) if todo else always) or self.service(request)

        return ScriptedServer(script, ssl)


class RemoteFaults:
    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, errors.StoreError),
            (401, errors.Unauthenticated),
            (403, errors.Forbidden),
            (408, errors.Unavailable),
            (429, errors.Throttled),
            (500, errors.Unavailable),
            (502, errors.Unavailable),
            (504, errors.Unavailable),
            (507, errors.QuotaExceeded),
            (302, errors.StoreError),
        ],
    )
    async def test_status(self, cloud, verb, status, error):
        async with cloud.server(always=Reply(status)) as server, cloud.make(server.url) as store:
            with pytest.raises(errors.StoreError) as caught:
                await VERBS[verb](store)
            assert type(caught.value) is error
            assert len(server.requests) == 1
            assert caught.value.store == store.url
            assert caught.value.key == {"delete_many": None, "list": "a/", "list_dir": "a/"}.get(verb, "a/k")

    @pytest.mark.parametrize("verb", ["get", "set", "list"])
    @pytest.mark.parametrize("status", [429, 503])
    async def test_throttled(self, cloud, verb, status):
        in_a_minute = formatdate(time.time() + 60, usegmt=True)
        for header, seconds in (("7", 7), (in_a_minute, 60)):
            reply = Reply(status, headers={"Retry-After": header})
            async with cloud.server(always=reply) as server, cloud.make(server.url) as store:
                begin = time.monotonic()
                with pytest.raises(errors.Throttled) as caught:
                    await VERBS[verb](store)
                assert caught.value.retry_after == pytest.approx(seconds, abs=5)
                assert time.monotonic() - begin < 6
                assert len(server.requests) == 1

    @pytest.mark.parametrize("milliseconds", ["9" * 400, "9" * 5000, "-1", "1e3", "soon"])
    async def test_a_time_to_wait_that_is_none(self, cloud, milliseconds):
        reply = Reply(429, headers={"x-ms-retry-after-ms": milliseconds})
        async with cloud.server(always=reply) as server, cloud.make(server.url) as store:
            with pytest.raises(errors.Throttled) as caught:
                await store.get("k")
            assert caught.value.retry_after is None

    async def test_missing(self, cloud):
        async with cloud.server() as server, cloud.make(server.url) as store:
            assert await store.get("k") is None
            assert await store.get("k", ByteRange(-5)) is None
            assert await store.get_ranges("k", [ByteRange(0, 5), ByteRange(7)]) is None
            assert await store.head("k") is None
            await store.delete("k")
            await store.delete_many(["k", "l"])
            assert len(server.requests) == 6

    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("body", [b"", b"<html>404 Not Found</html>", b"Not Found", b'{"message": "Not Found"}'])
    async def test_not_found_is_not_missing(self, cloud, verb, body):
        """Proxies answer 404 too, and know nothing of keys."""
        async with ScriptedServer(lambda _: Reply(404, body)) as server, cloud.make(server.url) as store:
            with pytest.raises(errors.NotFound) as caught:
                await VERBS[verb](store)
            assert caught.value.store == store.url

    async def test_a_write_that_is_answered_by_a_missing_key(self, cloud):
        missing = cloud.service(Request("DELETE", f"{cloud.service.objects}/k", {}))
        async with cloud.server(always=missing) as server, cloud.make(server.url) as store:
            for create in (False, True):
                with pytest.raises(errors.NotFound):
                    await store.set("k", VALUE, create=create)
            with pytest.raises(errors.PreconditionFailed):
                await store.set("k", VALUE, if_version=cloud.version)
            for verb in ("delete_many", "list", "list_dir"):
                with pytest.raises(errors.NotFound):
                    await VERBS[verb](store)
            assert len(server.requests) == 6

    @pytest.mark.parametrize("verb", VERBS)
    async def test_a_lost_answer_is_one_request(self, cloud, verb):
        """On a kept connection too, which is where aiohttp would send it again."""
        async with cloud.server(None, Reply(reset=True)) as server, cloud.make(server.url) as store:
            await store.head("other")
            with pytest.raises(errors.ConnectionFailed) as caught:
                await VERBS[verb](store)
            assert caught.value.sent
            assert len(server.requests) == 2

    @pytest.mark.parametrize("verb", VERBS)
    async def test_refused(self, cloud, verb):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            async with cloud.make(f"http://127.0.0.1:{sock.getsockname()[1]}") as store:
                with pytest.raises(errors.ConnectionFailed) as caught:
                    await VERBS[verb](store)
        assert not caught.value.sent

    async def test_no_connection_in_time(self, cloud):
        with socket.socket() as sock, socket.socket() as one, socket.socket() as two:
            sock.bind(("127.0.0.1", 0))
            sock.listen(0)
            for client in (one, two):  # they fill the queue; the next SYN is dropped
                client.setblocking(False)
                client.connect_ex(sock.getsockname())
            async with cloud.make(f"http://127.0.0.1:{sock.getsockname()[1]}", connect_timeout=0.2) as store:
                with pytest.raises(errors.AttemptTimeout) as caught:
                    await store.get("k")
        assert not caught.value.sent
        assert cloud.secret not in everything_about(caught.value)

    @pytest.mark.parametrize("verb", VERBS)
    async def test_silence(self, cloud, verb):
        async with cloud.server(Reply(silent=30)) as server, cloud.make(server.url, read_timeout=0.6) as store:
            with pytest.raises(errors.AttemptTimeout) as caught:
                await VERBS[verb](store)
            assert caught.value.sent
            assert len(server.requests) == 1

    @pytest.mark.parametrize("verb", READS)
    @pytest.mark.parametrize("reset", [False, True])
    async def test_a_short_body_is_no_value(self, cloud, verb, reset):
        cloud.service.write("a/k", VALUE, {})
        async with cloud.server() as server, cloud.make(server.url) as store:
            server.fault = lambda reply: setattr(reply, "cut", 30) or setattr(reply, "reset", reset)
            with pytest.raises((errors.Truncated, errors.ConnectionFailed)) as caught:
                await VERBS[verb](store)
            assert reset or type(caught.value) is errors.Truncated
            assert len(server.requests) == 1

    @pytest.mark.parametrize("reset", [False, True])
    @pytest.mark.parametrize("part", [None, ByteRange(5, 90)])
    async def test_a_broken_body_is_gone_on_with(self, cloud, part, reset):
        """From the byte where it broke, and of the same version."""
        version = cloud.service.write("a/k", VALUE, {})
        async with cloud.server() as server, cloud.make(server.url) as bare:

            def break_the_first(reply):
                if len(server.requests) == 1:
                    reply.cut, reply.reset = 30, reset

            server.fault = break_the_first
            store = Resume(bare)
            assert await store.get("a/k", part) == (part or ByteRange()).of(VALUE)
            _, second = server.requests
            start = 30 if part is None else 35
            asked = second.headers.get("range") or second.headers["x-ms-range"]
            assert asked.startswith(f"bytes={start}-")
            assert str(version) in second.headers.get("if-match", second.target)

    async def test_a_body_that_breaks_off_is_not_joined_with_another_version(self, cloud):
        cloud.service.write("a/k", VALUE, {})
        async with cloud.server() as server, cloud.make(server.url) as bare:

            def replace(reply):
                if len(server.requests) == 1:
                    reply.cut = 30
                    cloud.service.write("a/k", VALUE[::-1], {})

            server.fault = replace
            with pytest.raises(errors.Truncated):
                await Resume(bare).get("a/k")
            assert len(server.requests) <= 3  # Azure answers the same if the key is missing, and is asked

    async def test_it_tells_when_it_waits_for_an_answer_and_when_that_begins(self, cloud):
        cloud.service.write("a/k", VALUE, {})
        sizes = []

        def awaited():
            sizes.append("awaited")

        async with cloud.server() as server, cloud.make(server.url) as store:
            with watch_answer(sizes.append, awaited):
                await store.get("a/k")
                await store.get("a/k", ByteRange(5, 50))
                await store.head("a/k")
            assert sizes == ["awaited", 100, "awaited", 45]

    @pytest.mark.parametrize("verb", ["get a range", "get_ranges"])
    async def test_a_range_that_is_ignored(self, cloud, verb):
        big = Reply(200, bytes(1 << 24), {"ETag": cloud.version, "x-goog-generation": cloud.version})
        async with cloud.server(always=big) as server, cloud.make(server.url) as store:
            with pytest.raises(errors.IntegrityError, match="ignored"):
                await VERBS[verb](store)
            assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [202, 204, 205, 416])
    async def test_an_answer_that_brings_no_value_is_no_empty_one(self, cloud, status):
        """A whole value is asked for without a range, which 416 could not be about."""
        reply = Reply(status, b"", {"ETag": cloud.version, "x-goog-generation": cloud.version})
        async with cloud.server(always=reply) as server, cloud.make(server.url) as store:
            with pytest.raises(errors.StoreError):
                await store.get("a/k")
            assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("verb", "status"), [*((verb, 500) for verb in VERBS), *((verb, 200) for verb in VERBS if verb != "get")]
    )
    async def test_no_answer_is_read_that_is_longer_than_it_can_be(self, cloud, verb, status):
        """A refusal neither, of which the beginning is enough."""
        head = f"HTTP/1.1 {status} X\r\nContent-Range: bytes 5-49/100\r\nContent-Length: {1 << 40}\r\n\r\n".encode()
        async with ScriptedServer(lambda _: (head + b"x" * (1 << 17), HANG)) as server, cloud.make(server.url) as store:
            with pytest.raises(errors.StoreError):
                await asyncio.wait_for(VERBS[verb](store), 60)
            assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("body", "place", "error"),
        [
            (VALUE[6:51], "bytes 6-50/100", errors.IntegrityError),
            (VALUE[5:60], "bytes 5-59/100", errors.IntegrityError),
            (VALUE[5:40], "bytes 5-39/100", errors.IntegrityError),
            (VALUE[5:40], "bytes 5-49/100", errors.Truncated),
            (VALUE[5:50], "nonsense", errors.IntegrityError),
        ],
    )
    async def test_another_range(self, cloud, body, place, error):
        headers = {"Content-Range": place, "ETag": cloud.version, "x-goog-generation": cloud.version}
        async with cloud.server(Reply(206, body, headers)) as server, cloud.make(server.url) as store:
            with pytest.raises(error):
                await store.get("a/k", ByteRange(5, 50))
            assert len(server.requests) == 1

    async def test_conditions(self, cloud):
        async with cloud.server() as server, cloud.make(server.url) as store:
            first = await store.set("k", b"first", create=True)
            with pytest.raises(errors.AlreadyExists):
                await store.set("k", b"x", create=True)
            second = await store.set("k", b"second", if_version=first, metadata={"writer": "7"})
            for version in (first, cloud.version):
                with pytest.raises(errors.PreconditionFailed):
                    await store.set("k", b"x", if_version=version)
                with pytest.raises(errors.PreconditionFailed):
                    await store.delete("k", if_version=version)
                with pytest.raises(errors.PreconditionFailed):
                    await store.get_ranges("k", [ByteRange(0, 2)], if_version=version)
            info = await store.head("k")
            assert (info.version, info.size, dict(info.metadata)) == (second, 6, {"writer": "7"})
            assert info.modified == pytest.approx(1714979289, abs=1)
            server.requests.clear()
            for nonsense in ("0", "*", "", "no version"):
                with pytest.raises(errors.PreconditionFailed):
                    await store.set("k", b"x", if_version=nonsense)
            assert server.requests == []  # what is no version of this service is never sent
            await store.delete("k", if_version=second)
            with pytest.raises(errors.PreconditionFailed):
                await store.delete("k", if_version=second)
            with pytest.raises(errors.PreconditionFailed):
                await store.set("k", b"x", if_version=second)
            assert len(server.requests) == 3

    @pytest.mark.parametrize("verb", ["list", "list_dir"])
    async def test_a_listing_that_turns_in_a_circle(self, cloud, verb):
        again = cloud.service.page(["a/k"], "again")
        async with cloud.server(always=again) as server, cloud.make(server.url) as store:
            with pytest.raises(errors.IntegrityError, match="itself"):
                await VERBS[verb](store)
            assert ["again" in request.target for request in server.requests] == [False, True]

    async def test_pages_are_joined(self, cloud):
        pages = [cloud.service.page([f"a/{number}"], f"t{number + 1}") for number in range(3)]
        async with cloud.server(*pages, always=cloud.service.page(["a/3"])) as server, cloud.make(server.url) as store:
            assert await VERBS["list"](store) == ["a/0", "a/1", "a/2", "a/3"]
            assert [f"t{n}" in request.target for n, request in enumerate(server.requests)] == [False, True, True, True]

    async def test_the_marker_of_an_empty_folder_is_no_key(self, cloud):
        page = cloud.service.page(["a/", "a/k"])
        async with cloud.server(always=page) as server, cloud.make(server.url) as store:
            assert await VERBS["list"](store) == ["a/k"]
            assert await VERBS["list_dir"](store) == ["k"]

    async def test_ranges_of_a_value_that_changes(self, cloud):
        cloud.service.write("k", b"1" * 100, {})
        async with cloud.server() as server, cloud.make(server.url) as store:

            def change(_):
                if len(server.requests) == 1:
                    cloud.service.write("k", b"2" * 100, {})

            server.fault = change
            parts = await store.get_ranges("k", [ByteRange(0, 2), ByteRange(5, 7), ByteRange(200, 300)])
            assert ([bytes(data) for data in parts.data], parts.size) == ([b"22", b"22", b""], 100)
            assert parts.version == (await store.head("k")).version

    @pytest.mark.parametrize("verb", VERBS)
    async def test_no_secrets(self, cloud, verb):
        for reply in (Reply(403), Reply(500), Reply(reset=True), Reply(200, b"\0", {"Content-Length": "nonsense"})):
            async with cloud.server(always=reply) as server, cloud.make(server.url) as store:
                with pytest.raises(errors.StoreError) as caught:
                    await VERBS[verb](store)
                assert cloud.secret not in everything_about(caught.value) + repr(store) + store.url + repr(vars(store))

    @pytest.mark.parametrize("verb", VERBS)
    async def test_cancelled_anywhere_nothing_is_left(self, cloud, verb):
        async with cloud.server() as server, cloud.make(server.url) as store:
            server.fault = lambda reply: setattr(reply, "silent", 0.001)
            cloud.service.write("a/k", bytes(1 << 18), {})
            before = asyncio.all_tasks()
            for turns in range(40):
                task = asyncio.create_task(VERBS[verb](store))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                # The connecting is left to the others, and so is the thread that it has sent for.
                theirs = ("ScriptedServer", "_accept_connection2", "PerLoop", "_made", "run_sync")
                left = [task for task in asyncio.all_tasks() - before if not any(name in repr(task) for name in theirs)]
                assert left == []
            await store.set("a/k", b"still works")
            assert await store.get("a/k") == b"still works"
            await store.aclose()
            await until(lambda: not server.connections)

    async def test_certificates_are_checked(self, cloud, tmp_path):
        context, certificate = await asyncio.to_thread(certified, tmp_path)
        async with cloud.server(ssl=context) as server:
            async with cloud.make(server.url) as store:
                with pytest.raises(errors.StoreError, match="certificate") as caught:
                    await store.get("k")
                assert type(caught.value) is errors.StoreError  # trying again does not help
            assert server.requests == []
            for trust in (str(certificate), False):
                async with cloud.make(server.url, verify=trust) as store:
                    assert await store.get("k") is None

    async def test_closed_with_a_request_in_flight(self, cloud):
        async with cloud.server(Reply(silent=5)) as server:
            store = cloud.make(server.url)
            task = asyncio.create_task(store.get("k"))
            while not server.requests:
                await asyncio.sleep(0.01)
            await store.aclose()
            with pytest.raises((errors.ConnectionFailed, errors.StoreClosed)):
                await task

    def test_another_loop_and_threads(self, cloud):
        async def use(url, store=None):
            store = store or cloud.make(url)
            await store.set("k", b"x")
            assert await store.get("k") == b"x"
            return store

        async def main():
            async with cloud.server() as server:
                store = await use(server.url)
                await asyncio.to_thread(lambda: asyncio.run(use(server.url, store)))
                await asyncio.gather(
                    *(asyncio.to_thread(lambda: asyncio.run(use(server.url, store))) for _ in range(3))
                )
                await use(server.url, store)
                await store.aclose()

        asyncio.run(main())


def certified(folder):
    """A TLS server's context for ``localhost``, and the file of its certificate."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def everything_about(error: BaseException) -> str:
    """What a log or a debugger might show of an error: its trace, its attributes, and those of all behind it."""
    shown = "".join(traceback.format_exception(error))
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        found = todo.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        shown += repr(found) + repr({name: value for name, value in vars(found).items() if name != "request"})
        todo += [found.__cause__, found.__context__]
    return shown
