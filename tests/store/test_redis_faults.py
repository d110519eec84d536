"""Redis when things go wrong: one typed error, one request on the wire, and a store that goes on afterwards."""

from __future__ import annotations

import asyncio
import re
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
    StoreClosed,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from asynczarr.middleware import stack
from asynczarr.middleware.idempotency import WRITE_ID
from asynczarr.store import RedisStore, open_store
from asynczarr.types import ByteRange
from tests.servers.base import free_port
from tests.servers.redis import RedisServer

sys.path.insert(0, str(Path(__file__).parent))
from tcp_proxy import Proxy

pytestmark = pytest.mark.xdist_group("redis")

redis = pytest.importorskip("redis.asyncio")


@pytest.fixture
async def proxy(redis_server):
    async with Proxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def prefix():
    return secrets.token_hex(6)


def through(proxy, prefix, **options):
    return RedisStore(f"redis://127.0.0.1:{proxy.port}/0/{prefix}", **options)


@pytest.fixture
async def direct(redis_server, prefix):
    async with RedisStore(f"{redis_server.address}/0/{prefix}") as store:
        yield store


# The wire.


async def test_nobody_listens():
    async with RedisStore(f"redis://127.0.0.1:{free_port()}/0/x") as store:
        for call in (store.get("k"), store.set("k", b"x", create=True), store.delete("k")):
            with pytest.raises(ConnectionFailed) as caught:
                await call
            assert caught.value.sent is False
            assert (caught.value.key, caught.value.store) == ("k", store.url)
            assert isinstance(caught.value.__cause__, redis.ConnectionError)


async def test_lost_acknowledgement_is_one_request_and_no_conflict(proxy, direct, prefix):
    """redis-py by itself would send it again, and report our own write as a conflict."""
    async with through(proxy, prefix) as store:
        proxy.fail("lose", on=b"SET")
        with pytest.raises(ConnectionFailed) as caught:
            await store.set("k", b"landed", create=True, metadata={"writer": "7"})
        assert caught.value.sent is True
        assert proxy.count(b"\r\nSET\r\n") == 1
        info = await store.head("k")
        assert dict(info.metadata) == {"writer": "7"}
        assert bytes(await direct.get("k")) == b"landed"


async def test_lost_acknowledgement_of_compare_and_swap(proxy, direct, prefix):
    version = await direct.set("k", b"older")
    version = await direct.set("k", b"old", if_version=version)  # now the server knows the script
    async with through(proxy, prefix) as store:
        proxy.fail("lose", on=b"EVALSHA")
        with pytest.raises(ConnectionFailed) as caught:
            await store.set("k", b"new", if_version=version)
        assert caught.value.sent is True
        assert (proxy.count(b"\r\nSET\r\n"), proxy.count(b"\r\nEVALSHA\r\n")) == (1, 1)
        assert bytes(await store.get("k")) == b"new"


@pytest.mark.parametrize("verb", ["get", "ranges", "head", "set", "delete", "delete_many", "list"])
async def test_reset_is_one_request(proxy, prefix, verb):
    calls = {
        "get": (b"GET", lambda store: store.get("k")),
        "ranges": (b"EVALSHA", lambda store: store.get_ranges("k", [ByteRange(0, 1), ByteRange(-1)])),
        "head": (b"EVALSHA", lambda store: store.head("k")),
        "set": (b"SET", lambda store: store.set("k", b"x")),
        "delete": (b"UNLINK", lambda store: store.delete("k")),
        "delete_many": (b"UNLINK", lambda store: store.delete_many(["k", "l"])),
        "list": (b"SCAN", lambda store: anext(store.list())),
    }
    command, call = calls[verb]
    async with through(proxy, prefix) as store:
        proxy.fail("reset", on=command)
        with pytest.raises(ConnectionFailed) as caught:
            await call(store)
        assert caught.value.sent is True
        assert proxy.count(b"\r\n%b\r\n" % command) == 1
        assert await store.get("k") is None
        assert proxy.connections == 2


async def test_silence_ends_at_the_timeout_and_the_connection_is_not_used_again(proxy, prefix):
    async with through(proxy, prefix, timeout=1.5) as store:
        proxy.fail("swallow", on=b"SET")
        with pytest.raises(AttemptTimeout) as caught:
            await store.set("k", b"x")
        assert caught.value.sent is True
        assert await store.get("k") is None
        assert (proxy.count(b"\r\nSET\r\n"), proxy.connections) == (1, 2)


async def test_silence_while_connecting_is_proven_not_sent(proxy, prefix):
    async with RedisStore(f"redis://127.0.0.1:{proxy.port}/5/{prefix}", timeout=1.5) as store:
        proxy.fail("swallow", on=b"SELECT")
        with pytest.raises(AttemptTimeout) as caught:
            await store.set("k", b"x")
        assert caught.value.sent is False
        assert proxy.count(b"\r\nSET\r\n") == 0
        await store.set("k", b"x")
        await store.delete("k")


