"""Writers that tests start in other processes, to be killed or to compete."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import random
import time
from collections.abc import Callable
from contextlib import suppress

from asynczarr.errors import PreconditionFailed
from asynczarr.store.base import SyncStore
from asynczarr.store.filesystem import FilesystemStore
from asynczarr.store.zip import ZipStore
from asynczarr.types import ByteRange

KEYS = ("zarr.json", "a/c/0", "a/c/1")
SIZE = 200_000

# Forked from a small server that has loaded this module: a new process costs milliseconds, and inherits no threads.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def start(target: Callable[..., None], *args: object) -> multiprocessing.process.BaseProcess:
    """Start ``target(ready, *args)`` in another process and wait until it has set `ready`."""
    ready = processes.Event()
    process = processes.Process(target=target, args=(ready, *args), daemon=True)
    process.start()
    assert ready.wait(30)
    return process


def seconds_to_finish(target: Callable[..., None], *args: object) -> float:
    """How long ``target(ready, *args)`` goes on after it has set `ready`."""
    process = start(target, *args)
    begin = time.perf_counter()
    process.join()
    return time.perf_counter() - begin


def kill_at_random(process: multiprocessing.process.BaseProcess, chance: random.Random, seconds: float) -> None:
    """SIGKILL `process` within `seconds`."""
    time.sleep(chance.uniform(0, seconds))
    process.kill()
    process.join()


def overwrite_files(ready, root: str, generation: int) -> None:
    """Write all keys again and again, each value of one letter."""
    store = FilesystemStore(root)
    ready.set()
    for number in itertools.count(generation):
        for key in KEYS:
            store.set_sync(key, bytes([65 + number % 26]) * SIZE)
        store.set_sync(f"new/{number}/k", b"x")
        store.delete_sync(f"new/{number}/k")


def overwrite_archive(ready, path: str, letter: int) -> None:
    """Replace all values of an archive by others, once."""

    async def main() -> None:
        async with ZipStore(path, mode="a") as store:
            for key in KEYS:
                await store.set(key, bytes([letter]) * SIZE)
            await store.delete("gone")

    ready.set()
    asyncio.run(main())


def count_up(ready, root: str, times: int) -> None:
    """Add 1 to the key ``counter`` by compare-and-swap."""
    store = FilesystemStore(root, durability="none")
    ready.set()
    add(store, times)


def add(store: SyncStore, times: int) -> None:
    """Add 1 to the key ``counter``, and do it again when another writer was faster."""
    for _ in range(times):
        done = False
        while not done:
            parts = store.get_ranges_sync("counter", [ByteRange()])
            assert parts is not None
            with suppress(PreconditionFailed):
                store.set_sync("counter", b"%d" % (int(bytes(parts.data[0])) + 1), if_version=parts.version)
                done = True


def create_keys(ready, root: str, name: str, count: int) -> None:
    """Try to create every key, and note the winner in it."""
    store = FilesystemStore(root, durability="none")
    ready.set()
    create(store, name, count)


def create(store: SyncStore, name: str, count: int) -> None:
    """Try to create ``c/0``, ``c/1`` and so on, and note each that was not there."""
    for number in range(count):
        with suppress(FileExistsError):
            store.set_sync(f"c/{number}", name.encode(), create=True)
            store.set_sync(f"won/{name}/{number}", b"")
