"""Uploads in parts: whole or not at all, and nothing stays behind."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from asynczarr.errors import ConnectionFailed, Forbidden, IntegrityError, Throttled, Unavailable
from asynczarr.store import S3Store

from .scripted_http import CLOSE, HANG, ScriptedServer, answer

MIB = 1 << 20
VALUE = secrets.token_bytes(MIB) * 11
PARTS = {"multipart_size": 5 * MIB, "part_size": 5 * MIB}
KEYS = {"access_key_id": "key", "secret_access_key": "secret"}
BEGUN = b"<InitiateMultipartUploadResult><UploadId>an id/</UploadId></InitiateMultipartUploadResult>"
DONE = b'<CompleteMultipartUploadResult><ETag>"etag-3"</ETag></CompleteMultipartUploadResult>'
ERROR = b"<Error><Code>%s</Code></Error>"


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.xdist_group("ceph"))])
def s3(request):
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def bucket(s3):
    return s3.create_bucket(f"parts-{secrets.token_hex(4)}")


@pytest.fixture
async def store(s3, bucket):
    async with S3Store(bucket, "p", **PARTS, **s3.options) as store:
        yield store


class TestOnServers:
    pytestmark = pytest.mark.xdist_group("moto")

    async def test_what_was_sent_in_parts_is_read(self, s3, bucket, store):
        version = await store.set("k", VALUE, metadata={"write_id": "7"})
        info = await store.head("k")
        assert (info.size, dict(info.metadata)) == (len(VALUE), {"write_id": "7"})
        assert info.version.endswith("-3"), "three parts"
        assert version in (info.version, None), "Ceph does not tell it"
        assert await store.get("k") == VALUE
        with pytest.raises(Exception, match="412"):
            await store.set("k", b"x", if_version="0" * 32 + "-3")
        assert await store.set("k", b"small", if_version=info.version)
        assert s3.uploads(bucket) == []

    async def test_conditional_writes_are_never_in_parts(self, s3, bucket, store):
        version = await store.set("k", VALUE, create=True)
        assert "-" not in version
        assert "-" not in await store.set("k", VALUE[::-1], if_version=version)
        assert await store.get("k") == VALUE[::-1]

    async def test_cancelled_at_any_moment_it_leaves_no_upload(self, s3, bucket, store):
        await store.set("k", b"old")
        seen = set()
        for moment in (0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.3, 0.6):
            task = asyncio.ensure_future(store.set("k", VALUE))
            await asyncio.sleep(moment)
            task.cancel()
            await asyncio.wait([task])
            seen.add(task.cancelled())
            assert await asyncio.to_thread(s3.uploads, bucket) == []
            assert await store.get("k") in (b"old", VALUE)
        assert True in seen


@pytest.fixture
async def server():
    async with ScriptedServer() as server:
        yield server


def service(request, **instead):
    """`instead` of an answer: to ``begin``, ``part2``, ``complete`` or ``abort``."""
    _, _, query = request.target.partition("?")
    if query == "uploads=":
        return instead.get("begin", answer(200, BEGUN))
    if request.method == "POST":
        return instead.get("complete", answer(200, DONE))
    if request.method == "DELETE":
        return instead.get("abort", answer(204))
    number = query.partition("&")[0].removeprefix("partNumber=")
    return instead.get(f"part{number}", answer(200, ETag=f'"part-{number}"'))


def told(server):
    return [f"{request.method} {request.target.partition('?')[2]}" for request in server.requests]


ABORTED = "DELETE uploadId=an%20id%2F"
COMPLETED = "POST uploadId=an%20id%2F"


async def test_the_requests_of_an_upload(server):
    server.script = service
    async with S3Store("bucket", endpoint_url=server.url, **PARTS, **KEYS) as store:
        assert await store.set("k", VALUE, metadata={"a": "1"}) == "etag-3"
    first, *_, last = told(server)
    assert (first, last) == ("POST uploads=", COMPLETED)
    assert server.requests[0].headers["x-amz-meta-a"] == "1"
    parts = sorted(server.requests[1:-1], key=lambda request: request.target)
    assert b"".join(part.body for part in parts) == VALUE
    completion = server.requests[-1].body.replace(b"&quot;", b'"')
    assert b'<PartNumber>2</PartNumber><ETag>"part-2"</ETag>' in completion


FAILURES = {
    "a part": ({"part2": answer(503, ERROR % b"SlowDown")}, Throttled, ABORTED),
    "a part is lost": ({"part2": CLOSE}, ConnectionFailed, ABORTED),
    "an answer is lost": ({"complete": CLOSE}, ConnectionFailed, ABORTED),
    "a part without a version": ({"part2": answer(200)}, Unavailable, ABORTED),
    "an error after 200": ({"complete": answer(200, ERROR % b"InternalError")}, Unavailable, ABORTED),
    "the upload has gone": ({"complete": answer(404, ERROR % b"NoSuchUpload")}, Unavailable, ABORTED),
    "the abort as well": ({"part1": answer(403), "abort": answer(500)}, Forbidden, ABORTED),
    "the beginning": ({"begin": answer(403)}, Forbidden, "POST uploads="),
    "no identifier": ({"begin": answer(200, b"<Result/>")}, IntegrityError, "POST uploads="),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failed_upload_is_aborted_once(server, name):
    instead, kind, last = FAILURES[name]
    server.script = lambda request: service(request, **instead)
    async with S3Store("bucket", endpoint_url=server.url, **PARTS, **KEYS) as store:
        with pytest.raises(kind) as caught:
            await store.set("k", VALUE)
        assert type(caught.value) is kind
        assert (caught.value.store, caught.value.key) == ("s3://bucket", "k")
    assert told(server).count(last) == 1  # a part that was cancelled may arrive after it
    assert len(told(server)) == len(set(told(server))), "no request was sent twice"


@pytest.mark.parametrize("hanging", ["begin", "part2", "complete"])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_upload_is_aborted(server, hanging, times):
    """However often it is cancelled. One whose identifier is on the way is waited for."""
    arrived = asyncio.Event()

    def script(request):
        said = service(request)
        stuck = {"begin": "POST uploads=", "part2": "PUT partNumber=2", "complete": COMPLETED}[hanging]
        if told(server)[-1].startswith(stuck):
            arrived.set()
            if hanging != "begin":
                return HANG
        return said

    server.script = script
    async with S3Store("bucket", endpoint_url=server.url, **PARTS, **KEYS) as store:
        task = asyncio.ensure_future(store.set("k", VALUE))
        await arrived.wait()
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])
        assert task.cancelled()
        assert not (await store._clients.get())._session.http.connector._acquired
    assert told(server).count(ABORTED) == 1


async def test_an_abort_is_not_waited_for_without_end(server, monkeypatch):
    monkeypatch.setattr("asynczarr.store.s3.multipart._ABORT_SECONDS", 0.2)
    server.script = lambda request: service(request, part1=answer(403), abort=HANG)
    async with S3Store("bucket", endpoint_url=server.url, **PARTS, **KEYS) as store:
        async with asyncio.timeout(10):
            with pytest.raises(Forbidden):
                await store.set("k", VALUE)
    assert told(server).count(ABORTED) == 1