async def test_connections_that_the_server_has_closed_are_replaced_before_they_are_used(redis_server, direct):
    await direct.set("k", b"x")
    async with redis.from_url(redis_server.address) as admin:
        await admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await asyncio.sleep(0.05)
    assert bytes(await direct.get("k")) == b"x"


async def test_killed_server_loses_nothing_acknowledged(own_server):
    with own_server(RedisServer) as server:
        async with RedisStore(f"{server.address}/0/a", timeout=5) as store:
            versions = [await store.set(f"k{number}", b"x" * 1000) for number in range(50)]
            server.kill()
            with pytest.raises(ConnectionFailed):
                await store.get("k1")
            server.start()
            assert [(await store.head(f"k{number}")).version for number in range(50)] == versions


async def test_a_server_without_our_scripts_is_given_them(redis_server, proxy, prefix):
    async with through(proxy, prefix) as store:
        await store.set("k", b"0123456789")
        async with redis.from_url(redis_server.address) as admin:
            await admin.script_flush()
        assert bytes(await store.get("k", ByteRange(-3))) == b"789"
        assert (proxy.count(b"\r\nEVALSHA\r\n"), proxy.count(b"\r\nSCRIPT\r\n")) == (2, 1)


# What the server says.


async def test_refusals_are_typed(own_server):
    with own_server(RedisServer) as server:
        async with redis.from_url(server.address) as admin, RedisStore(f"{server.address}/0/a") as store:
            await store.set("k", b"x")
            await admin.execute_command("ACL", "SETUSER", "reader", "on", ">geheim", "~*", "+get", "+select")
            url = f"redis://reader:{{}}@127.0.0.1:{server.port}/0/a"
            async with RedisStore(url.format("geheim")) as reader:
                assert bytes(await reader.get("k")) == b"x"
                with pytest.raises(Forbidden):
                    await reader.set("k", b"y")
            async with RedisStore(url.format("falsch")) as stranger:
                with pytest.raises(Unauthenticated) as caught:
                    await stranger.get("k")
                assert "falsch" not in f"{caught.value}{caught.value.__cause__}{stranger!r}{stranger.url}"
            await admin.config_set("maxmemory", "1")
            with pytest.raises(QuotaExceeded):
                await store.set("k", b"y")
            await admin.config_set("maxmemory", "0")
            await admin.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
            with pytest.raises(Unavailable):
                await store.set("k", b"y")
            await admin.execute_command("REPLICAOF", "NO", "ONE")
            await admin.config_set("requirepass", "x")
        async with RedisStore(f"{server.address}/0/a") as stranger:
            with pytest.raises(Unauthenticated):
                await stranger.get("k")


async def test_the_permissions_that_the_documentation_names(prefix, own_server):
    page = (Path(__file__).parents[2] / "docs/backends/redis.md").read_text()
    reading, writing = (words.split() for words in re.findall(r"`(\+[^`]*)`", page))
    with own_server(RedisServer) as server:
        async with redis.from_url(server.address) as admin:
            for user, commands in (("reader", reading), ("writer", reading + writing)):
                await admin.execute_command("ACL", "SETUSER", user, "on", ">x", f"~{prefix}/*", *commands)
        url = f"redis://{{}}:x@127.0.0.1:{server.port}/1/{prefix}"
        async with RedisStore(url.format("writer")) as writer, RedisStore(url.format("reader")) as reader:
            version = await writer.set("k", b"0123", create=True)
            version = await writer.set("k", b"4567", if_version=version)
            assert bytes(await reader.get("k")) == b"4567"
            assert bytes(await reader.get("k", ByteRange(-1))) == b"7"
            assert [key async for key in reader.list()] == ["k"]
            with pytest.raises(Forbidden):
                await reader.delete("k")
            await writer.delete("k", if_version=version)
            await writer.set("k", b"x")
            await writer.delete("k")
            async with RedisStore(f"redis://writer:x@127.0.0.1:{server.port}/1/elsewhere") as elsewhere:
                with pytest.raises(Forbidden):
                    await elsewhere.get("k")


async def test_what_others_have_stored(redis_server, direct, prefix):
    async with redis.from_url(redis_server.address) as admin:
        await admin.set(f"{prefix}/text", "of somebody else, and longer than the head of a record")
        await admin.set(f"{prefix}/short", "x")
        await admin.rpush(f"{prefix}/list", "x")
        await admin.set(f"{prefix}/../up", "x")
        for key in ("text", "short", "list"):
            for call in (direct.get(key), direct.get(key, ByteRange(0, 1)), direct.head(key)):
                with pytest.raises(IntegrityError):
                    await call
        with pytest.raises(PreconditionFailed):
            await direct.set("text", b"x", if_version="00" * 16)
        assert sorted([key async for key in direct.list()]) == ["list", "short", "text"]
        keys = [key async for key in admin.scan_iter(f"{prefix}*")]
        await admin.delete(*keys)


