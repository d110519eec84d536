"""The HTTP store on real servers: nginx, and one that knows no ranges."""

from __future__ import annotations

import asyncio
import gzip
import os
import ssl
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import asynczarr as az
from asynczarr.errors import Forbidden, NotFound, PreconditionFailed, Unauthenticated, Unavailable, Unsupported
from asynczarr.store import FilesystemStore, HTTPStore, open_store
from asynczarr.testing import StoreContract
from asynczarr.types import ByteRange

from .split_store import SplitStore

pytestmark = pytest.mark.xdist_group("nginx")


@pytest.fixture(params=["nginx", "plain"])
def server(request):
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def folder(server, request):
    """A fresh folder below the root of the server: its URL and its path."""
    name = f"{request.node.originalname}-{os.urandom(4).hex()}"
    path = Path(server.root, name)
    path.mkdir()
    return f"{server.address}/{name}", path


class TestContract(StoreContract):
    @pytest.fixture
    async def store(self, folder):
        url, path = folder
        async with SplitStore(HTTPStore(url), FilesystemStore(path, durability="none")) as store:
            yield store

    async def test_readers_see_old_or_new(self, store, server):
        """nginx's ETag is made of size and second: states of one second are told apart by their sizes."""
        if server.name == "plain":  # one body holds all ranges
            await super().test_readers_see_old_or_new(store)
            return
        await store.set("k", b"\0" * 5000)
        running = True

        async def read():
            while running:
                parts = await store.get_ranges("k", [ByteRange(0, 100), ByteRange(-100), ByteRange(4000, 4001)])
                assert len({bytes(data[:1]) for data in parts.data}) == 1
                assert parts.size == 5000 + parts.data[0][0]

        readers = [asyncio.create_task(read()) for _ in range(4)]
        for number in range(1, 30):
            await store.set("k", bytes([number]) * (5000 + number))
            await asyncio.sleep(0.01)
        running = False
        await asyncio.gather(*readers)


async def test_versions_are_strong_etags(nginx_server):
    path = Path(nginx_server.root, "versions")
    path.write_bytes(b"0123456789")
    async with HTTPStore(nginx_server.address) as store:
        assert store.capabilities.versions
        info = await store.head("versions")
        assert info.version.startswith('"')
        assert info.modified == int(path.stat().st_mtime)
        ranges = [ByteRange(0, 2), ByteRange(-2), ByteRange(20, 30), ByteRange(3, 3)]
        parts = await store.get_ranges("versions", ranges, if_version=info.version)
        assert (parts.version, parts.size) == (info.version, 10)
        assert [bytes(data) for data in parts.data] == [b"01", b"89", b"", b""]
        path.write_bytes(b"another state")
        for wanted in (ranges, ranges[:1], ranges[1:2], ranges[2:3], ranges[3:], []):
            with pytest.raises(PreconditionFailed):
                await store.get_ranges("versions", wanted, if_version=info.version)
        assert await store.get_ranges("missing", ranges, if_version=info.version) is None


async def test_a_server_without_etags_has_no_versions(plain_server):
    Path(plain_server.root, "versions").write_bytes(b"0123456789")
    async with HTTPStore(plain_server.address) as store:
        assert (await store.head("versions")).version is None
        with pytest.raises(PreconditionFailed):
            await store.get_ranges("versions", [ByteRange(0, 1)], if_version='"made-up"')


async def test_groups_open_by_consolidated_metadata(folder):
    url, path = folder
    values = np.arange(60 * 50, dtype="int32").reshape(60, 50)
    async with az.create_group(path) as group:
        for name, shards in (("plain", None), ("deep/sharded", (30, 50))):
            array = await group.create_array(name, shape=(60, 50), dtype="int32", chunks=(10, 25), shards=shards)
            await array.write(values)
        await group.consolidate()
    async with az.open_group(url) as group:
        for name in ("plain", "deep/sharded"):
            array = await group.get_array(name)
            assert np.array_equal(await array.read(), values)
            assert np.array_equal(await array[5:17, ::3].read(), values[5:17, ::3])
            chunks = [chunk async for chunk in array.stream_chunks()]
            assert sum(int(chunk.data.sum()) for chunk in chunks) == values.sum()
        assert {path async for path, _ in group.members(max_depth=None)} == {"plain", "deep", "deep/sharded"}
    with pytest.raises(NotFound):
        await az.open_array(url, "nothing")


async def test_what_is_not_a_value(folder):
    url, path = folder
    (path / "a").mkdir()
    (path / "a" / "b").write_bytes(b"x")
    async with HTTPStore(url) as store:
        assert await store.get("a") is None  # a folder, whatever the server shows for it
        assert await store.head("a") is None
        for call in (store.set("a/b", b"y"), store.delete("a/b"), anext(store.list()), anext(store.list_dir("a/"))):
            with pytest.raises(Unsupported):
                await call
        with pytest.raises(Unsupported):
            await store.delete_many(["a/b"])


