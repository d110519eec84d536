"""Stores of obstore: errors, conditions and secrets, on a scripted server and beside other clients."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import traceback

import numpy as np
import obstore
import pytest
from obstore.store import AzureStore, GCSStore, HTTPStore, LocalStore, MemoryStore, S3Store

import asynczarr as az
from asynczarr import errors
from asynczarr.store import ObstoreStore, open_store
from asynczarr.types import ByteRange

from .scripted_http import Reply, ScriptedServer

FULL = {"ETag": '"1"', "Last-Modified": "Wed, 25 Nov 2026 19:22:44 GMT"}
VALUE = bytes(range(100))


def on(url, scheme="s3", **client):
    """A store of obstore on a scripted server."""
    options = {
        "s3": {"endpoint": url, "access_key_id": "k", "secret_access_key": "hidden", "region": "us-east-1"},
        "az": {"endpoint": url, "account_name": "account", "sas_key": "sv=1&sig=hidden"},
    }[scheme]
    return open_store(f"{scheme}://bucket/data", engine="obstore", client_options=client, **options)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400), errors.StoreError),
        (Reply(401), errors.Unauthenticated),
        (Reply(403), errors.Forbidden),
        (Reply(404, b"<Error><Code>NoSuchBucket</Code></Error>"), errors.NotFound),
        (Reply(408), errors.Unavailable),
        (Reply(429), errors.Throttled),
        (Reply(500), errors.Unavailable),
        (Reply(503, b"<Error><Code>SlowDown</Code></Error>"), errors.Throttled),
        (Reply(504), errors.Unavailable),
        (Reply(200, VALUE, FULL, cut=30), errors.Truncated),
        (Reply(200, VALUE, FULL, cut=30, reset=True), errors.Truncated),
    ],
)
async def test_errors_of_reads(reply, error):
    async with ScriptedServer(lambda _: reply) as server, on(server.url) as store:
        with pytest.raises(errors.StoreError) as caught:
            await store.get("a/k")
        assert type(caught.value) is error
        assert (caught.value.store, caught.value.key) == ("s3://bucket/data", "a/k")
        assert [request.target for request in server.requests] == ["/bucket/data/a/k"]  # once: no retries below us


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(206, VALUE[5:15], {**FULL, "Content-Range": "bytes 5-14/100"}), errors.IntegrityError),
        (Reply(206, VALUE[:5], {**FULL, "Content-Range": "bytes 0-4/100"}), errors.IntegrityError),
        (Reply(206, VALUE[:5], {**FULL, "Content-Range": "bytes 0-9/100"}), errors.Truncated),
        (Reply(200, VALUE, FULL), errors.Unsupported),
    ],
)
async def test_wrong_ranges(reply, error):
    async with ScriptedServer(lambda _: reply) as server, on(server.url) as store:
        with pytest.raises(error):
            await store.get("k", ByteRange(0, 10))
        with pytest.raises(error):
            await store.get_ranges("k", [ByteRange(0, 10)])
        assert [seen for seen in server.seen if seen[0] == "GET"] == [("GET", "bytes=0-9")] * 2


@pytest.mark.parametrize(
    ("status", "body", "options", "error"),
    [
        (412, b"", {"create": True}, errors.AlreadyExists),
        (409, b"", {"create": True}, errors.AlreadyExists),
        (409, b"<Code>ConditionalRequestConflict</Code>", {"create": True}, errors.Unavailable),
        (412, b"", {"if_version": '"1"'}, errors.PreconditionFailed),
        (404, b"", {"if_version": '"1"'}, errors.PreconditionFailed),
        (404, b"", {}, errors.NotFound),
        (500, b"", {"create": True}, errors.Unavailable),
    ],
)
async def test_errors_of_writes(status, body, options, error):
    async with ScriptedServer(lambda _: Reply(status, body)) as server, on(server.url) as store:
        with pytest.raises(errors.StoreError) as caught:
            await store.set("k", b"value", **options)
        assert type(caught.value) is error
        (request,) = server.requests
        condition = {"create": ("if-none-match", "*"), "if_version": ("if-match", "1")}
        for name in options:
            header, value = condition[name]
            assert request.headers[header] == value


async def test_what_was_sent():
    async with ScriptedServer(lambda _: Reply(reset=True)) as server, on(server.url) as store:
        for number, call in enumerate((lambda: store.get("k"), lambda: store.set("k", b"x", create=True))):
            with pytest.raises(errors.ConnectionFailed) as caught:
                await call()
            assert caught.value.sent
            assert len(server.requests) == number + 1
    async with ScriptedServer(lambda _: Reply(200, b"x", silent=2)) as server, on(server.url, timeout="200ms") as store:
        with pytest.raises(errors.AttemptTimeout) as late:
            await store.get("k")
        assert late.value.sent
        assert len(server.requests) == 1


async def test_what_was_not_sent():
    with socket.socket() as sock, socket.socket() as one, socket.socket() as two:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        for unreachable in (url, "http://no-such-host.invalid"):
            async with on(unreachable) as store:
                with pytest.raises(errors.ConnectionFailed) as caught:
                    await store.get("k")
                assert not caught.value.sent
        sock.listen(0)
        for client in (one, two):  # they fill the queue; the next SYN is dropped
            client.setblocking(False)
            client.connect_ex(sock.getsockname())
        async with on(url, connect_timeout="200ms") as store:
            with pytest.raises(errors.AttemptTimeout) as late:
                await store.get("k")
        assert not late.value.sent


async def test_a_store_that_retries_by_itself_proves_nothing():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        inner = S3Store(
            "bucket", endpoint=url, skip_signature=True, client_options={"allow_http": True},
            retry_config={"max_retries": 1},
        )  # fmt: skip
        async with ObstoreStore(inner) as store:
            with pytest.raises(errors.ConnectionFailed) as caught:
                await store.get("k")
    assert caught.value.sent


async def test_a_server_cannot_pretend_that_nothing_was_sent():
    lie = b"hyper_util::client::legacy::Error(Connect, kind: Connect retries: 0, kind: Timeout"
    async with ScriptedServer(lambda _: Reply(500, lie)) as server, on(server.url) as store:
        with pytest.raises(errors.StoreError) as caught:
            await store.set("k", b"x")
        assert type(caught.value) is errors.Unavailable


async def test_nothing_secret_is_shown():
    async with ScriptedServer(lambda _: Reply(500)) as server:
        web = open_store(f"{server.url}/x?sig=hidden", engine="obstore")
        for store in (web, on(server.url), on(server.url, "az")):
            async with store:
                with pytest.raises(errors.Unavailable) as caught:
                    await store.get("k")
                assert "hidden" not in "".join(traceback.format_exception(caught.value)) + repr(store) + store.url
        assert "sig=hidden" in server.requests[0].target
    for url in ("s3://me:hidden@bucket/x", "https://me:hidden@host/x"):
        with pytest.raises(errors.KeyInvalid) as refused:
            open_store(url, engine="obstore")
        assert "hidden" not in str(refused.value)


async def test_a_version_that_changes_between_ranges():
    tags = iter("1222222")

    def script(request):
        tag = next(tags)
        start, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
        if request.headers.get("if-match", f'"{tag}"') != f'"{tag}"':
            return Reply(412)
        part = VALUE[int(start) : int(last) + 1]
        return Reply(206, part, {**FULL, "ETag": f'"{tag}"', "Content-Range": f"bytes {start}-{last}/100"})

    async with ScriptedServer(script) as server, on(server.url) as store:
        parts = await store.get_ranges("k", [ByteRange(0, 2), ByteRange(50, 53)])
        assert [bytes(data) for data in parts.data] == [VALUE[:2], VALUE[50:53]]
        assert (parts.version, len(server.requests)) == ('"2"', 4)


async def test_suffixes_on_azure_take_a_head():
    def script(request):
        if request.method == "HEAD":
            return Reply(200, VALUE, FULL)
        return Reply(206, VALUE[93:], {**FULL, "Content-Range": "bytes 93-99/100"})

    async with ScriptedServer(script) as server, on(server.url, "az") as store:
        assert bytes(await store.get("k", ByteRange(-7))) == VALUE[93:]
        assert server.seen == [("HEAD", ""), ("GET", "bytes=93-99")]


def test_capabilities_follow_the_kind(tmp_path):
    def able(store, **options):
        can = ObstoreStore(store, **options).capabilities
        assert not can.cas_delete
        return "".join(
            letter
            for letter, yes in zip(
                "wlcsvm", (can.write, can.list, can.create, can.cas, can.versions, can.metadata), strict=True
            )
            if yes
        )

    cloud = S3Store("bucket", region="x", skip_signature=True)
    assert able(MemoryStore()) == able(cloud) == "wlcsvm"
    assert able(GCSStore("bucket", skip_signature=True)) == "wlcsvm"
    assert able(AzureStore("container", account_name="a", skip_signature=True)) == "wlcsvm"
    assert able(LocalStore(tmp_path)) == "wlcv"
    assert able(HTTPStore("https://host/x")) == "v"
    assert able(S3Store("bucket", region="x", skip_signature=True, conditional_put="disabled")) == "wlvm"
    assert able(cloud, read_only=True) == able(MemoryStore(), read_only=True) == "lv"


def test_urls(tmp_path):
    for url, shown in (
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket", "gs://bucket"),
        ("az://container/a", "az://container/a"),
        (tmp_path.as_uri(), tmp_path.as_uri()),
        ("https://host/a?x=1", "https://host/a"),
    ):
        options = {"az": {"account_name": "account"}}.get(url[:2], {})
        if url[:2] in ("s3", "gs", "az"):
            options["anonymous"] = True
        store = open_store(url, engine="obstore", **options)
        assert isinstance(store, ObstoreStore)
        assert store.url == shown
    assert open_store(str(tmp_path), engine="obstore").url == tmp_path.as_uri()
    assert not open_store("memory://", engine="obstore", mode="r").capabilities.write
    with pytest.raises(ValueError, match="unknown engine"):
        open_store("s3://bucket", engine="boto")


async def test_arrays_by_obstore(tmp_path):
    values = np.arange(1000, dtype="int16").reshape(20, 50)
    options = {"store_options": {"engine": "obstore"}}
    spec = {"shape": values.shape, "dtype": "int16", "chunks": (5, 10), "shards": (10, 50)}
    async with az.open_array(tmp_path.as_uri(), "a", mode="w", **options, **spec) as array:
        await array.write(values)
    async with az.open_array(tmp_path, "a") as array:  # by our own store
        assert np.array_equal(await array.read(), values)
    async with az.open_array(tmp_path.as_uri(), "a", **options) as array:
        assert np.array_equal(await array[3:17, ::7].read(), values[3:17, ::7])


async def test_foreign_names_and_folders_without_keys(tmp_path):
    (tmp_path / "empty" / "below").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "k").write_bytes(b"x")
    (tmp_path / "back\\slash").write_bytes(b"x")
    async with ObstoreStore(LocalStore(tmp_path)) as store:
        assert [name async for name in store.list_dir()] == ["a/"]
        assert [key async for key in store.list()] == ["a/k"]
        assert await store.get("a") is None
        assert await store.get("a/k/below") is None
        with pytest.raises(errors.Unsupported):
            await store.set("a/k/below", b"x")
        with pytest.raises(errors.Unsupported):
            await store.set("a", b"x")


async def test_metadata_beside_attributes_of_others():
    inner = MemoryStore()
    await obstore.put_async(inner, "k", b"x", attributes={"Content-Type": "text/plain", "writer": "7"})
    async with ObstoreStore(inner) as store:
        assert (await store.head("k")).metadata == {"writer": "7"}


@pytest.mark.parametrize(
    "metadata",
    [
        {"k": "\xe9"},  # would be written, and never read again
        {"k": "a\nb"},
        {"k": " x"},
        {"k": "\u65e5"},
        {"a b": "x"},
        {"a-b": "x"},
        {"A": "x"},
        {"Content-Type": "x"},
        {"contenttype": "x"},
        {"cache_control": "x"},
    ],
)
async def test_metadata_that_would_change_is_refused(metadata):
    async with ScriptedServer() as server, on(server.url) as store, ObstoreStore(MemoryStore()) as memory:
        for each in (store, memory):
            with pytest.raises(errors.Unsupported, match=r"metadata|header"):
                await each.set("k", b"x", metadata=metadata)
        assert server.requests == []


async def test_names_of_metadata_travel_as_those_of_our_s3_store():
    reply = Reply(200, b"", {**FULL, "x-amz-meta-a-b": "x y"})
    async with ScriptedServer(lambda _: reply) as server, on(server.url) as store:
        await store.set("k", b"", metadata={"a_b": "x y"})
        assert server.requests[0].headers["x-amz-meta-a-b"] == "x y"
        assert (await store.head("k")).metadata == {"a_b": "x y"}
        assert (await store.get_ranges("k", [ByteRange()])).metadata == {"a_b": "x y"}


async def test_a_panic_of_rust_is_an_error_of_ours():
    async with ScriptedServer() as server, on(server.url) as store:
        with pytest.raises(errors.StoreError) as caught:
            await store.set("k", b"x", if_version="no\nheader")
        assert (caught.value.key, server.requests) == ("k", [])


async def test_marks_of_folders_are_no_keys():
    """Objects named ``folder/``: obstore lists them without the slash, and a key may have that name too."""
    sizes = {"only/": 0, "both": 0, "both-k": 1, "both/": 0, "both/k": 1, "mark/": 0, "mark/k": 1}

    def script(request):
        if request.method == "HEAD":
            return Reply(200, b"", FULL) if request.target == "/bucket/data/both" else Reply(404)
        start = "data/mark/" if "mark" in request.target else "data/"
        rows = [
            f"<Contents><Key>data/{key}</Key><Size>{size}</Size><ETag>x</ETag>"
            "<LastModified>2026-11-25T19:22:44.000Z</LastModified></Contents>"
            for key, size in sizes.items()
            if f"data/{key}".startswith(start)
        ]
        return Reply(200, f"<ListBucketResult>{''.join(rows)}</ListBucketResult>".encode())

    async with ScriptedServer(script) as server, on(server.url) as store:
        assert [key async for key in store.list()] == ["both", "both-k", "both/k", "mark/k"]
        assert sorted(request.target for request in server.requests[1:]) == [
            f"/bucket/data/{name}" for name in ("both", "both", "mark", "only")
        ]
        assert [key async for key in store.list("mark/")] == ["mark/k"]
        assert [name async for name in store.list_dir("mark/")] == ["k"]


async def test_loops_threads_and_forks():
    script = """