async def test_waiting_for_replicas(own_server):
    with own_server(RedisServer) as primary, own_server(RedisServer) as replica:
        async with RedisStore(f"{primary.address}/0/a", wait_replicas=1, wait_timeout=0.1) as store:
            with pytest.raises(OutcomeUnknown):
                await store.set("k", b"x")
            assert bytes(await store.get("k")) == b"x"
            for refused, error in (  # and so in no doubt: nothing was written that replicas could have
                (store.set("k", b"!", create=True), AlreadyExists),
                (store.set("k", b"!", if_version="00" * 16), PreconditionFailed),
                (store.delete("k", if_version="00" * 16), PreconditionFailed),
            ):
                with pytest.raises(error):
                    await refused
            async with stack(store) as layers:
                with pytest.raises(OutcomeUnknown, match="replicas") as doubt:
                    await layers.set("new", b"x", create=True)
                assert doubt.value.write_id == (await store.head("new")).metadata[WRITE_ID]
        async with redis.from_url(replica.address) as admin:
            await admin.execute_command("REPLICAOF", "127.0.0.1", str(primary.port))
        async with RedisStore(f"{primary.address}/0/a", wait_replicas=1, wait_timeout=20.0) as store:
            version = await store.set("k", b"y", create=False)
            version = await store.set("k", b"z", if_version=version)
            with pytest.raises(AlreadyExists):
                await store.set("k", b"!", create=True)
        async with RedisStore(f"{replica.address}/0/a", read_only=True) as copy:
            assert bytes(await copy.get("k")) == b"z"
            with pytest.raises(Unsupported):
                await copy.delete("k")


async def test_too_large_a_value(direct, monkeypatch):
    from asynczarr.store.redis import store as module

    monkeypatch.setattr(module, "_LARGEST", 100)
    with pytest.raises(QuotaExceeded):
        await direct.set("k", bytes(100))


async def test_scan_that_repeats_itself(direct):
    """Redis may name a key twice; a listing does not."""
    pages = {b"0": [b"7", [b"a/x", b"b"]], b"7": [b"9", []], b"9": [b"0", [b"b", b"a/x", b"a/y"]]}

    class Scripted:
        async def send(self, command, script=None):
            width = len(direct._prefix)
            return [[pages[command[1]][0], [b"p" * width + name for name in pages[command[1]][1]]]]

    real, direct._client = direct._client, Scripted()
    try:
        assert [key async for key in direct.list()] == ["a/x", "b", "a/y"]
        assert [name async for name in direct.list_dir()] == ["a/", "b"]
    finally:
        direct._client = real


# Cancellation.


async def test_cancelled_at_every_step(redis_server, proxy, prefix, direct):
    """No connection is lost from the pool, none answers the wrong call, and the value is old or new."""
    async with RedisStore(f"redis://127.0.0.1:{proxy.port}/3/{prefix}", max_connections=2) as store:
        old = await store.set("k", b"old")
        cancelled = 0
        for steps in range(60):
            version = (await store.head("k")).version
            task = asyncio.create_task(store.set("k", b"new%d" % steps, if_version=version))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            cancelled += task.cancelled()
            assert bytes(await store.get("k"))[:3] in (b"old", b"new")
        assert cancelled > 5
        assert old != (await store.head("k")).version
        together = await asyncio.gather(*(store.get("k") for _ in range(8)))
        assert len({bytes(value) for value in together}) == 1
        assert [key async for key in store.list()] == ["k"]
        await store.delete("k")
    assert len(asyncio.all_tasks()) <= 1 + 4 * proxy.connections


async def test_a_closed_store_holds_no_connection(redis_server, prefix):
    async with redis.from_url(redis_server.address) as admin:

        async def names():
            return [client["name"] for client in await admin.client_list()]

        options = {"client_name": prefix}
        async with RedisStore(f"{redis_server.address}/0/{prefix}", connection=options, max_connections=3) as store:
            await asyncio.gather(*(store.get(f"k{number}") for number in range(20)))
            assert (await names()).count(prefix) == 3
        async with asyncio.timeout(5):
            while prefix in await names():
                await asyncio.sleep(0.01)
        with pytest.raises(StoreClosed):
            await store.get("k")


# URLs.


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host", "redis://host"),
        ("redis://user:geheim@host:7000/2/a/b/", "redis://host:7000/2/a/b"),
        ("REDISS://:geheim@host/0", "rediss://host/0"),
        ("unix:///run/redis.sock?db=3&prefix=a/b", "unix:///run/redis.sock?db=3&prefix=a/b"),
        ("unix://user:geheim@/run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_urls(url, shown):
    store = open_store(url)
    assert isinstance(store, RedisStore)
    assert store.url == shown
    assert "geheim" not in repr(store)


@pytest.mark.parametrize(
    "url",
    [
        "redis://host/prefix",
        "redis://host/-1",
        "redis://host/0/a/../b",
        "redis://host/0/a%00b",
        "redis://:geheim@host:port/0",
        "redis://host/0?socket_timeout=geheim",
        "redis://host/0#geheim",
        "redis://:ge/heim@host/0",
        "redis://:ge?heim@host/0",
        "redis://:ge#heim@host/0",
        "unix:///run/redis.sock?password=geheim",
    ],
)
def test_urls_that_are_refused_and_not_repeated(url):
    with pytest.raises(KeyInvalid) as caught:
        open_store(url)
    assert "heim" not in str(caught.value)
