"""CPU time of reading one value of 64 KiB, by client: ``python -m benchmarks.remote.cpu_per_get [READS [ROUNDS]]``.

All clients live in one process and have their turns in each round; the server is another process, whose time does not
count. The best round of each is shown, and the median.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from .clients import CLIENTS, Read
from .server import SIZE

__all__ = ["measure", "serving"]

_AT_A_TIME = 32


async def measure(url: str, reads: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of CPU time a read, of each client in each round."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(make(url, _AT_A_TIME)) for name, make in CLIENTS.items()}
        for read in clients.values():
            await _cpu_time(read, 4 * _AT_A_TIME)
        found: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(rounds):
            for name, read in clients.items():
                found[name].append(await _cpu_time(read, reads) / reads * 1000)
    return found


async def _cpu_time(read: Read, reads: int) -> float:
    """Seconds of CPU time of this process, all threads, for so many reads."""
    todo = iter(range(reads))

    async def work() -> None:
        for _ in todo:
            assert await read() == SIZE

    gc.collect()
    start = time.process_time()
    await asyncio.gather(*(work() for _ in range(_AT_A_TIME)))
    return time.process_time() - start


@contextmanager
def serving() -> Iterator[str]:
    """Run the server; its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.remote.server"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def _main(reads: int = 2000, rounds: int = 5) -> None:
    with serving() as url:
        found = asyncio.run(measure(url, reads, rounds))
    sys.stdout.write(f"CPU time of a GET of {SIZE // 1024} KiB, in ms\n\n| client | best | median |\n|---|---|---|\n")
    for name, times in found.items():
        sys.stdout.write(f"| {name} | {min(times):.3f} | {statistics.median(times):.3f} |\n")


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
