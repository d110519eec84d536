"""Writers in other processes that acknowledge each write, to be killed in the middle of one."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import asynczarr as az

__all__ = ["KEYS", "acknowledged", "number_of", "start", "value"]

KEYS = ("zarr.json", "a/c/0", "a/c/1")
SIZE = 200_000

# Forked from a small server that has loaded this module: a new process costs milliseconds, and inherits no threads.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def value(number: int) -> bytes:
    """What the write of this number stores; a mix of two can be told from both."""
    return number.to_bytes(8, "big") * (SIZE // 8)


def number_of(stored: Any) -> int | None:
    """The number of the write that stored it; ``None`` if it is not what one write has stored."""
    data = bytes(stored)
    number = int.from_bytes(data[:8], "big")
    return number if data == value(number) else None


def start(target: Callable[..., None], *args: object) -> tuple[BaseProcess, Connection]:
    """Start ``target(pipe, *args)`` in another process and wait for its first acknowledgement."""
    ours, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=target, args=(theirs, *args), daemon=True)
    process.start()
    theirs.close()
    assert ours.poll(30), "the writer has not begun"
    return process, ours


def acknowledged(pipe: Connection) -> int:
    """The last number that a writer, which is dead now, has acknowledged."""
    last = -1
    try:
        while True:
            last = int.from_bytes(pipe.recv_bytes(), "big")
    except EOFError:
        pipe.close()
        return last


def set_forever(pipe: Connection, url: str, first: int, options: dict[str, Any]) -> None:
    """Set one key after the other, each write with a number of its own that is acknowledged when it is done."""

    async def main() -> None:
        async with az.open_store(url, **options) as store:
            for number in itertools.count(first):
                await store.set(KEYS[number % len(KEYS)], value(number))
                pipe.send_bytes(number.to_bytes(8, "big"))

    asyncio.run(main())


def rewrite_forever(pipe: Connection, url: str, first: int, options: dict[str, Any]) -> None:
    """Open a store, set all keys to the same number, close it and acknowledge."""

    async def main() -> None:
        for number in itertools.count(first):
            async with az.open_store(url, **options) as store:
                for key in KEYS:
                    await store.set(key, value(number))
            pipe.send_bytes(number.to_bytes(8, "big"))

    asyncio.run(main())
