"""Faults of Google Cloud Storage, on a script that plays its part."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from asynczarr import errors
from asynczarr.store import GCSStore, open_store
from asynczarr.types import ByteRange, ObjectInfo

from .bucket_scripts import GCS, json_error
from .remote_faults import VALUE, VERBS, Cloud, RemoteFaults, everything_about
from .scripted_http import Reply, ScriptedServer

SECRET = "ya29.secret-token"


class TestFaults(RemoteFaults):
    @pytest.fixture
    def cloud(self, monkeypatch):
        from asynczarr.store.gcs import client

        async def renew(token):
            token.access_token = SECRET
            token._seconds = float("inf")

        monkeypatch.setattr(client._Token, "_renew", renew)

        def make(address, **options):
            return GCSStore("bucket", api_root=address, **options)

        return Cloud(make, GCS(), SECRET, "999")


@pytest.fixture
async def server():
    async with ScriptedServer(GCS()) as server:
        yield server


def store_on(server, **options):
    return GCSStore("bucket", api_root=server.url, anonymous=True, **options)


async def test_what_is_sent(server):
    async with store_on(server, prefix="data/x.zarr") as store:
        await store.set("c/0", VALUE, create=True, metadata={"writer": "7"})
        assert await store.get("c/0", ByteRange(-5)) == VALUE[-5:]
    upload, download = server.requests
    assert upload.target.startswith("/upload/storage/v1/b/bucket/o?")
    assert "uploadType=multipart" in upload.target
    assert "ifGenerationMatch=0" in upload.target
    assert b'"name": "data/x.zarr/c/0"' in upload.body
    assert (download.target, download.headers["range"]) == (
        "/storage/v1/b/bucket/o/data%2Fx.zarr%2Fc%2F0?alt=media",
        "bytes=-5",
    )
    assert {request.headers["accept-encoding"] for request in server.requests} == {"identity"}
    assert not any("authorization" in request.headers for request in server.requests)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"null", errors.Unavailable),
        (b"", errors.Unavailable),
        (b"{}", errors.Unavailable),
        (b'{"generation": "7", "siz', errors.Unavailable),
        (b"[" * 200_000, errors.Unavailable),
        (b'{"generation": "7", "size": "x"}', errors.IntegrityError),
        (b'{"generation": "7", "size": null}', errors.IntegrityError),
        (b'{"generation": "7", "size": "99"}', errors.IntegrityError),
        (b'{"generation": "7", "size": "100", "crc32c": "AAAAAA=="}', errors.IntegrityError),
    ],
)
async def test_a_write_that_is_not_confirmed(answer, error):
    async with ScriptedServer([Reply(200, answer)]) as server, store_on(server) as store:
        with pytest.raises(error):
            await store.set("k", VALUE)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("updated", "yesterday"),
        ("updated", None),
        ("updated", 7),
        ("size", "five"),
        ("size", "9" * 5000),
        ("size", -5),
        ("size", None),
        ("generation", None),
        ("metadata", ["a"]),
        ("metadata", {"a": 1}),
    ],
)
async def test_a_description_that_is_none(field, value):
    good = {"generation": "7", "size": "5", "updated": "2024-05-06T07:08:09.100Z"}
    answers = [Reply(200, json.dumps(found).encode()) for found in (good, {**good, field: value})]
    async with ScriptedServer(answers) as server, store_on(server) as store:
        assert await store.head("k") == ObjectInfo(5, "7", 1714979289.1, {})
        with pytest.raises(errors.Unavailable, match="describe"):
            await store.head("k")


@pytest.mark.parametrize(
    "page",
    [
        {"items": None},
        {"items": [{}]},
        {"items": [1]},
        {"items": [{"name": 5}]},
        {"items": {"name": "k"}},
        {"prefixes": None},
        {"prefixes": "k"},
        {"prefixes": [None]},
        {"items": [{"name": "k"}], "nextPageToken": 7},
        [],
    ],
)
async def test_a_page_that_is_none(page):
    async with ScriptedServer(lambda _: Reply(200, json.dumps(page).encode())) as server, store_on(server) as store:
        for verb in ("list", "list_dir"):
            with pytest.raises(errors.Unavailable):
                await VERBS[verb](store)
        assert len(server.requests) == 2


async def test_a_deletion_that_a_portal_answers(server):
    async with store_on(server) as store:
        server.script = lambda _: Reply(200, b"<html><body>Log in, please</body></html>")
        with pytest.raises(errors.Unavailable):
            await store.delete("k")


async def test_a_write_whose_answer_breaks_off_may_have_been_done():
    async with ScriptedServer([Reply(200, b"{}" * 50, cut=10)]) as server, store_on(server) as store:
        with pytest.raises(errors.ConnectionFailed) as caught:
            await store.set("k", VALUE)
        assert caught.value.sent


async def test_bytes_that_are_not_those_that_were_stored(server):
    async with store_on(server) as store:
        await store.set("k", VALUE)

        def flip(reply):
            reply.body = b"\xff" + reply.body[1:]

        server.fault = flip
        with pytest.raises(errors.IntegrityError, match="CRC32C"):
            await store.get("k")
        assert await store.get("k", ByteRange(0, 5)) == b"\xff\1\2\3\4"  # the checksum is of the whole value


@pytest.mark.parametrize("verb", VERBS)
async def test_a_bucket_that_is_missing_is_no_missing_key(verb):
    body = json.dumps({"error": {"code": 404, "message": "The specified bucket does not exist."}}).encode()
    async with ScriptedServer(lambda _: Reply(404, body)) as server, store_on(server) as store:
        with pytest.raises(errors.NotFound, match="bucket"):
            await VERBS[verb](store)


MISSING = json_error(404, "No such object: bucket/k", "notFound")
EMULATED = json_error(404, "Not Found", "Not Found")
NO_BUCKET = json_error(404, "The specified bucket does not exist.", "notFound")
NAMED_SO = Reply(404, b"No such object: bucket/bucket does not exist")


@pytest.mark.parametrize("replies", [[MISSING], [EMULATED], [NAMED_SO], [Reply(404, b"Not Found"), EMULATED]])
async def test_a_key_that_is_missing(replies):
    async with ScriptedServer(replies) as server, store_on(server) as store:
        assert await store.get("k") is None
        assert len(server.requests) == len(replies)


@pytest.mark.parametrize("replies", [[NO_BUCKET] * 2, [Reply(404), NO_BUCKET], [Reply(404), Reply(404)]])
async def test_what_is_not_proven_to_be_missing(replies):
    async with ScriptedServer(replies) as server, store_on(server) as store:
        with pytest.raises(errors.NotFound):
            await store.get("k")


async def test_a_batch_in_a_bucket_that_is_missing(server):
    async with store_on(server) as store:
        for reply, words in ((NO_BUCKET, "bucket"), (Reply(404), "404"), (Reply(404, b"<html>"), "html")):
            part = b"--b\r\n\r\nHTTP/1.1 404 X\r\n\r\n"
            body = part + MISSING.body + b"\r\n" + part + reply.body + b"\r\n--b--\r\n"
            server.script = lambda _, body=body: Reply(200, body)
            with pytest.raises(errors.NotFound, match=words) as caught:
                await store.delete_many(["k", "l"])
            assert caught.value.key == "l"


async def test_what_google_says_is_said():
    slow = json.dumps({"error": {"message": "slow down", "errors": [{"reason": "rateLimitExceeded"}]}}).encode()
    changed = b'Provided CRC32C "AAAAAA==" doesn\'t match calculated CRC32C'
    refusal = json.dumps({"error": {"message": "me@x does not have storage.objects.get access"}}).encode()
    for status, body, error in (
        (403, slow, errors.Throttled),
        (400, changed, errors.IntegrityError),
        (403, refusal, errors.Forbidden),
    ):
        async with ScriptedServer([Reply(status, body)]) as server, store_on(server) as store:
            with pytest.raises(error, match=r"slow down|CRC32C|storage\.objects\.get"):
                await store.set("k", VALUE)


async def test_an_emulator_that_ignores_conditions_of_reads(server):
    async with store_on(server) as store:
        old = await store.set("k", b"old")
        await store.set("k", b"new")
        service = server.script
        server.script = lambda request: service(replace(request, target=request.target.partition("&if")[0]))
        with pytest.raises(errors.PreconditionFailed):
            await store.get_ranges("k", [ByteRange(0, 2)], if_version=old)


async def test_one_of_a_batch_that_fails(server):
    async with store_on(server) as store:
        server.script = lambda _: Reply(200, b"HTTP/1.1 204 X\r\n\r\nHTTP/1.1 403 X\r\n", {})
        with pytest.raises(errors.Forbidden) as caught:
            await store.delete_many(["k", "l"])
        assert caught.value.key == "l"
        server.script = lambda _: Reply(200, b"HTTP/1.1 204 X\r\n\r\n", {})
        with pytest.raises(errors.Unavailable, match="1 answers to 2"):
            await store.delete_many(["k", "l"])


async def test_250_keys_are_deleted_by_3_requests(server):
    async with store_on(server) as store:
        await store.delete_many([f"k{number}" for number in range(250)])
    assert [request.target for request in server.requests] == ["/batch/storage/v1"] * 3


def credentials(path, token_uri):
    path.write_text(
        json.dumps(
            {
                "type": "authorized_user",
                "client_id": "me",
                "client_secret": "client-secret",
                "refresh_token": "refresh-secret",
                "token_uri": token_uri,
            }
        )
    )
    return path


async def test_a_token_is_fetched_once_and_sent(tmp_path, server):
    token = json.dumps({"access_token": SECRET, "expires_in": 3600}).encode()
    async with ScriptedServer(lambda _: Reply(200, token, {"Content-Type": "application/json"})) as google:
        file = credentials(tmp_path / "key.json", google.url)
        async with GCSStore("bucket", api_root=server.url, service_file=file) as store:
            await asyncio.gather(*(store.set(f"k{number}", VALUE) for number in range(5)))
            await store.get("k0")
        assert len(google.requests) == 1
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {SECRET}"}


def tokens():
    """Gives out token-1, token-2, ..., each good for an hour."""

    def script(_):
        script.given += 1
        token = {"access_token": f"token-{script.given}", "expires_in": 3600}
        return Reply(200, json.dumps(token).encode(), {"Content-Type": "application/json"})

    script.given = 0
    return script


async def test_a_token_that_is_refused_is_not_sent_again(tmp_path, server):
    service = server.script
    server.script = lambda asked: Reply(401) if asked.headers["authorization"] == "Bearer token-1" else service(asked)
    async with ScriptedServer(tokens()) as google:
        file = credentials(tmp_path / "key.json", google.url)
        async with GCSStore("bucket", api_root=server.url, service_file=file) as store:
            refused = await asyncio.gather(*(store.head("k") for _ in range(5)), return_exceptions=True)
            assert {type(error) for error in refused} == {errors.Unauthenticated}
            assert await asyncio.gather(*(store.head("k") for _ in range(5))) == [None] * 5
        assert len(google.requests) == 2


async def test_a_token_grows_old_while_the_machine_sleeps(tmp_path, server, monkeypatch):
    from asynczarr.store.gcs import client

    ahead = {}
    clocks = {name: lambda name=name: getattr(time, name)() + ahead[name] for name in ("monotonic", "time")}
    monkeypatch.setattr(client, "time", SimpleNamespace(**clocks))
    async with ScriptedServer(tokens()) as google:
        file = credentials(tmp_path / "key.json", google.url)
        async with GCSStore("bucket", api_root=server.url, service_file=file) as store:
            for monotonic, wall, given in ((0, 0, 1), (0, 1000, 1), (0, 3000, 2), (3000, 0, 3)):
                ahead.update(monotonic=monotonic, time=wall)
                await store.head("k")
                assert len(google.requests) == given


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400, b'{"error": "invalid_grant"}'), errors.Unauthenticated),
        (Reply(200, b"{}", {"Content-Type": "application/json"}), errors.Unauthenticated),
        (Reply(503), errors.Unavailable),
        (Reply(reset=True), errors.ConnectionFailed),
    ],
)
async def test_without_a_token_nothing_is_sent(tmp_path, server, reply, error):
    async with ScriptedServer(lambda _: reply) as google:
        file = credentials(tmp_path / "key.json", google.url)
        async with GCSStore("bucket", api_root=server.url, service_file=file) as store:
            with pytest.raises(errors.StoreError) as caught:
                await store.set("k", VALUE)
        assert type(caught.value) is error
        assert getattr(caught.value, "sent", False) is False
        assert "secret" not in everything_about(caught.value)
        assert len(google.requests) == 1
    assert server.requests == []


async def test_credentials_that_cannot_be_read(tmp_path, server):
    (tmp_path / "odd.json").write_text('{"type": "nonsense"}')
    for file in (tmp_path / "absent.json", tmp_path / "odd.json"):
        async with GCSStore("bucket", api_root=server.url, service_file=file) as store:
            with pytest.raises(errors.Unauthenticated):
                await store.get("k")
    assert server.requests == []


async def test_urls(monkeypatch, server):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url.removeprefix("http://"))
    async with open_store("gs://bucket/some/folder") as store:
        assert (type(store), store.url) == (GCSStore, "gs://bucket/some/folder")
        await store.set("k", VALUE)
        async with open_store("gcs://bucket", mode="r") as root:
            assert await root.get("some/folder/k") == VALUE
            assert root.url == "gs://bucket"
            with pytest.raises(errors.Unsupported, match="read-only"):
                await root.set("k", b"x")
    for url in ("gs://", "gs:///x", "gs://user:secret@bucket/x", "gs://bucket/x?sig=secret", "gs://bucket/../x"):
        with pytest.raises(errors.KeyInvalid) as caught:
            open_store(url)
        assert "secret" not in str(caught.value)


def test_without_gcloud_aio_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcloud.aio.auth", None)
    monkeypatch.delitem(sys.modules, "asynczarr.store.gcs.client", raising=False)
    monkeypatch.delattr("asynczarr.store.gcs.client", raising=False)
    with pytest.raises(errors.Unsupported, match=r"pip install 'asynczarr\[gcs\]'"):
        open_store("gs://bucket")
