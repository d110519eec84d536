"""What Redis, MongoDB and LMDB have in common: several loops, threads, forks, read-only use, missing libraries."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import asynczarr as az
from asynczarr.errors import ConnectionFailed, Forbidden, Unsupported
from asynczarr.store import open_store

ROOT = Path(__file__).parents[2]


@pytest.fixture(
    params=[
        pytest.param("redis", marks=pytest.mark.xdist_group("redis")),
        pytest.param("mongodb", marks=pytest.mark.xdist_group("secantusdb")),
        "lmdb",
    ]
)
def url(request, tmp_path):
    if request.param == "lmdb":
        return (tmp_path / "table").as_uri().replace("file:", "lmdb:")
    server = request.getfixturevalue("redis_server" if request.param == "redis" else "secantusdb_server")
    name = secrets.token_hex(6)
    return f"{server.address}/0/{name}" if request.param == "redis" else f"{server.address}/t{name}/p"


async def use(store, text):
    await store.set("k", text)
    return bytes(await store.get("k"))


async def test_an_array(url):
    """Created, written in part, read and listed through the URL, then opened read-only."""
    spec = {"shape": (100, 90), "dtype": "int32", "chunks": (10, 30), "shards": (50, 90)}
    values = np.arange(9000, dtype="int32").reshape(100, 90)
    async with az.open_array(url, mode="w", **spec) as array:
        await array[:].write(values)
        await array[3:5, 7:40].write(values[3:5, 7:40] + 1)
    values[3:5, 7:40] += 1
    async with az.open_array(url, mode="r") as array:
        assert (await array[:].read() == values).all()
        with pytest.raises(Forbidden):
            await array[0, 0].write(1)


async def test_two_loops_at_once(url):
    other = asyncio.new_event_loop()
    thread = threading.Thread(target=other.run_forever)
    thread.start()
    try:
        store = open_store(url)
        assert await use(store, b"here") == b"here"
        there = asyncio.run_coroutine_threadsafe(use(store, b"there"), other)
        assert await asyncio.wrap_future(there) == b"there"
        assert bytes(await store.get("k")) == b"there"
        await store.aclose()  # in both loops
        left = asyncio.run_coroutine_threadsafe(_tasks(), other)
        assert await asyncio.wrap_future(left) == []
    finally:
        other.call_soon_threadsafe(other.stop)
        thread.join()
        other.close()


async def _tasks():
    await asyncio.sleep(0)
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_loop_after_the_other(url):
    """What a loop leaves open goes with it; the libraries warn of that, and the store works on."""
    store = open_store(url)
    for text in (b"first", b"second"):
        assert asyncio.run(use(store, text)) == text
    asyncio.run(store.aclose())
    gc.collect()


def test_a_fork(url):
    """The child has its own connections, and the parent's are as they were."""
    # Python warns of a fork with threads, and PyMongo drops the parent's sockets in the child without closing them.
    ignored = [part for kind in ("DeprecationWarning", "ResourceWarning") for part in ("-W", f"ignore::{kind}")]
    command = [sys.executable, "-W", "error", *ignored, ROOT / "tests/store/forking.py", url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


async def test_read_only(url):
    async with open_store(url) as store:
        await store.set("k", b"x")
    async with open_store(url, mode="r") as store:
        assert bytes(await store.get("k")) == b"x"
        capabilities = store.capabilities
        assert (capabilities.write, capabilities.create, capabilities.cas, capabilities.metadata) == (False,) * 4
        for call in (store.set("k", b"y"), store.delete("k"), store.delete_many(["k"])):
            with pytest.raises(Unsupported, match="read-only"):
                await call


@pytest.mark.parametrize(
    ("library", "url", "extra"),
    [
        ("redis", "redis://host/0", "redis"),
        ("lmdb", "lmdb:///nowhere", "lmdb"),
        ("pymongo", "mongodb://host/db", "mongodb"),
    ],
)
def test_a_missing_library_is_named_with_the_line_that_installs_it(library, url, extra):
    program = f"""
import sys
sys.modules[{library!r}] = None
sys.modules["gridfs"] = None if {library!r} == "pymongo" else sys.modules.get("gridfs")
from asynczarr import *
from asynczarr.store import *
try:
    open_store({url!r})
except Unsupported as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert f"pip install 'asynczarr[{extra}]'" in done.stdout, done.stderr


@pytest.mark.parametrize("url", ["mongodb://user:geheim@127.0.0.1:1/db", "redis://user:geheim@127.0.0.1:1/0"])
async def test_secrets_are_nowhere(url):
    options = {"connect_timeout": 0.5}
    async with open_store(url, **options) as store:
        assert "geheim" not in f"{store!r}{store.url}"
        with pytest.raises(ConnectionFailed) as caught:
            await store.get("k")
        assert caught.value.sent is False
        assert "geheim" not in f"{caught.value}{caught.value!r}{caught.value.__cause__}{caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("name", "file"),
    [("redis", "redis_store.py"), ("mongodb", "mongodb_store.py"), ("lmdb", "lmdb_store.py")],
)
async def test_examples_do_what_they_say(name, file, request, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if name == "redis":
        environment["REDIS_URL"] = f"{request.getfixturevalue('redis_server').address}/0/{secrets.token_hex(4)}"
    elif name == "mongodb":
        server = request.getfixturevalue("secantusdb_server")
        environment["MONGODB_URL"] = f"{server.address}/t{secrets.token_hex(4)}/example"
    command = [sys.executable, "-W", "error", ROOT / "examples" / file]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("Done: ")
