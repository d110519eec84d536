"""C13: streams over a network that are left early. No task is left, and nobody else is cancelled.

``tests/stream/test_leaving.py`` has every way to leave; here the same with connections, policies and faults below.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import numpy as np
import pytest

import asynczarr as az
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Drawn, WireFault, seed

from .stores import SOON, stacked

DATA = np.arange(64 * 64).reshape(64, 64)
STREAMS: dict[str, Callable[[az.Array], Any]] = {
    "chunks": lambda array: array.stream_chunks(),
    "completed": lambda array: array.stream_chunks(ordered=False, timeout=20),
    "slices": lambda array: array.stream_slices(1),
}


@pytest.fixture(params=STREAMS)
def make(request: pytest.FixtureRequest) -> Callable[[az.Array], Any]:
    return STREAMS[request.param]


@pytest.fixture(params=["calm", "faults"])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[tuple[FaultServer, az.Array]]:
    async with FaultServer() as server, stacked(server) as store:
        spec: dict[str, Any] = {"shape": DATA.shape, "dtype": DATA.dtype, "chunks": (4, 8), "shards": (16, 16)}
        array = await az.create_array(store, **spec)
        await array.write(DATA)
        if request.param == "faults":
            server.faults = Drawn({WireFault(reset="after"): 0.05, WireFault(cut=9): 0.05}, at_most=2)
        yield server, array


class _Nothing:
    """Fails if tasks of the client are left, if the caller was cancelled, or an error was never seen."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.complaints: list[dict[str, Any]] = []

    def tasks(self) -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks() - self.server.tasks

    async def __aenter__(self) -> None:
        self.before = self.tasks()
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _, context: self.complaints.append(context))

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        gc.collect()
        async with asyncio.timeout(SOON):
            while self.tasks() - self.before or self.server.busy:
                await asyncio.sleep(0.001)
        sent = -1
        while sent != len(self.server.requests):  # what was sent before it was left may still arrive
            sent = len(self.server.requests)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)  # a caller that was cancelled from within would notice here
        assert len(self.server.requests) == sent, "a stream that was left still sends requests"
        self.loop.set_exception_handler(None)
        task = asyncio.current_task()
        assert kind is not None or (task is not None and task.cancelling() == 0 and not self.complaints)


async def _fail(stream: Any) -> None:
    async for _ in stream:
        raise ZeroDivisionError


async def _dawdle(stream: Any) -> None:
    async for _ in stream:
        await asyncio.sleep(0.002)


async def test_break_error_and_timeout(served: Any, make: Any) -> None:
    server, array = served
    async with _Nothing(server):
        async for _ in make(array):
            break
    async with _Nothing(server):
        with pytest.raises(ZeroDivisionError):
            await _fail(make(array))
    async with _Nothing(server):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_dawdle(make(array)), 0.01)
    async with _Nothing(server):
        with anyio.move_on_after(0.01):
            async with make(array) as stream:
                async for _ in stream:
                    await anyio.sleep(0.002)


async def test_at_any_moment(served: Any, make: Any, scale: Any, figure: Any, request: pytest.FixtureRequest) -> None:
    """Left by break or error after any number of items, by a deadline or cancelled at any turn of the loop."""
    server, array = served
    chance = random.Random(seed())
    streams = scale(4, 300, 3000)
    before, left, requests = asyncio.all_tasks() - server.tasks, 0, 0
    for _ in range(streams):
        server.forget()
        async with _Nothing(server):
            task = asyncio.ensure_future(_leave(make(array), chance.choice(["break", "error", "deadline"]), chance))
            for _ in range(chance.choice([chance.randrange(400), 1_000_000])):
                if task.done():
                    break
                await asyncio.sleep(0)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            assert outcome is None or isinstance(outcome, ZeroDivisionError | TimeoutError | asyncio.CancelledError)
        left += len(asyncio.all_tasks() - server.tasks - before)
        requests += len(server.requests)
        assert len(server.requests) <= 3 * 2 * 16, (
            "an index and a run of chunks for each shard, tried again at most twice"
        )
    assert left == 0
    name, weather = request.node.callspec.params["make"], request.node.callspec.params["served"]
    figure(
        "Streams over a network, left at any moment",
        f"{name}, {weather}",
        requests=requests,
        **{"streams left": streams, "tasks left": left},
    )


async def _leave(stream: Any, way: str, chance: random.Random) -> None:
    items = chance.randrange(20)
    async with asyncio.timeout(chance.uniform(0, 0.02) if way == "deadline" else None):
        async for _ in stream:
            items -= 1
            if items < 0 and way == "break":
                break
            if items < 0 and way == "error":
                raise ZeroDivisionError


async def test_collected_and_nested(served: Any, make: Any) -> None:
    server, array = served
    async with _Nothing(server):
        stream = make(array)
        await anext(stream)
        del stream
        gc.collect()
    async with _Nothing(server):
        outer, inner = make(array), make(array)
        await anext(outer)
        await anext(inner)
        await outer.aclose()  # in the order in which they were opened, which cancel scopes do not forgive
        await anext(inner)
        async for _ in make(array):
            async for _ in make(array):
                break
            break
        await inner.aclose()


async def test_a_stream_whose_store_gives_up(served: Any, make: Any) -> None:
    """The error names the chunk's key, the other requests are ended, and the next stream works."""
    server, array = served
    server.faults = Drawn({WireFault(status=500): 1.0})
    async with _Nothing(server):
        with pytest.raises(az.StoreError) as caught:
            await _dawdle(make(array))
        assert caught.value.key.startswith("c/")
        assert caught.value.attempts == 6 or isinstance(caught.value, az.BudgetExhausted)
    server.faults = None
    async with _Nothing(server):
        assert len([item async for item in make(array)]) in (128, 64)
