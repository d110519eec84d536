"""Clients by event loop: made once, closed once, and gone with their loop."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from pathlib import Path

import pytest

import asynczarr as az
from asynczarr.errors import StoreClosed, Unauthenticated
from asynczarr.loops import ByLoop
from asynczarr.middleware.endpoint import PerEndpoint
from asynczarr.store.sessions import PerLoop
from asynczarr.stream.limits import request_slots

sys.path.insert(0, str(Path(__file__).parent))
from scripted_http import ScriptedServer, answer


class Client:
    """Holds its event loop, as every client does, and counts those that are open."""

    open = 0

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        Client.open += 1

    async def aclose(self):
        Client.open -= 1


@pytest.fixture(autouse=True)
def _none_open(monkeypatch):
    monkeypatch.setattr(Client, "open", 0)


class Slow:
    """Makes clients when it is allowed to."""

    def __init__(self, *, stubborn=False, error=None):
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.stubborn, self.error = stubborn, error

    async def __call__(self):
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            if not self.stubborn:
                raise
        if self.error is not None:
            raise self.error
        return Client()


async def test_callers_share_a_client():
    clients = PerLoop(make := Slow(), Client.aclose)
    callers = [asyncio.create_task(clients.get()) for _ in range(3)]
    await make.begun.wait()
    callers[0].cancel()  # which leaves it to the others
    await asyncio.wait(callers[:1])
    make.go_on.set()
    assert await callers[1] is await callers[2] is await clients.get()
    assert callers[0].cancelled()
    await clients.aclose()
    assert Client.open == 0


@pytest.mark.parametrize("stubborn", [False, True])
async def test_closed_while_it_connects(stubborn):
    """Nobody has cancelled the caller, so that it hears of no cancellation: a task group would hide it."""
    clients = PerLoop(make := Slow(stubborn=stubborn), Client.aclose)
    caller = asyncio.create_task(clients.get())
    await make.begun.wait()
    await clients.aclose()
    if stubborn:
        assert isinstance(await caller, Client)  # closed already, as it may be at any time
    else:
        with pytest.raises(StoreClosed):
            await caller
    assert Client.open == 0


async def test_closed_and_cancelled():
    clients = PerLoop(make := Slow(), Client.aclose)
    caller = asyncio.create_task(clients.get())
    await make.begun.wait()
    caller.cancel()
    await clients.aclose()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_no_client_is_made_after_the_end():
    clients = PerLoop(make := Slow(), Client.aclose)
    make.go_on.set()
    await clients.get()
    for _ in range(2):
        await clients.aclose()
        with pytest.raises(StoreClosed):
            await clients.get()
    assert Client.open == 0


async def test_a_connection_that_somebody_else_cancels_is_made_again():
    clients = PerLoop(make := Slow(), Client.aclose)
    caller = asyncio.create_task(clients.get())
    await make.begun.wait()
    make.go_on.set()
    for task in asyncio.all_tasks() - {asyncio.current_task(), caller}:
        task.cancel()
    assert isinstance(await caller, Client)


async def test_each_caller_has_an_error_of_its_own():
    async def make():
        await asyncio.sleep(0)
        raise Unauthenticated("who are you?") from ZeroDivisionError()

    async def get(key):
        try:
            await clients.get()
        except Unauthenticated as error:
            return error.at(key=key)

    clients = PerLoop(make, Client.aclose)
    found = await asyncio.gather(*(get(f"key{number}") for number in range(3)))
    assert [error.key for error in found] == ["key0", "key1", "key2"]
    assert {type(error.__cause__) for error in found} == {ZeroDivisionError}


async def test_an_error_that_nobody_waits_for_is_no_complaint(caplog):
    clients = PerLoop(make := Slow(error=Unauthenticated("who are you?")), Client.aclose)
    caller = asyncio.create_task(clients.get())
    await make.begun.wait()
    caller.cancel()
    await asyncio.wait([caller])
    make.go_on.set()
    await clients.aclose()
    del caller, clients, make
    gc.collect()
    assert caplog.text == ""


async def test_a_write_that_has_not_connected_when_its_store_is_closed():
    async with ScriptedServer(lambda _: answer(200, b"{}")) as server:
        store = az.GCSStore("bucket", api_root=server.url, anonymous=True)
        writing = asyncio.create_task(store.set("k", bytes(8 << 20)))  # the checksum comes first, in a thread
        await asyncio.sleep(0)
        await store.aclose()
        with pytest.raises(StoreClosed):
            await writing
        assert (server.connections, server.requests) == (0, [])


# Loops.


def closed_loops(use):
    """Use something in one loop after the other; how many of the loops are still there."""

    async def run():
        await use()
        return weakref.ref(asyncio.get_running_loop())

    loops = [asyncio.run(run()) for _ in range(5)]
    gc.collect()
    return sum(loop() is not None for loop in loops)


async def _connect():
    return Client()


def test_clients_go_with_their_loop():
    clients = PerLoop(_connect, Client.aclose)
    assert closed_loops(clients.get) <= 1  # the last one goes when there is another
    asyncio.run(clients.aclose())
    assert Client.open == 5  # of closed loops: there is nowhere to close them


async def _contend(semaphore):
    """A primitive knows its loop from the first time that somebody has to wait."""

    async def enter():
        async with semaphore:
            await asyncio.sleep(0)

    await asyncio.gather(*(enter() for _ in range(100)))


def test_limits_go_with_their_loop():
    shared, store = PerEndpoint(), az.MemoryStore()
    assert closed_loops(lambda: _contend(shared.get("s3://bucket", lambda: asyncio.Semaphore(1)))) <= 1
    assert closed_loops(lambda: _contend(request_slots(store))) <= 1


def test_only_what_is_closed_goes():
    loops = [asyncio.new_event_loop() for _ in range(4)]
    values = ByLoop()
    for loop in loops[:3]:
        values[loop] = loop
    loops[1].close()
    values[loops[3]] = loops[3]
    assert set(values) == {loops[0], loops[2], loops[3]}
    for loop in loops:
        loop.close()