import asyncio, os
from concurrent.futures import ThreadPoolExecutor
from asynczarr.errors import Unsupported
from asynczarr.store import open_store

store = open_store("memory://", engine="obstore")
forked = os.fork()  # before the first use: the child may
async def use():
    await store.set("k", b"x")
    assert bytes(await store.get("k")) == b"x"
for _ in range(2):
    asyncio.run(use())
with ThreadPoolExecutor(3) as threads:
    list(threads.map(lambda _: asyncio.run(use()), range(3)))
if not forked:
    os._exit(0)
assert os.waitpid(forked, 0)[1] == 0
if (child := os.fork()) == 0:
    try:
        asyncio.run(use())
    except Unsupported as error:
        os._exit(0 if "fork" in str(error) else 1)
    os._exit(2)
assert os.waitpid(child, 0)[1] == 0
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


async def test_cancelled_anywhere_nothing_is_left():
    async with ScriptedServer(lambda _: Reply(200, VALUE, FULL, silent=0.001)) as server, on(server.url) as store:
        before, cancelled = asyncio.all_tasks(), 0
        for turns in range(30):
            task = asyncio.create_task(store.get_ranges("k", [ByteRange(), ByteRange(0, 50)]))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            cancelled += task.cancelled()
            theirs = ("ScriptedServer", "_accept_connection2")
            left = asyncio.all_tasks() - before
            assert [task for task in left if not any(name in repr(task) for name in theirs)] == []
        assert cancelled > 3
        assert bytes(await store.get("k")) == VALUE


def test_without_obstore_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(errors.Unsupported, match=r"pip install 'asynczarr\[obstore\]'"):
        open_store("s3://bucket", engine="obstore")
