"""Each fault of the service or the connection is one typed error, after exactly one request on the wire."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import pickle
import time
from xml.etree import ElementTree

import aiohttp
import pytest

import asynczarr as az
from asynczarr.errors import (
    AlreadyExists,
    AttemptTimeout,
    ConnectionFailed,
    Forbidden,
    IntegrityError,
    KeyInvalid,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
    StoreError,
    Throttled,
    Truncated,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from asynczarr.middleware import Idempotency, Resume
from asynczarr.store import S3Store
from asynczarr.store.answer import watch_answer
from asynczarr.store.network.checksums import crc32c
from asynczarr.types import ByteRange, ObjectInfo

from ..servers.base import free_port
from .scripted_http import CLOSE, HANG, RESET, ScriptedServer, answer

KEYS = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "s3cr3t-key", "session_token": "t0ken"}
SECRETS = ("AKIAEXAMPLE", "s3cr3t-key", "t0ken", "Signature=")


def said(code, message="because"):
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


def part(data, start, size, **headers):
    return answer(206, data, Content_Range=f"bytes {start}-{start + len(data) - 1}/{size}", ETag='"v1"', **headers)


@pytest.fixture
async def server():
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
async def store(server):
    async with S3Store("bucket", "root", endpoint_url=server.url, region="eu-north-1", **KEYS) as store:
        yield store


READS = {
    "get": lambda store: store.get("a/k"),
    "get a range": lambda store: store.get("a/k", ByteRange(0, 4)),
    "get_ranges": lambda store: store.get_ranges("a/k", [ByteRange(0, 4)]),
    "head": lambda store: store.head("a/k"),
    "list": lambda store: drain(store.list("a/")),
    "list_dir": lambda store: drain(store.list_dir("a/")),
}
WRITES = {
    "set": lambda store: store.set("a/k", b"data"),
    "create": lambda store: store.set("a/k", b"data", create=True),
    "swap": lambda store: store.set("a/k", b"data", if_version="v0"),
    "delete": lambda store: store.delete("a/k"),
    "delete_many": lambda store: store.delete_many(["a/k"]),
}
VERBS = READS | WRITES


async def drain(names):
    return [name async for name in names]


async def failure(call):
    """The error of a call: with store and key, and without a secret in anything that is ever printed."""
    with pytest.raises(StoreError) as caught:
        await call
    error = caught.value
    assert error.store == "s3://bucket/root"
    assert error.key in ("a/k", "a/")
    seen = error
    while seen is not None:
        assert not [secret for secret in SECRETS if secret in f"{seen} {seen!r} {seen.args} {seen.__dict__}"]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    return error


ANSWERS = {
    "SlowDown": (answer(503, said("SlowDown"), Retry_After="7"), Throttled),
    "SlowDown without a time": (answer(503, said("SlowDown")), Throttled),
    "429": (answer(429), Throttled),
    "503": (answer(503, said("ServiceUnavailable")), Unavailable),
    "500": (answer(500, said("InternalError")), Unavailable),
    "502 of a proxy": (answer(502, b"<html>bad gateway"), Unavailable),
    "408": (answer(400, said("RequestTimeout")), Unavailable),
    "403": (answer(403, said("AccessDenied")), Forbidden),
    "403 without a body": (answer(403), Forbidden),
    "401": (answer(401), Unauthenticated),
    "wrong key": (answer(403, said("SignatureDoesNotMatch")), Unauthenticated),
    "expired": (answer(400, said("ExpiredToken")), Unauthenticated),
    "clock": (answer(403, said("RequestTimeTooSkewed")), Unauthenticated),
    "no bucket": (answer(404, said("NoSuchBucket")), NotFound),
    "404 of a proxy": (answer(404, b"<html>not here"), NotFound),
    "bad digest": (answer(400, said("BadDigest")), IntegrityError),
    "quota": (answer(403, said("QuotaExceeded")), QuotaExceeded),
    "501": (answer(501, said("NotImplemented")), Unsupported),
    "long key": (answer(400, said("KeyTooLongError")), KeyInvalid),
    "elsewhere": (answer(301, said("PermanentRedirect"), x_amz_bucket_region="us-west-2"), Unsupported),
    "busy": (answer(409, said("OperationAborted")), Unavailable),
    "other": (answer(400, said("InvalidArgument")), StoreError),
    "bomb": (answer(403, b"<!DOCTYPE a [<!ENTITY b 'c'>]><Error><Code>&b;</Code></Error>"), Forbidden),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_one_error(server, store, name):
    raw, kind = ANSWERS[name]
    server.script = lambda request: raw
    for number, call in enumerate(VERBS.values(), 1):
        error = await failure(call(store))
        if server.requests[-1].method == "HEAD":  # has no body and therefore no code, only a status
            continue
        assert type(error) is kind
        assert len(server.requests) == number


async def test_the_time_to_wait_is_told(server, store):
    server.script = lambda request: answer(503, said("SlowDown"), Retry_After="7")
    assert (await failure(store.get("a/k"))).retry_after == 7
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    server.script = lambda request: answer(503, b"", Retry_After=date)
    assert 25 < (await failure(store.head("a/k"))).retry_after <= 30
    server.script = lambda request: answer(429, b"", Retry_After="soon")
    assert (await failure(store.get("a/k"))).retry_after is None


@pytest.mark.parametrize("date", ["garbage", "0", "Mon, 32 Foo 2020 00:00:00 GMT"])
async def test_a_date_that_is_none(server, store, date):
    server.script = lambda request: answer(200, length=5, ETag='"v1"', Last_Modified=date)
    assert await store.head("a/k") == ObjectInfo(5, "v1", None, {})


async def test_missing_is_not_failed(server, store):
    server.script = lambda request: answer(404, said("NoSuchKey"))
    assert await store.get("a/k") is None
    assert await store.get("a/k", ByteRange(-4)) is None
    assert await store.get_ranges("a/k", [ByteRange(0, 4), ByteRange(5)]) is None
    await store.delete("a/k")
    assert type(await failure(store.set("a/k", b"x", if_version="v0"))) is PreconditionFailed
    server.script = lambda request: answer(404)
    assert await store.head("a/k") is None
    assert len(server.requests) == 6


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "head"])
async def test_a_404_without_a_word_is_not_missing(server, store, verb):
    """Some proxies answer so for every address. Only to HEAD does S3 itself."""
    server.script = lambda request: answer(404)
    assert type(await failure(VERBS[verb](store))) is NotFound
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")])
async def test_conditions(server, store, status, code):
    server.script = lambda request: answer(status, said(code))
    assert type(await failure(WRITES["create"](store))) is AlreadyExists
    assert type(await failure(WRITES["swap"](store))) is PreconditionFailed
    create, swap = server.requests
    assert create.headers["if-none-match"] == "*"
    assert swap.headers["if-match"] == "v0", "Ceph refuses quotes"


@pytest.mark.parametrize("verb", VERBS)
async def test_nobody_listens(verb):
    async with S3Store("bucket", "root", endpoint_url=f"http://127.0.0.1:{free_port()}", **KEYS) as store:
        error = await failure(VERBS[verb](store))
    assert (type(error), error.sent) == (ConnectionFailed, False)
    assert isinstance(error.__cause__, aiohttp.ClientConnectorError)


async def test_no_such_host():
    async with S3Store("bucket", "root", endpoint_url="http://nowhere.invalid", **KEYS) as store:
        error = await failure(store.get("a/k"))
    assert (type(error), error.sent) == (ConnectionFailed, False)


async def test_no_connection_in_time(monkeypatch):
    async def never(*_, **__):
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    options = {"endpoint_url": "http://127.0.0.1:9", "connect_timeout": 0.05}
    async with S3Store("bucket", "root", **options, **KEYS) as store:
        error = await failure(store.set("a/k", b"x"))
    assert (type(error), error.sent) == (AttemptTimeout, False)


@pytest.mark.parametrize("verb", VERBS)
async def test_a_reset_is_not_proof_that_nothing_was_sent(server, store, verb):
    server.reset_at_once = True
    error = await failure(VERBS[verb](store))
    assert (type(error), error.sent) == (ConnectionFailed, True)
    assert (server.opened, len(server.requests)) == (1, 0)


@pytest.mark.parametrize("end", [RESET, CLOSE], ids=["reset", "closed"])
@pytest.mark.parametrize("verb", VERBS)
async def test_a_lost_answer_is_not_asked_for_again(server, store, verb, end):
    """aiohttp by itself would send all of these but the POST twice."""
    server.script = lambda request: end
    error = await failure(VERBS[verb](store))
    assert (type(error), error.sent) == (ConnectionFailed, True)
    assert (server.opened, len(server.requests)) == (1, 1)


async def test_a_kept_connection_that_breaks_is_not_replaced_silently(server, store):
    server.script = lambda request: answer(200, b"good") if len(server.requests) == 1 else RESET
    assert await store.get("a/k") == b"good"
    error = await failure(store.set("a/k", b"x"))
    assert (type(error), error.sent) == (ConnectionFailed, True)
    assert (server.opened, len(server.requests)) == (1, 2)


async def test_aiohttp_still_has_the_switch():
    """``S3Client`` turns off the second sending by it. If it is gone, look for what has come in its place."""
    async with aiohttp.ClientSession() as session:
        assert session._retry_connection is True


@pytest.mark.parametrize("end", [RESET, CLOSE], ids=["reset", "closed"])
async def test_a_body_that_ends_early_is_truncated(server, store, end):
    for verb in ("get", "list"):
        server.script = lambda request: (answer(200, b"0123", length=100), end)
        assert type(await failure(READS[verb](store))) is Truncated
    server.script = lambda request: (
        answer(206, b"01", length=4, Content_Range="bytes 0-3/100", ETag='"v1"'),
        end,
    )
    assert type(await failure(READS["get a range"](store))) is Truncated
    assert type(await failure(READS["get_ranges"](store))) is Truncated
    assert len(server.requests) == 4


@pytest.mark.parametrize("end", [RESET, CLOSE], ids=["reset", "closed"])
async def test_a_broken_body_is_gone_on_with(server, store, end):
    """From the byte where it broke, and of the same version."""
    server.script = lambda request: (
        (answer(200, b"0123", length=10, ETag='"v1"'), end) if len(server.requests) == 1 else part(b"456789", 4, 10)
    )
    assert await Resume(store).get("a/k") == b"0123456789"
    assert [request.headers.get("range") for request in server.requests] == [None, "bytes=4-"]
    assert server.requests[1].headers["if-match"] == "v1"


async def test_answers_tell_their_size_and_metadata(server, store):
    sizes = []
    server.script = lambda request: part(b"0123", 0, 10, x_amz_meta_write_id="7")
    with watch_answer(sizes.append):
        parts = await store.get_ranges("a/k", [ByteRange(0, 4)])
    assert (sizes, parts.metadata) == ([4], {"write_id": "7"})


async def test_a_body_without_a_length_is_not_trusted(server, store):
    server.script = lambda request: (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n01234", CLOSE)
    assert type(await failure(store.get("a/k"))) is Unsupported
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n\r\n"
    server.script = lambda request: chunked
    assert await store.get("a/k") == b"01234"
    server.script = lambda request: (chunked[:-5], CLOSE)
    assert type(await failure(store.get("a/k"))) is Truncated
    assert len(server.requests) == 3


async def test_a_range_that_is_ignored_is_not_downloaded(server, store):
    server.script = lambda request: (answer(200, b"x" * 1000, length=1 << 40), HANG)
    assert type(await failure(READS["get a range"](store))) is IntegrityError
    assert type(await failure(READS["get_ranges"](store))) is IntegrityError
    assert len(server.requests) == 2


async def test_nothing_is_read_that_is_longer_than_it_can_be(server, store):
    def endless(status, **headers):
        return (answer(status, b"x" * 1000, length=1 << 40, **headers), HANG)

    chunked = (
        b"HTTP/1.1 206 OK\r\nETag: 1\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 0-3/9\r\n\r\n5\r\n01234\r\n"
    )
    for said_so in (endless(206, Content_Range="bytes 0-3/100"), (chunked, HANG)):
        server.script = lambda request, said_so=said_so: said_so
        assert type(await failure(READS["get a range"](store))) is IntegrityError
    server.script = lambda request: endless(200)
    assert type(await failure(READS["list"](store))) is IntegrityError
    for write in ("set", "delete", "delete_many"):
        assert type(await failure(WRITES[write](store))) is IntegrityError
    server.script = lambda request: (answer(403, b"x" * (1 << 17), length=1 << 40), HANG)
    assert type(await failure(store.get("a/k"))) is Forbidden
    assert len(server.requests) == 7


@pytest.mark.parametrize("status", [202, 204, 205, 416])
async def test_an_answer_that_brings_no_value_is_no_empty_one(server, store, status):
    """A whole value is asked for without a range, which 416 could not be about."""
    server.script = lambda request: answer(status, ETag='"v1"')
    await failure(store.get("a/k"))
    await failure(store.head("a/k"))
    assert len(server.requests) == 2
    await failure(store.get_ranges("a/k", [ByteRange()]))


async def test_an_error_that_comes_in_pieces_is_read_to_its_end(server, store):
    whole = answer(403, said("SignatureDoesNotMatch"))
    server.script = lambda request: tuple(whole[n : n + 1] for n in range(len(whole)))
    assert type(await failure(store.get("a/k"))) is Unauthenticated


WRONG = {
    "another start": part(b"0123", 4, 100),
    "shorter": part(b"01", 0, 100),
    "longer": part(b"01234567", 0, 100),
    "another length": answer(206, b"01234567", Content_Range="bytes 0-3/100", ETag='"v1"'),
    "nonsense": answer(206, b"0123", Content_Range="bytes */100"),
    "none": answer(206, b"0123"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_another_part_than_the_one_asked_for(server, store, name):
    server.script = lambda request: WRONG[name]
    for verb in ("get a range", "get_ranges"):
        assert type(await failure(READS[verb](store))) in (IntegrityError, Truncated)
    assert len(server.requests) == 2


async def test_ranges_are_of_one_version(server, store):
    """The version comes with the first answer; a value that is replaced in between is read anew."""
    versions = iter("1122222")

    def script(request):
        version = next(versions)
        if request.headers.get("if-match", version) != version:
            return answer(412, said("PreconditionFailed"))
        start, stop = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
        return answer(206, version.encode() * (stop + 1 - start), Content_Range=f"bytes {start}-{stop}/9", ETag=version)

    server.script = script
    parts = await store.get_ranges("a/k", [ByteRange(0, 2), ByteRange(3, 4), ByteRange(5, 9)])
    assert parts.version == "2"
    assert parts.data == [b"22", b"2", b"2222"]
    assert [request.headers.get("if-match") for request in server.requests] == [None, "1", "1", None, "2", "2"]


async def test_ranges_of_a_given_version_are_not_read_anew(server, store):
    server.script = lambda request: answer(412, said("PreconditionFailed"))
    assert type(await failure(store.get_ranges("a/k", [ByteRange(0, 2)], if_version="v0"))) is PreconditionFailed
    assert len(server.requests) == 1


async def test_a_checksum_that_does_not_fit(server, store):
    server.script = lambda request: answer(200, b"flipped", x_amz_checksum_crc32c="AAAAAA==")
    assert type(await failure(store.get("a/k"))) is IntegrityError
    server.script = lambda request: answer(200, b"flipped", x_amz_checksum_crc32c="AAAAAA==-2")  # of the parts
    assert await store.get("a/k") == b"flipped"
    assert len(server.requests) == 2


async def test_a_checksum_beside_a_range(server, store):
    """It is compared if the range is the whole value, as that of a chunk is, and the value was written by one PUT."""

    def ranged(content_range, **headers):
        crc = {"x_amz_checksum_crc32c": "AAAAAA=="}
        server.script = lambda _: answer(
            206, b"flipped", Content_Range=content_range, **{"ETag": '"v"', **crc, **headers}
        )

    ranged("bytes 0-6/7")
    assert type(await failure(store.get("a/k", ByteRange(0, 100)))) is IntegrityError
    assert type(await failure(store.get_ranges("a/k", [ByteRange(0, 7)]))) is IntegrityError
    assert {request.headers["x-amz-checksum-mode"] for request in server.requests} == {"ENABLED"}
    ranged("bytes 0-6/8")
    assert await store.get("a/k", ByteRange(0, 7)) == b"flipped"
    ranged("bytes 1-7/8")
    assert await store.get("a/k", ByteRange(1, 8)) == b"flipped"
    assert "x-amz-checksum-mode" not in server.requests[-1].headers
    for made_of_parts in (
        {"ETag": '"v-2"'},
        {"x_amz_checksum_type": "COMPOSITE"},
        {"x_amz_checksum_crc32c": "AAAAAA==-2"},
    ):
        ranged("bytes 0-6/7", **made_of_parts)  # AWS leaves the mark of a composite checksum out here
        assert await store.get("a/k", ByteRange(0, 100)) == b"flipped"
    ranged("bytes 0-6/7", x_amz_checksum_crc32c=crc32c(b"flipped"), x_amz_checksum_type="FULL_OBJECT")
    assert await store.get("a/k", ByteRange(0, 100)) == b"flipped"


ENDLESS = b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"


@pytest.mark.parametrize("body", [b"", b"<html>", b"<html/>", ENDLESS])
async def test_a_listing_that_is_none(server, store, body):
    server.script = lambda request: answer(200, body)
    for verb in ("list", "list_dir"):
        assert type(await failure(READS[verb](store))) is IntegrityError
    assert len(server.requests) == 2


async def test_foreign_names_are_left_out(server, store):
    """Keys that no store of ours could have: ending in a slash, with empty segments, leading outwards."""
    names = ("", "a/", "a//b", "a/../b", "a/k", "a%0Ab")
    keys = "".join(f"<Contents><Key>root/{name}</Key></Contents>" for name in names)
    server.script = lambda request: answer(
        200, f"<ListBucketResult><EncodingType>url</EncodingType>{keys}</ListBucketResult>".encode()
    )
    assert await drain(store.list()) == ["a/k"]


@pytest.mark.parametrize("verb", ["list", "list_dir"])
async def test_a_listing_that_turns_in_a_circle(server, store, verb):
    page = ENDLESS.replace(b"</ListB", b"<NextContinuationToken>t</NextContinuationToken></ListB")
    server.script = lambda request: answer(200, page)
    assert type(await failure(READS[verb](store))) is IntegrityError
    assert len(server.requests) == 2


async def test_the_marker_of_an_empty_folder_is_no_key(server, store):
    """As the console of AWS makes them."""
    keys = "<Contents><Key>root/a/</Key></Contents><Contents><Key>root/a/k</Key></Contents>"
    server.script = lambda request: answer(200, f"<ListBucketResult>{keys}</ListBucketResult>".encode())
    assert await READS["list"](store) == ["a/k"]
    assert await READS["list_dir"](store) == ["k"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (said("InternalError"), Unavailable),
        (said("SlowDown"), Throttled),
        (said("AccessDenied"), Forbidden),
        (b"<html><body>Log in, please</body></html>", IntegrityError),
        (b"<ListBucketResult/>", IntegrityError),
        (b"", IntegrityError),
    ],
)
async def test_an_answer_to_a_batch_that_is_none(server, store, body, kind):
    server.script = lambda request: answer(200, body)
    assert type(await failure(WRITES["delete_many"](store))) is kind


@pytest.mark.parametrize("headers", [{}, {"ETag": '"v1"'}], ids=["without a version", "with one"])
async def test_a_write_that_failed_behind_a_good_status(server, store, headers):
    server.script = lambda request: answer(200, said("InternalError"), **headers)
    for verb in ("set", "create", "swap", "delete"):
        assert type(await failure(WRITES[verb](store))) is Unavailable
    assert len(server.requests) == 4


@pytest.mark.parametrize("body", [b"", b"<html><body>Log in, please</body></html>"])
async def test_a_write_that_is_not_confirmed(server, store, body):
    server.script = lambda request: answer(200, body)
    assert type(await failure(store.set("a/k", b"x"))) is Unavailable


async def test_a_write_that_is_not_confirmed_is_read_back(server, store):
    stamps = {}

    def script(request):
        if request.method == "PUT":
            stamps.update({name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")})
            return answer(200, said("InternalError"))
        return answer(200, length=1, ETag='"v1"', **stamps)

    server.script = script
    assert await Idempotency(store).set("a/k", b"x", create=True) == "v1"
    assert [request.method for request in server.requests] == ["PUT", "HEAD"]


async def test_keys_that_xml_cannot_hold_are_deleted_one_by_one(server, store):
    server.script = lambda request: answer(200, b"<DeleteResult/>") if request.method == "POST" else answer(204)
    await store.delete_many(["a/k", "odd\ufffe", "odd\uffff", "a/l", "fine\ufffd\U0001ffff", "odd\ufffe"])
    *singles, batch = server.requests
    assert [(request.method, request.target) for request in singles] == [
        ("DELETE", "/bucket/root/odd%EF%BF%BE"),
        ("DELETE", "/bucket/root/odd%EF%BF%BF"),
    ]
    keys = [key.text for key in ElementTree.fromstring(batch.body).iter("Key")]
    assert keys == ["root/a/k", "root/a/l", "root/fine\ufffd\U0001ffff"]


async def test_batch_delete_names_the_key_that_failed(server, store):
    server.script = lambda request: answer(
        200,
        b"<DeleteResult><Error><Key>root/gone</Key><Code>NoSuchKey</Code></Error>"
        b"<Error><Key>root/a/k</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>",
    )
    error = await failure(store.delete_many(["gone", "a/k"]))
    assert (type(error), error.key) == (Forbidden, "a/k")
    assert len(server.requests) == 1


async def test_junk_instead_of_http(server, store):
    server.script = lambda request: (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", CLOSE)
    for verb in VERBS.values():
        error = await failure(verb(store))
        assert (type(error), error.sent) == (ConnectionFailed, True)
    assert len(server.requests) == len(VERBS)


async def test_nothing_secret_is_shown(server, store, caplog):
    caplog.set_level(logging.DEBUG, "asynczarr")
    caplog.set_level(logging.DEBUG, "aiohttp")
    server.script = lambda request: answer(200, b"x")
    await store.get("a/k")
    client = await store._clients.get()
    shown = f"{store!r} {store.url} {client!r} {client._bucket!r} {caplog.text}"
    assert not [secret for secret in SECRETS if secret in shown]
    assert "Signature=" in server.requests[0].headers["authorization"]


async def test_anonymous_requests_are_not_signed(server):
    async with S3Store("bucket", endpoint_url=server.url, anonymous=True) as store:
        server.script = lambda request: answer(200, b"x")
        assert await store.get("a/k") == b"x"
        (request,) = server.requests
        assert not {"authorization", "x-amz-date"} & set(request.headers)


async def test_no_credentials_at_all(server, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with S3Store("bucket", "root", endpoint_url=server.url) as store:
        error = await failure(store.get("a/k"))
    assert type(error) is Unauthenticated
    assert "anonymous=True" in str(error)
    assert server.requests == []


async def test_read_only(server):
    store = az.store.open_store("s3://bucket/root", mode="r", endpoint_url=server.url, **KEYS)
    for write in WRITES.values():
        assert type(await failure(write(store))) is Unsupported
    assert not store.capabilities.write
    assert server.requests == []


async def test_what_s3_cannot_do_is_said_before_anything_is_sent(server, store):
    for metadata in ({"UPPER": "x"}, {"a-b": "x"}, {"a": "é"}, {"a": " x"}, {"a": "x\r\ny: z"}):
        assert type(await failure(store.set("a/k", b"x", metadata=metadata))) is Unsupported
    assert type(await failure(store.delete("a/k", if_version="v1"))) is Unsupported
    assert server.requests == []


@pytest.mark.parametrize(
    "url", ["s3://", "s3:///x", "s3://user:pw@bucket/x", "s3://user:p/w@bucket/x", "s3://b/x?y=1", "s3://b/a%2F..%2Fb"]
)
def test_urls_that_are_refused(url):
    with pytest.raises(KeyInvalid) as caught:
        az.store.open_store(url)
    assert "pw" not in str(caught.value).replace("/", "")
