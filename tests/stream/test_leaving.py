"""Leaving a stream in any way: no task, byte or error is left behind, and nobody else is cancelled."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import anyio
import pytest

import asynczarr as az
from asynczarr.stream.base import WindowStream
from asynczarr.stream.chunks import StreamOptions
from asynczarr.stream.map import map_stream

from .support import STORES, SpyStore, filled, nothing_left, sleeping

pytestmark = pytest.mark.every_loop

COUNT = 16
"""Chunks, and slices, of the array."""

Make = Callable[[], WindowStream[Any]]


def _mapped(array: az.Array) -> WindowStream[Any]:
    selection = array[...]._selection
    return map_stream(array.stored, selection, lambda chunk: chunk.data.sum(), "loop", StreamOptions())


KINDS: dict[str, Callable[[az.Array], WindowStream[Any]]] = {
    "chunks": lambda array: array.stream_chunks(),
    "completed": lambda array: array.stream_chunks(ordered=False, max_bytes=4000, timeout=5),
    "slices": lambda array: array.stream_slices(1),
    "map": _mapped,
}


@pytest.fixture(params=STORES)
async def array(request: pytest.FixtureRequest) -> az.Array:
    return await filled(STORES[request.param]())


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, array: az.Array) -> Make:
    return lambda: KINDS[request.param](array)


async def test_to_the_end(make: Make) -> None:
    async with nothing_left():
        stream = make()
        count = len([item async for item in stream])
        assert count == COUNT
        assert stream.bytes_alive == 0
        assert [item async for item in stream] == []


async def test_break(make: Make) -> None:
    async with nothing_left(2):
        async for _ in make():
            break


async def test_break_and_go_on(make: Make) -> None:
    """A stream that is still referenced goes on where its loop was left."""
    async with nothing_left():
        stream = make()
        await anext(stream)  # a stream of an embedded store reads ahead from the second item on
        async for _ in stream:
            break
        assert stream.bytes_alive > 0
        assert len([item async for item in stream]) == COUNT - 2
        assert stream.bytes_alive == 0


async def test_error_in_the_body(make: Make) -> None:
    async with nothing_left(2):
        with pytest.raises(ZeroDivisionError):
            await _fail(make())


async def test_error_in_the_body_of_async_with(make: Make) -> None:
    async with nothing_left():
        stream = make()
        with pytest.raises(ZeroDivisionError):
            async with stream:
                await _fail(stream)
        assert stream.bytes_alive == 0


async def _fail(stream: WindowStream[Any]) -> None:
    async for _ in stream:
        raise ZeroDivisionError


async def test_aclose(make: Make) -> None:
    async with nothing_left():
        stream = make()
        await anext(stream)
        await stream.aclose()
        await stream.aclose()
        assert stream.bytes_alive == 0
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_aclosing_without_a_single_item(make: Make) -> None:
    async with nothing_left(), aclosing(make()):
        pass


async def test_aclose_while_another_task_waits(array: az.Array) -> None:
    """The one that waits sees the end of the stream, not a cancellation."""
    never = SpyStore(array.store.inner if isinstance(array.store, SpyStore) else array.store, sleeping(100))
    slow = await az.open_array(never)
    for ordered in (True, False):
        async with nothing_left():
            stream = slow.stream_chunks(ordered=ordered)
            waiting = asyncio.ensure_future(_count(stream))
            await asyncio.sleep(0.005)
            await stream.aclose()
            assert await asyncio.wait_for(waiting, 30) == 0
            assert stream.bytes_alive == 0


async def _count(stream: WindowStream[Any]) -> int:
    return len([item async for item in stream])


async def test_asyncio_timeout(make: Make) -> None:
    async with nothing_left(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.003):
                await _dawdle(make())


async def _dawdle(stream: WindowStream[Any]) -> None:
    async for _ in stream:
        await asyncio.sleep(0.001)


async def test_move_on_after(make: Make) -> None:
    async with nothing_left():
        with anyio.move_on_after(0.003) as scope:
            async with make() as stream:
                async for _ in stream:
                    await anyio.sleep(0.001)
        assert scope.cancelled_caught
        assert stream.bytes_alive == 0


async def test_timeout_while_the_stream_waits(array: az.Array) -> None:
    never = SpyStore(array.store.inner if isinstance(array.store, SpyStore) else array.store, sleeping(100))
    slow = await az.open_array(never)
    for stream in (slow.stream_chunks(), slow.stream_chunks(ordered=False), slow.stream_slices(0)):
        async with nothing_left():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await anext(stream)
            assert stream.bytes_alive == 0
            assert never.in_flight == 0
            with anyio.move_on_after(0.005):
                await anext(slow.stream_chunks())
            assert never.in_flight == 0


async def test_cancelled_twice(array: az.Array) -> None:
    """Who loses patience while the stream closes still gets a closed stream."""

    async def stubborn(request: Any) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(0.02)

    slow = await az.open_array(
        SpyStore(array.store.inner if isinstance(array.store, SpyStore) else array.store, stubborn)
    )
    async with nothing_left():
        stream = slow.stream_chunks()
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.005)
        for _ in range(3):
            waiting.cancel()
            await asyncio.sleep(0.002)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert stream.bytes_alive == 0


async def test_collected_without_being_closed(make: Make) -> None:
    async with nothing_left(2):
        stream = make()
        await anext(stream)
        del stream


async def test_collected_before_it_began(make: Make) -> None:
    async with nothing_left():
        make()
        gc.collect()


async def test_nested(make: Make) -> None:
    async with nothing_left(2):
        async for _ in make():
            async for _ in make():
                async for _ in make():
                    break
                break
        outer, inner = make(), make()
        await anext(outer)
        await anext(inner)
        await outer.aclose()  # in the order in which they were opened, which cancel scopes do not forgive
        assert len([item async for item in inner]) == COUNT - 1


async def test_break_inside_a_task_group(make: Make) -> None:
    async with nothing_left(2):
        finished = []

        async def sibling() -> None:
            await asyncio.sleep(0.01)
            finished.append(True)

        async with asyncio.TaskGroup() as group:
            group.create_task(sibling())
            async for _ in make():
                break
            await asyncio.sleep(0.001)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sibling)
            async for _ in make():
                break
            await anyio.sleep(0.001)
        assert finished == [True, True]


async def test_two_tasks_on_one_stream(make: Make) -> None:
    async with nothing_left():
        stream = make()
        first, second = await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)
        if isinstance(second, RuntimeError):
            assert not isinstance(first, BaseException)
        else:  # the first had its item before the second came
            assert not isinstance(first, BaseException)
            assert not isinstance(second, BaseException)
        await stream.aclose()


async def test_two_tasks_that_overlap_on_one_stream() -> None:
    slow = await filled(SpyStore())
    slow.store.script = sleeping(0.01)
    async with nothing_left():
        stream = slow.stream_chunks()
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks"):
            await anext(stream)
        assert (await first).index == (0, 0)
        assert len([chunk async for chunk in stream]) == COUNT - 1


async def test_an_error_that_nobody_asked_for_is_not_reported() -> None:
    """A job that fails while the consumer is leaving is nobody's business any more."""

    async def fail(request: Any) -> None:
        await asyncio.sleep(0.002)
        raise az.Unavailable("on purpose")

    array = await filled(SpyStore())
    array.store.script = fail
    for wait in (0, 0.001, 0.002, 0.003):
        for ordered in (True, False):
            async with nothing_left(1):
                stream = array.stream_chunks(ordered=ordered)
                waiting = asyncio.ensure_future(anext(stream))
                await asyncio.sleep(wait)
                waiting.cancel()
                await asyncio.wait([waiting])
                if not waiting.cancelled():
                    assert isinstance(waiting.exception(), az.Unavailable)
                del stream, waiting