async def test_redirects_errors_and_passwords(nginx_server):
    address = nginx_server.address
    Path(nginx_server.root, "k").write_bytes(b"value")
    async with HTTPStore(f"{address}/moved") as store:
        assert bytes(await store.get("k")) == b"value"
        assert bytes(await store.get("k", ByteRange(-3))) == b"lue"
        assert (await store.head("k")).size == 5
        assert await store.get("missing") is None
    async with HTTPStore(f"{address}/circle") as store:
        with pytest.raises(Unavailable, match="redirected more than 5 times"):
            await store.get("k")
    async with HTTPStore(f"{address}/forbidden") as store:
        with pytest.raises(Forbidden):
            await store.get("k")
        with pytest.raises(Forbidden):
            await store.head("k")
    async with HTTPStore(f"{address}/forbidden", missing_statuses={403, 404}) as store:
        assert await store.get("k") is None
    async with HTTPStore(f"{address}/private") as store:
        with pytest.raises(Unauthenticated):
            await store.get("k")
    for private in (
        HTTPStore(f"{address}/private", auth=("user", "pass")),
        HTTPStore(f"{address}/private".replace("http://", "http://user:pass@")),
        HTTPStore(f"{address}/private", headers={"authorization": "Basic dXNlcjpwYXNz"}),
    ):
        async with private as store:
            assert bytes(await store.get("k")) == b"value"
            assert "pass" not in f"{store!r} {store.url}"


async def test_values_are_not_compressed_on_the_way(nginx_server):
    text = b'{"zarr_format": 3}' * 100
    Path(nginx_server.root, "text.json").write_bytes(text)
    Path(nginx_server.root, "text.gz").write_bytes(gzip.compress(text))
    async with HTTPStore(nginx_server.address) as store:
        assert await store.get("text.json") == text
        assert bytes(await store.get("text.json", ByteRange(5, 10))) == text[5:10]
        assert gzip.decompress(await store.get("text.gz")) == text


async def test_every_loop_thread_and_fork_has_its_own_connections(nginx_server):
    Path(nginx_server.root, "k").write_bytes(b"value")
    # In a process of its own: a loop that ends without aclose() leaves its sockets to the garbage collector.
    script = f"""
import asyncio, gc, os
from concurrent.futures import ThreadPoolExecutor
from asynczarr.store import HTTPStore

store = HTTPStore({nginx_server.address!r})

async def read(close=False):
    assert await asyncio.gather(*(store.get("k") for _ in range(10))) == [b"value"] * 10
    if close:
        await store.aclose()

asyncio.run(read())
with ThreadPoolExecutor(3) as threads:
    list(threads.map(lambda _: asyncio.run(read()), range(3)))
loop = asyncio.new_event_loop()
loop.run_until_complete(read())
if (child := os.fork()) == 0:
    asyncio.new_event_loop().run_until_complete(read(close=True))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
loop.run_until_complete(read())
if (child := os.fork()) == 0:
    del store  # never used here: its sockets are still watched by the parent
    gc.collect()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
loop.run_until_complete(asyncio.wait_for(read(close=True), 30))
"""
    command = [sys.executable, "-c", script]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


async def test_certificates_are_checked(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvalue")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        async with HTTPStore(url) as store:
            with pytest.raises(az.StoreError, match="certificate") as caught:
                await store.get("k")
            assert not isinstance(caught.value, Unavailable)  # trying again does not help
        for trust in (str(certificate), False, ssl.create_default_context(cafile=certificate)):
            async with HTTPStore(url, verify=trust) as store:
                assert await store.get("k") == b"value"


def test_urls():
    assert open_store("http://host/a b/?sig=1").url == "http://host/a b"
    assert isinstance(open_store("HTTPS://host", mode="r"), HTTPStore)
    store = HTTPStore("http://localhost:9000/run@2/x")  # which could be a password, but is none
    assert (store.url, store.service) == ("http://localhost/***@2/x", "http://localhost:9000")
    assert not open_store("https://host/x", mode="a").capabilities.write
    for url in ("https://", "ftp://host", "http://host/x#y", "http://host:port/x", "http:///x"):
        with pytest.raises(az.KeyInvalid):
            HTTPStore(url)
    with pytest.raises(ValueError, match="itself: range"):
        HTTPStore("http://host", headers={"Range": "bytes=0-1"})
    with pytest.raises(ValueError, match="not both"):
        HTTPStore("http://user:password@host", headers={"Authorization": "x"})
