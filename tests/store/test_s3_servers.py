"""What only real servers can show: killed processes, certificates, arrays."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import asynczarr as az
from asynczarr.errors import StoreError, Unavailable
from asynczarr.store import S3Store

from .scripted_http import ScriptedServer, answer

ROOT = Path(__file__).parents[2]


@pytest.mark.xdist_group("ceph")
class TestCrashes:
    """The gateway and the disk of Ceph, killed while values are written, and started again on their data."""

    @pytest.fixture
    async def store(self, ceph_server):
        bucket = ceph_server.create_bucket(f"crash-{secrets.token_hex(4)}")
        async with S3Store(bucket, **ceph_server.options) as store:
            yield store

    async def write_until_killed(self, store, kill, restart):
        """Values of their keys, by 8 writers; returns those that were acknowledged."""
        acknowledged, failures = [], []

        async def write(writer):
            for number in range(10_000):
                key = f"{writer}/{number}"
                try:
                    async with asyncio.timeout(10):
                        await store.set(key, key.encode() * 1000)
                    acknowledged.append(key)
                except (Unavailable, TimeoutError) as error:
                    failures.append(error)
                    return

        writers = asyncio.gather(*map(write, range(8)))
        while len(acknowledged) < 100:
            assert not writers.done()
            await asyncio.sleep(0.01)
        kill()
        await writers
        assert failures
        restart()  # not in a thread: servers end with the thread that has started them
        return acknowledged

    async def check(self, store, acknowledged):
        async with asyncio.timeout(120):
            for key in acknowledged:
                while True:
                    try:
                        async with asyncio.timeout(5):
                            value = await store.get(key)
                        break
                    except (Unavailable, TimeoutError):
                        await asyncio.sleep(0.2)
                assert value == key.encode() * 1000

    async def test_a_killed_gateway_loses_nothing_that_was_acknowledged(self, ceph_server, store):
        acknowledged = await self.write_until_killed(store, ceph_server.kill_gateway, ceph_server.start_gateway)
        await self.check(store, acknowledged)

    async def test_a_killed_disk_loses_nothing_that_was_acknowledged(self, ceph_server, store):
        """Ceph then answers nothing at all until the disk is there again: only a deadline of the caller ends a call."""
        acknowledged = await self.write_until_killed(store, ceph_server.kill_disk, ceph_server.start_disk)
        await self.check(store, acknowledged)


@pytest.mark.xdist_group("moto")
async def test_an_array_in_a_bucket(moto_server):
    url = f"s3://{moto_server.create_bucket(f'array-{secrets.token_hex(4)}')}/some/array.zarr"
    store = az.store.open_store(url, **moto_server.options)
    values = np.arange(60 * 40, dtype="f4").reshape(60, 40)
    async with az.open_array(store, mode="a", shape=(60, 40), dtype="f4", chunks=(10, 10), shards=(20, 40)) as array:
        await array.write(values)
        await asyncio.gather(*(array[row].write(-values[row]) for row in range(8)))  # all in one shard
    values[:8] *= -1
    async with az.open_array(store) as array:
        assert (await array.read() == values).all()
        assert (await array[5:50:7, ::-3].read() == values[5:50:7, ::-3]).all()
    await store.aclose()


@pytest.fixture
async def https(tmp_path, skip_or_fail):
    """A server with a certificate that nobody trusts yet; and that certificate."""
    if shutil.which("openssl") is None:
        skip_or_fail("no openssl on PATH")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with ScriptedServer(ssl=context) as server:
        server.script = lambda request: answer(200, b"value", ETag="v")
        yield server, certificate


async def test_certificates_are_checked(https):
    server, certificate = https
    options = {"endpoint_url": server.url, "access_key_id": "key", "secret_access_key": "secret"}
    async with S3Store("bucket", **options) as store:
        with pytest.raises(StoreError, match="not trusted") as caught:
            await store.get("k")
    assert type(caught.value) is StoreError, "trying again does not help"
    assert server.requests == []
    for verify in (str(certificate), False):
        async with S3Store("bucket", verify=verify, **options) as store:
            assert await store.get("k") == b"value"
            await store.set("k", b"x")
    assert server.requests[-1].headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD", "TLS and CRC-32C guard it"


@pytest.mark.xdist_group("moto")
def test_the_example_runs(moto_server, tmp_path):
    options = moto_server.options
    bucket = moto_server.create_bucket(f"example-{secrets.token_hex(4)}")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "S3_ENDPOINT": options["endpoint_url"],
        "S3_BUCKET": bucket,
        "AWS_ACCESS_KEY_ID": options["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": options["secret_access_key"],
    }
    command = [sys.executable, "-W", "error", ROOT / "examples" / "s3.py"]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"s3://{bucket}/asynczarr-example/field.zarr holds ['c/0/0', 'zarr.json']" in done.stdout