async def test_a_loop_that_ends_with_an_open_stream() -> None:
    """As with Ctrl-C: the stream is collected when its loop is gone."""

    async def main() -> WindowStream[Any]:
        array = await filled(SpyStore(script=sleeping(0.001)))
        stream = array.stream_chunks()
        await anext(stream)
        return stream

    def run() -> None:
        stream = asyncio.run(main())
        del stream
        gc.collect()

    await asyncio.to_thread(run)


async def test_a_stream_belongs_to_its_loop() -> None:
    array = await filled(SpyStore(script=sleeping(0.001)))
    async with nothing_left():
        stream = array.stream_chunks()
        await anext(stream)

        def elsewhere() -> None:
            async def go_on() -> None:
                await anext(stream)

            with pytest.raises(RuntimeError, match="event loop"):
                asyncio.run(go_on())

        await asyncio.to_thread(elsewhere)
        assert len([chunk async for chunk in stream]) == COUNT - 1


async def test_an_array_belongs_to_every_loop() -> None:
    """Read at the same time on several loops in several threads."""
    array = await filled(SpyStore(script=sleeping(0.0002)), shards=(8, 8))

    def elsewhere() -> int:
        async def main() -> int:
            assert (await array.read()).sum() == sum(range(256))
            return len([chunk async for chunk in array.stream_chunks()])

        return asyncio.run(main())

    counts = await asyncio.gather(*[asyncio.to_thread(elsewhere) for _ in range(3)])
    assert counts == [COUNT] * 3
