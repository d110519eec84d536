"""What streaming at full speed does to the event loop that it runs on."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np

from ..layout import NDArray
from .base import Work

__all__ = ["Echo", "Lag", "ticking"]

_PERIOD = 0.001
_IDLE = 0.5
_BUSY_PASSES = 3
_BUSY_SECONDS = 1.5
_ECHO_SECONDS = 1.0
_CLIENT = Path(__file__).parent.parent / "echo_client.py"


class _OnLoop(Work):
    async def prepare(self) -> None:
        """Warm up by one pass."""
        await super().prepare()
        array = await self.peer.open(self.place, concurrency=self.unit.concurrency)
        await self.peer.stream_on_loop(array, self.unit.grid, _drop)
        await self.peer.close(array)


class Lag(_OnLoop):
    """Stream again and again while a timer of 1 ms notes how late it comes."""

    async def run(self) -> None:
        """Idle first, then busy."""
        idle = await self._lags(asyncio.sleep(_IDLE))
        passes = 0

        async def busy() -> None:
            nonlocal passes
            end = time.perf_counter() + _BUSY_SECONDS
            while passes < _BUSY_PASSES or time.perf_counter() < end:
                await self.peer.stream_on_loop(self.array, self.unit.grid, _drop)
                passes += 1

        start = time.perf_counter()
        lags = await self._lags(busy())
        self.metrics = {"seconds": (time.perf_counter() - start) / passes, "idle_p99": float(np.percentile(idle, 99))}
        self.metrics |= {f"p{share}": float(np.percentile(lags, share)) for share in (50, 99)}
        self.metrics["max"] = max(lags)

    async def _lags(self, job: object) -> list[float]:
        async with ticking() as lags:
            await job  # type: ignore[misc]
            await asyncio.sleep(2 * _PERIOD)
        return lags


@asynccontextmanager
async def ticking() -> AsyncIterator[list[float]]:
    """By how many seconds a timer of 1 ms was late each time; what it waits for at the end counts."""
    lags: list[float] = []
    due = 0.0

    async def tick() -> None:
        nonlocal due
        while True:
            due = time.perf_counter() + _PERIOD
            await asyncio.sleep(_PERIOD)
            lags.append(max(0.0, time.perf_counter() - due))

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        yield lags
    finally:
        lags.append(max(0.0, time.perf_counter() - due))
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker


class Echo(_OnLoop):
    """An echo server on the loop, one client in a process of its own, and a stream."""

    async def run(self) -> None:
        """Requests a second, idle and while streaming."""
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        idle = await _requests(port)
        stream = asyncio.create_task(self._forever())
        await asyncio.sleep(0.05)
        busy = await _requests(port)
        stream.cancel()
        with suppress(asyncio.CancelledError):
            await stream
        server.close()
        self.metrics = {"idle_rate": idle, "busy_rate": busy, "share": busy / idle}

    async def _forever(self) -> None:
        while True:
            await self.peer.stream_on_loop(self.array, self.unit.grid, _drop)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


async def _requests(port: int) -> float:
    """Requests a second of a client that sends the next one when it has the answer."""
    command = (sys.executable, "-I", "-S", str(_CLIENT), str(port), str(_ECHO_SECONDS))
    client = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    answer, _ = await client.communicate()
    return float(answer)


def _drop(number: int, data: NDArray) -> None:
    """What arrives is looked at and forgotten: lag must come from the library, not from its consumer."""
    data[(0,) * data.ndim]
