"""Writers in other processes, to be killed or to compete.

Run as a script, this forks a process for every line on its standard input. What takes long, importing, is done once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

import asynczarr as az

SHARDS, INNER, CHUNK = 1200, 3, 4
SPEC: dict[str, Any] = {
    "shape": SHARDS * INNER * CHUNK,
    "chunks": CHUNK,
    "shards": INNER * CHUNK,
    "dtype": "i4",
    "codecs": ["bytes"],
}


def items() -> Iterator[tuple[int, Any]]:
    """All chunks, those of one shard not next to each other."""
    for block in range(0, SHARDS * INNER, 10 * INNER):
        for number in range(10 * INNER):
            index = block + number % 10 * INNER + number // 10
            yield index, np.arange(index * CHUNK, index * CHUNK + CHUNK, dtype="i4")


async def _open(root: str) -> az.Array:
    array = await az.open_array(root, mode="r+", store_options={"durability": "none"})
    print("ready", os.getpid(), flush=True)
    return array


async def write_all(root: str, ledger: str) -> None:
    """Write the whole array with a checkpoint."""
    array = await _open(root)
    await array.write_stream(list(items()), checkpoint=ledger)


async def write_every(root: str, first: int, step: int, begin: float) -> None:
    """Write every so many-th element of an array by itself, all at the same time."""
    array = await _open(root)
    await asyncio.sleep(max(0.0, begin - time.time()))
    await asyncio.gather(*[array[n].write(n + 1) for n in range(first, array.shape[0], step)])


class Server:
    """The other end: starts this script and tells it what to run. A context manager."""

    def __init__(self) -> None:
        root = str(Path(az.__file__).parents[1])
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
        )

    def start(self, function: str, *args: Any) -> int:
        """Run a function of this module in a new process; return its id when it is ready."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([function, *args]) + "\n")
        self._process.stdin.flush()
        word, pid = self._answer()
        assert word == "ready"
        return int(pid)

    def wait(self) -> int:
        """Exit status of the process that was started last, negative for a signal."""
        word, status = self._answer()
        assert word == "ended"
        return int(status)

    def kill_after(self, pid: int, seconds: float) -> bool:
        """Kill the process; whether it had not ended by itself."""
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)  # not reaped before the next is started: the id is still its own
        return self.wait() < 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate(timeout=30)

    def _answer(self) -> list[str]:
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()


def serve() -> None:
    """Fork for every line; answer how it ended."""
    pid = 0
    for line in sys.stdin:
        if pid:
            os.waitpid(pid, 0)
        function, *args = json.loads(line)
        pid = os.fork()
        if pid == 0:
            asyncio.run(globals()[function](*args))
            os._exit(0)
        status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        code = status.si_status if status.si_code == os.CLD_EXITED else -status.si_status
        print("ended", code, flush=True)


if __name__ == "__main__":
    import asynczarr.array
    import asynczarr.store.filesystem

    assert asynczarr.array
    assert asynczarr.store.filesystem
    serve()
