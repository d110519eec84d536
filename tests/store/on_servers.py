"""What a network store must survive beside the contract: loops, threads, forks, a server that is killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asynczarr import errors
from asynczarr.store.base import Store

_FORKS = """
import asyncio, os, sys
from concurrent.futures import ThreadPoolExecutor
from asynczarr import open_store

url, options = sys.argv[1], dict(part.split("=", 1) for part in sys.argv[2:])
store = open_store(url, **options)

async def use(close=False):
    await asyncio.gather(*(store.set(f"k{number}", b"x") for number in range(5)))
    assert await asyncio.gather(*(store.get(f"k{number}") for number in range(5))) == [b"x"] * 5
    if close:
        await store.aclose()

asyncio.run(use())
with ThreadPoolExecutor(3) as threads:
    list(threads.map(lambda _: asyncio.run(use()), range(3)))
loop = asyncio.new_event_loop()
loop.run_until_complete(use())
if (child := os.fork()) == 0:
    asyncio.new_event_loop().run_until_complete(use(close=True))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
loop.run_until_complete(use(close=True))
"""


async def use_in_loops_threads_and_forks(url: str, **options: str) -> None:
    """In a process of its own: a loop that ends without aclose() leaves its sockets to the garbage collector."""
    command = [sys.executable, "-c", _FORKS, url, *(f"{name}={value}" for name, value in options.items())]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


async def kill_and_go_on(server, store: Store, *, idle: float) -> None:
    """What was acknowledged is there after SIGKILL; `idle` is how many seconds the server needs to write it down."""
    versions = {f"c/{number}": await store.set(f"c/{number}", b"%d" % number * 1000) for number in range(20)}
    await asyncio.sleep(idle)
    server.kill()
    with pytest.raises(errors.ConnectionFailed):
        await store.get("c/0")
    await asyncio.to_thread(server.start)
    for number, (key, version) in enumerate(versions.items()):
        assert await store.get(key) == b"%d" % number * 1000
        info = await store.head(key)
        assert info is not None
        assert info.version == version
    await store.set("c/0", b"new", if_version=versions["c/0"])


async def run_example(name: str, folder: Path, **environment: str) -> str:
    """Run a program of examples/ against a server; what it prints."""
    script = Path(__file__).parents[2] / "examples" / name
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(script.parents[1]), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
