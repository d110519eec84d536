"""MongoDB and its GridFS files: what is stored, what goes wrong, what is left behind, and how it is swept away."""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path

import pytest

from asynczarr.errors import (
    AlreadyExists,
    AttemptTimeout,
    ConnectionFailed,
    Forbidden,
    IntegrityError,
    KeyInvalid,
    OutcomeUnknown,
    PreconditionFailed,
    QuotaExceeded,
    StoreError,
    Throttled,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from asynczarr.store import MongoStore, open_store
from asynczarr.store.mongodb import store as module
from asynczarr.types import ByteRange
from tests.servers.base import free_port
from tests.servers.secantusdb import SecantusServer

sys.path.insert(0, str(Path(__file__).parent))
from tcp_proxy import Proxy

pymongo = pytest.importorskip("pymongo")
from bson import ObjectId  # noqa: E402
from gridfs.asynchronous import AsyncGridFSBucket  # noqa: E402
from pymongo import errors  # noqa: E402

pytestmark = pytest.mark.xdist_group("secantusdb")

SMALL, LARGE = 1000, 300_000


@pytest.fixture
def name():
    return f"t{secrets.token_hex(6)}"


@pytest.fixture
async def database(secantusdb_server, name):
    async with pymongo.AsyncMongoClient(secantusdb_server.address) as client:
        yield client[name]
        await client.drop_database(name)


@pytest.fixture
async def store(secantusdb_server, name):
    async with MongoStore(f"{secantusdb_server.address}/{name}/p", inline=SMALL, chunk_size=1 << 16) as store:
        yield store


@pytest.fixture
async def proxy(secantusdb_server):
    async with Proxy(secantusdb_server.port) as proxy:
        yield proxy


@pytest.fixture
async def proxied(proxy, name):
    url = f"mongodb://127.0.0.1:{proxy.port}/{name}/p?directConnection=true"
    async with MongoStore(url, inline=SMALL, chunk_size=1 << 16, timeout=1.0) as store:
        yield store


async def left(database):
    """Numbers of keys, files, and files that have chunks."""
    files = await database["zarr.chunks"].distinct("files_id")
    counts = [await database[f"zarr.{part}"].count_documents({}) for part in ("keys", "files")]
    return (*counts, len(files))


# What is stored.


async def test_any_gridfs_driver_reads_a_large_value(store, database):
    value = secrets.token_bytes(LARGE)
    version = await store.set("a/b", value, metadata={"a.b": "c", "$d": "é"})
    bucket = AsyncGridFSBucket(database, bucket_name="zarr")
    stream = await bucket.open_download_stream_by_name("p/a/b")
    assert await stream.read() == value
    assert str(stream._id) == version
    assert (await store.head("a/b")).metadata == {"a.b": "c", "$d": "é"}


async def test_a_range_transfers_only_its_chunks(store, database):
    await store.set("k", bytes(LARGE))
    chunks = database["zarr.chunks"]
    await chunks.update_one({"n": 1}, {"$set": {"data": b"\1" * (1 << 16)}})
    await chunks.delete_one({"n": 3})
    parts = await store.get_ranges("k", [ByteRange(65530, 65540), ByteRange(131070, 131080), ByteRange(-3)])
    assert [bytes(part) for part in parts.data] == [bytes(6) + b"\1" * 4, b"\1\1" + bytes(8), bytes(3)]
    with pytest.raises(IntegrityError, match="missing"):
        await store.get("k")
    await chunks.update_one({"n": 0}, {"$set": {"data": b"short"}})
    with pytest.raises(IntegrityError, match="5 bytes"):
        await store.get("k", ByteRange(0, 1))


async def test_no_file_outlives_its_value(store, database):
    """Overwritten by large and small, deleted in each way, refused by a condition."""
    for size in (LARGE, LARGE, SMALL, LARGE):
        version = await store.set("k", bytes(size))
    assert await left(database) == (1, 1, 1)
    with pytest.raises(AlreadyExists):
        await store.set("k", bytes(LARGE), create=True)
    with pytest.raises(PreconditionFailed):
        await store.set("k", bytes(LARGE), if_version=str(ObjectId()))
    with pytest.raises(PreconditionFailed):
        await store.set("k", bytes(LARGE), if_version="of another store")
    assert await left(database) == (1, 1, 1)
    await store.delete("k", if_version=version)
    await store.set("a", bytes(LARGE), create=True)
    await store.set("b", bytes(SMALL))
    await store.delete_many(["a", "b", "c"])
    assert await left(database) == (0, 0, 0)


async def test_many_writers_of_one_large_value(store, database):
    """One wins, and the others can be swept away.

    MongoDB hands out each old document once, and then nothing is left to be swept. SecantusDB 0.7 may hand out the same
    one to two writers at once, and the document between them to nobody.
    """
    await asyncio.gather(*(store.set("k", bytes([number]) * LARGE) for number in range(8)))
    value = bytes(await store.get("k"))
    assert value == value[:1] * LARGE
    await store.sweep(older_than=-10)
    assert await left(database) == (1, 1, 1)
    assert bytes(await store.get("k")) == value


async def test_a_reader_whose_file_is_gone_reads_the_new_one(store, monkeypatch):
    await store.set("k", b"1" * LARGE)
    times, real = 2, module.read

    async def overwritten_first(at, file, ends):
        nonlocal times
        if times:
            times -= 1
            await store.set("k", b"%d" % (3 - times) * LARGE)
        return await real(at, file, ends)

    monkeypatch.setattr(module, "read", overwritten_first)
    assert bytes(await store.get("k", ByteRange(0, 2))) == b"33"
    times = 100
    with pytest.raises(Unavailable, match="again and again"):
        await store.get("k")
    pinned = (await store.head("k")).version
    with pytest.raises(PreconditionFailed):
        await store.get_ranges("k", [ByteRange()], if_version=pinned)


# What goes wrong.


async def test_nobody_listens():
    url = f"mongodb://127.0.0.1:{free_port()}/db"
    async with MongoStore(url, connect_timeout=0.3) as store:
        for call in (store.get("k"), store.set("k", b"x", create=True), store.delete("k")):
            with pytest.raises(ConnectionFailed) as caught:
                await call
            assert caught.value.sent is False
            assert (caught.value.key, caught.value.store) == ("k", store.url)


async def test_lost_acknowledgement_is_one_request(proxied, proxy, store):
    """Not sent again by PyMongo, and no false conflict."""
    await proxied.get("k")
    proxy.fail("lose", on=b"insert\0")
    with pytest.raises(ConnectionFailed) as caught:
        await proxied.set("k", b"landed", create=True)
    assert caught.value.sent is True
    assert proxy.count(b"\2insert\0") == 1
    assert bytes(await store.get("k")) == b"landed"
    version = (await store.head("k")).version
    proxy.fail("lose", on=b"findAndModify\0")
    with pytest.raises(ConnectionFailed) as caught:
        await proxied.set("k", b"swapped", if_version=version)
    assert (caught.value.sent, proxy.count(b"\2findAndModify\0")) == (True, 1)
    assert bytes(await store.get("k")) == b"swapped"


async def test_reset_and_silence_are_one_request(proxied, proxy, store):
    await proxied.get("k")
    proxy.fail("reset", on=b"\2find\0")
    before = proxy.count(b"\2find\0")
    with pytest.raises(ConnectionFailed):
        await proxied.get("k")
    assert proxy.count(b"\2find\0") == before + 1
    proxy.fail("swallow", on=b"findAndModify\0")
    with pytest.raises(AttemptTimeout) as caught:
        await proxied.set("k", b"x")
    assert (caught.value.sent, proxy.count(b"\2findAndModify\0")) == (True, 1)
    assert await proxied.get("k") is None


async def test_an_upload_that_breaks_leaves_nothing(proxied, proxy, database):
    await proxied.set("k", b"old")
    proxy.fail("reset", on=b"zarr.chunks")
    with pytest.raises(ConnectionFailed):
        await proxied.set("k", bytes(LARGE))
    assert bytes(await proxied.get("k")) == b"old"
    assert (await left(database))[1:] == (0, 0)


async def test_an_unknown_outcome_keeps_the_file(proxied, proxy, store, database):
    """The new pointer has landed, its acknowledgement has not: removing the file would lose the value."""
    await store.set("k", b"a" * LARGE)
    await proxied.get("k")
    proxy.fail("lose", on=b"findAndModify\0")
    with pytest.raises(ConnectionFailed):
        await proxied.set("k", b"b" * LARGE)
    assert bytes(await store.get("k")) == b"b" * LARGE
    assert await left(database) == (1, 2, 2)  # the old file is nobody's now
    assert await store.sweep() == 0  # it is young: its writer may be alive
    assert await store.sweep(older_than=-10) == 1
    assert await left(database) == (1, 1, 1)
    assert bytes(await store.get("k")) == b"b" * LARGE


async def test_sweeping_removes_chunks_without_a_file(store, database):
    await store.set("kept", bytes(LARGE))
    orphan = ObjectId()
    await database["zarr.chunks"].insert_many([{"files_id": orphan, "n": n, "data": b"x"} for n in (1, 2)])
    assert await store.sweep(older_than=-10) == 1
    assert await left(database) == (1, 1, 1)
    assert len(bytes(await store.get("kept"))) == LARGE


@pytest.mark.parametrize("client", ["pymongo", "motor"])
async def test_cancelled_at_every_step_of_an_upload(client, secantusdb_server, name, database):
    """The value is old or new; nothing is left but what it needs."""
    options = {"inline": SMALL, "chunk_size": 1 << 16}
    url, given = f"{secantusdb_server.address}/{name}/p", None
    if client == "motor":
        given = pytest.importorskip("motor.motor_asyncio").AsyncIOMotorClient(secantusdb_server.address)
    cancelled = 0
    try:
        async with MongoStore(url, client=given, **options) as store:
            await store.set("k", b"old" * LARGE)
            for step in range(25):
                task = asyncio.create_task(store.set("k", b"new" * LARGE))
                await asyncio.sleep(step * 0.002)
                task.cancel()
                await asyncio.wait([task])
                cancelled += task.cancelled()
                value = bytes(await store.get("k"))
                assert value in (b"old" * LARGE, b"new" * LARGE)
                assert await left(database) == (1, 1, 1), step
            assert [key async for key in store.list()] == ["k"]
    finally:
        if given is not None:
            given.close()
    assert cancelled > 3


async def test_killed_server_loses_nothing_acknowledged(own_server):
    with own_server(SecantusServer) as server:
        async with MongoStore(f"{server.address}/db", inline=SMALL, connect_timeout=2.0) as store:
            versions = [await store.set(f"k{number}", bytes(SMALL if number % 5 else LARGE)) for number in range(20)]
            server.kill()
            server.start()
            with pytest.raises(ConnectionFailed):  # by a connection of before
                await store.head("k1")
            assert [(await store.head(f"k{number}")).version for number in range(20)] == versions
            assert len(await store.get("k5")) == LARGE


FOREIGN = {
    "nothing": {},
    "other fields": {"name": "x", "data": b"x"},
    "no metadata": {"version": ObjectId(), "size": 1, "modified": 1.0, "data": b"x"},
    "odd metadata": {"version": ObjectId(), "size": 1, "modified": 1.0, "metadata": [5], "data": b"x"},
    "a size below zero": {"version": ObjectId(), "size": -1, "modified": 1.0, "metadata": [], "data": b"x"},
    "text as a size": {"version": ObjectId(), "size": "1", "modified": 1.0, "metadata": [], "data": b"x"},
    "text as a version": {"version": "1", "size": 1, "modified": 1.0, "metadata": [], "data": b"x"},
}
OURS = {"version": ObjectId(), "modified": 1.0, "metadata": []}
CONTRADICTORY = {
    "another size": {**OURS, "size": 3, "data": b"x"},
    "text as data": {**OURS, "size": 1, "data": "x"},
    "no data": {**OURS, "size": 1},
    "a file without chunks": {**OURS, "size": 1, "file": ObjectId()},
    "chunks of nothing": {**OURS, "size": 1, "file": ObjectId(), "chunk": 0},
}


@pytest.mark.parametrize("kind", [*FOREIGN, *CONTRADICTORY])
async def test_a_document_of_somebody_else(store, database, kind):
    await database["zarr.keys"].insert_one({"_id": "p/k", **(FOREIGN | CONTRADICTORY)[kind]})
    calls = [store.get("k"), store.get_ranges("k", [ByteRange(0, 1)])]
    if kind in FOREIGN:
        calls.append(store.head("k"))
    for call in calls:
        with pytest.raises(IntegrityError, match="not written by asynczarr") as caught:
            await call
        assert caught.value.key == "k"
    await store.delete_many(["k"])
    assert await store.head("k") is None


async def test_files_of_somebody_else_are_not_swept(store, database):
    await database["zarr.files"].insert_one({"_id": "theirs"})
    await database["zarr.chunks"].insert_many([{"files_id": "theirs", "n": 0, "data": b"x"}, {"n": 0}])
    assert await store.sweep(older_than=-10) == 0
    assert await database["zarr.chunks"].count_documents({}) == 2


# In our words.


@pytest.mark.parametrize(
    ("error", "kind", "sent"),
    [
        (errors.ServerSelectionTimeoutError("nobody"), ConnectionFailed, False),
        (errors.WaitQueueTimeoutError("busy"), AttemptTimeout, False),
        (errors.NetworkTimeout("slow"), AttemptTimeout, True),
        (errors.AutoReconnect("reset"), ConnectionFailed, True),
        (errors.NotPrimaryError("moved"), Unavailable, None),
        (errors.OperationFailure("no", 18), Unauthenticated, None),
        (errors.OperationFailure("no", 13), Forbidden, None),
        (errors.OperationFailure("rate", 16500), Throttled, None),
        (errors.OperationFailure("full", 14031), QuotaExceeded, None),
        (errors.OperationFailure("gone", 91), Unavailable, None),
        (errors.OperationFailure("busy", 1, {"errorLabels": ["SystemOverloadedError"]}), Throttled, None),
        (errors.ExecutionTimeout("slow", 50), AttemptTimeout, True),
        (errors.WTimeoutError("waiting", 64), OutcomeUnknown, None),
        (errors.DocumentTooLarge("large"), QuotaExceeded, None),
        (errors.OperationFailure("what", 2), StoreError, None),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_errors_of_pymongo(error, kind, sent):
    from asynczarr.store.mongodb.client import failures

    with pytest.raises(kind) as caught, failures():
        raise error
    assert type(caught.value) is kind
    assert getattr(caught.value, "sent", None) is sent
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("url", "shown", "uri", "place"),
    [
        ("mongodb://host/db", "mongodb://host/db", "mongodb://host/db", ("db", "zarr", "")),
        ("mongodb://a,b:1/db.fs/x/y/", "mongodb://a,b:1/db.fs/x/y", "mongodb://a,b:1/db", ("db", "fs", "x/y/")),
        (
            "mongodb+srv://user:geheim@host/db.a.b/x?authSource=admin",
            "mongodb+srv://host/db.a.b/x",
            "mongodb+srv://user:geheim@host/db?authSource=admin",
            ("db", "a.b", "x/"),
        ),
    ],
)
def test_urls(url, shown, uri, place):
    from asynczarr.store.mongodb.url import MongoAddress

    store, address = open_store(url), MongoAddress.parse(url)
    assert (store.url, address.uri) == (shown, uri)
    assert (address.database, address.bucket, address.prefix) == place
    assert "geheim" not in repr(store)


@pytest.mark.parametrize(
    "url", ["mongodb://host", "mongodb:///db", "mongodb://host/db/../x", "mongodb://u:ge/heim@host/db", "mongodb://"]
)
def test_urls_that_are_refused_and_not_repeated(url):
    with pytest.raises(KeyInvalid) as caught:
        open_store(url)
    assert "heim" not in str(caught.value)


def test_options_are_checked():
    with pymongo.MongoClient(connect=False) as blocking, pytest.raises(Unsupported, match="MongoClient"):
        MongoStore("mongodb://host/db", client=blocking)
    with pytest.raises(ValueError, match="inline"):
        MongoStore("mongodb://host/db", inline=16 * 2**20)
