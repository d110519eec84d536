"""C2: what eight clients see of a few keys could have happened one call after the other, whatever gets lost."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

import asynczarr as az
from asynczarr.store.base import Store
from asynczarr.testing import Fault, FaultyStore
from asynczarr.testing.history import History, linearize
from asynczarr.testing.wire_faults import seed
from asynczarr.types import ByteRange, Version

from .stores import wrapped

LOSSES = [
    Fault("after", probability=0.2, times=None),
    Fault("before", probability=0.1, times=None),
    Fault("throttle", probability=0.02, times=None),
    Fault("delay", probability=0.1, times=None, seconds=0.0005),
]
CONDITIONAL = [*LOSSES, Fault("late", verbs=("set",), probability=0.1, times=None, seconds=0.002)]
"""Late ones fail on their own condition. One that lands late without a condition would undo a newer write."""

ALONE = [*LOSSES, Fault("duplicate", probability=0.05, times=None)]
"""With a duplicate, a write that another has replaced before it was read back is a conflict, although it has landed."""


class _Register:
    """One key as clients use it; every write has a value of its own, so that a value tells its writer."""

    def __init__(self, store: Store, key: str) -> None:
        self.store = store
        self.key = key
        self.history = History()
        self._next = 0

    def value(self) -> int:
        self._next += 1
        return self._next

    async def read(self, client: int) -> tuple[int | None, Version | None]:
        seen: list[tuple[int | None, Version | None]] = []

        async def send() -> int | None:
            parts = await self.store.get_ranges(self.key, [ByteRange()])
            seen.append((None, None) if parts is None else (int(bytes(parts.data[0])), parts.version))
            return seen[-1][0]

        await self.history.read(client, send)
        return seen[-1] if seen else (None, None)

    async def create(self, client: int) -> None:
        value = self.value()
        await self.history.write(client, "create", lambda: self.store.set(self.key, b"%d" % value, create=True), value)

    async def swap(self, client: int) -> None:
        found, version = await self.read(client)
        if found is None:
            return
        value = self.value()
        await self.history.write(
            client, "cas", lambda: self.store.set(self.key, b"%d" % value, if_version=version), value, found
        )

    async def write(self, client: int) -> None:
        value = self.value()
        await self.history.write(client, "write", lambda: self.store.set(self.key, b"%d" % value), value)

    async def delete(self, client: int) -> None:
        await self.history.write(client, "delete", lambda: self.store.delete(self.key))


async def _play(store: Store, rounds: int, calls: int, *, single: bool, number: int = 0) -> list[_Register]:
    """Eight clients, three keys. `single`: one client writes, and without conditions; the others read."""
    registers = [_Register(store, f"k{number}/{key}") for key in range(3)]
    chance = random.Random(f"{seed()} {number}")

    async def client(name: int, mine: random.Random) -> None:
        for _ in range(calls):
            register = mine.choice(registers)
            if single and name == 0:
                await mine.choice([register.write, register.write, register.delete])(name)
            elif single:
                await register.read(name)
            else:
                await mine.choice([register.read, register.create, register.swap, register.swap])(name)

    async with asyncio.TaskGroup() as group:
        for name in range(8):
            group.create_task(client(name, random.Random(chance.random())))
    return registers


@pytest.mark.parametrize("single", [False, True], ids=["conditional writes", "one writer"])
async def test_under_lost_acknowledgements(single: bool, scale: Any, figure: Any) -> None:
    calls = unknown = refused = requests = faults = 0
    rounds = scale(6, 1000, 10_000)
    for number in range(rounds):
        faulty = FaultyStore(az.MemoryStore(), ALONE if single else CONDITIONAL, seed=seed() + number)
        store = wrapped(faulty)
        for register in await _play(store, rounds, 12, single=single, number=number):
            await faulty.settle()
            await register.read(99)
            history = register.history.operations
            if linearize(history) is None:
                refused += 1
                print(f"not linearizable, seed {seed()}, round {number}: {history}")
            calls += len(history)
            unknown += sum(call.outcome == "info" for call in history)
        requests += sum(faulty.calls.values())
        faults += sum(faulty.injected.values())
        await store.aclose()
    assert refused == 0
    assert calls <= requests <= calls + 3 * faults, "a request for each call, and a few for each fault"
    assert calls > 60 * rounds
    figure(
        "Histories of 8 clients on 3 keys, 20 % of the answers lost",
        "one writer, seven readers" if single else "create and compare-and-swap",
        histories=3 * rounds,
        calls=calls,
        requests=requests,
        faults=faults,
        **{"outcome unknown": unknown, "not linearizable": refused},
    )


async def test_trying_again_without_read_back_is_caught() -> None:
    """The checker, and the faults, are strong enough to find what the idempotency layer is for."""

    class Naive(az.middleware.Wrapper):
        async def around(self, request, send):
            while True:
                try:
                    return await send()
                except az.Unavailable:
                    continue

    for number in range(20):
        store = Naive(FaultyStore(az.MemoryStore(), LOSSES[:1], seed=number))
        registers = await _play(store, 1, 12, single=False, number=number)
        if any(linearize(register.history.operations) is None for register in registers):
            return
    pytest.fail("20 runs with lost acknowledgements and naive retries, and nothing was found")
