"""The promise: conditional writes under 20 % lost answers have no false conflict and lose no update.

Every write that the store really does is recorded with its mark, and every outcome that a client is told is held
against that record: success means done exactly once, a conflict means never done, and only ``OutcomeUnknown`` leaves it
open.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynczarr.errors import (
    AlreadyExists,
    AttemptTimeout,
    ConnectionFailed,
    OutcomeUnknown,
    PreconditionFailed,
    StoreError,
    Unavailable,
)
from asynczarr.middleware import Idempotency, Retry, RetryBudget, Wrapper
from asynczarr.middleware.idempotency import WRITE_ID
from asynczarr.store import MemoryStore
from asynczarr.types import ByteRange

from .kit import policy, virtual

WRITES = int(os.environ.get("ASYNCZARR_CONDITIONAL_WRITES", "3000"))
"""Of each test here; the long run sets it to 100,000 and more."""


class Record(MemoryStore):
    """Remembers the marks of the writes that were done."""

    def __init__(self):
        super().__init__()
        self.done: Counter[str] = Counter()

    async def set(self, key, value, *, create=False, if_version=None, metadata=None):
        version = await super().set(key, value, create=create, if_version=if_version, metadata=metadata)
        if metadata and WRITE_ID in metadata:
            self.done[metadata[WRITE_ID]] += 1
        return version


class Line(Wrapper):
    """A network: every request takes a while, and some go wrong.

    Args:
        chance: says for each write what happens to it: one of ``"ok"``, ``"lost answer"``, ``"lost request"``,
            ``"twice"`` and ``"late"``.
    """

    def __init__(self, inner, chance, seed):
        super().__init__(inner)
        self.chance = chance
        self.random = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.requests = 0
        self.late: set[asyncio.Task] = set()

    async def around(self, request, send):
        self.requests += 1
        fault = self.chance(request)
        self.faults[fault] += 1
        await asyncio.sleep(self.random.uniform(0.001, 0.01))
        if fault == "lost request":
            raise ConnectionFailed("injected")
        if fault == "late":
            task = asyncio.create_task(self._later(send))
            self.late.add(task)
            task.add_done_callback(self.late.discard)
            raise AttemptTimeout("injected")
        if fault == "twice":
            with suppress(StoreError):
                await send()
        answer = await send()
        await asyncio.sleep(self.random.uniform(0.001, 0.01))
        if fault == "lost answer":
            raise Unavailable("injected")
        return answer

    async def _later(self, send):
        await asyncio.sleep(self.random.uniform(0.0, 2.0))
        with suppress(StoreError):
            await send()

    async def settled(self):
        while self.late:
            await asyncio.wait(self.late)


class Client:
    """Makes conditional writes and notes what it is told of each."""

    def __init__(self, name, line, seed):
        self.told: dict[str, str] = {}
        self._ids = (f"{name}-{number}" for number in itertools.count())
        chosen = policy(budget=RetryBudget(10**9), rand=random.Random(seed).random)
        self.store = Idempotency(Retry(line, policy=chosen), policy=chosen, new_id=self._new_id)

    def _new_id(self):
        self.id = next(self._ids)
        return self.id

    async def write(self, key, value, **condition):
        """Do it, and say how it went."""
        try:
            await self.store.set(key, value, **condition)
        except (AlreadyExists, PreconditionFailed):
            outcome = "conflict"
        except OutcomeUnknown:
            outcome = "unknown"
        else:
            outcome = "success"
        self.told[self.id] = outcome
        return outcome

    async def write_surely(self, key, value, **condition):
        """The same, and where the outcome is unknown the same write again by its id. Returns how often it was."""
        outcome, doubts = await self.write(key, value, **condition), 0
        while outcome == "unknown":
            outcome, doubts = await self.write(key, value, **condition, metadata={WRITE_ID: self.id}), doubts + 1
        assert outcome == "success"
        return doubts


def judge(clients, record):
    """Hold what clients were told against what was done. Returns how often each outcome was told."""
    outcomes: Counter[str] = Counter()
    for client in clients:
        for mark, outcome in client.told.items():
            outcomes[outcome] += 1
            done = record.done[mark]
            assert done <= 1, f"{mark} was done {done} times"
            assert done == 1 or outcome != "success", f"{mark}: success, and never done"
            assert done == 0 or outcome != "conflict", f"{mark}: a false conflict"
    return outcomes


async def _count(client, goal):
    """Add 1 to a counter until `goal` additions are known to be done."""
    done = 0
    while done < goal:
        parts = await client.store.get_ranges("counter", [ByteRange()])
        value = int(bytes(parts.data[0])) + 1
        done += await client.write("counter", b"%d" % value, if_version=parts.version) == "success"


@pytest.mark.parametrize("faults", ["lost answer", "lost request", "twice", "mixed"])
@virtual
async def test_a_counter_shared_by_eight(faults):
    kinds = ["lost answer", "lost request", "twice"] if faults == "mixed" else [faults]
    dice = random.Random(11)

    def chance(request):
        return dice.choice(kinds) if request.verb == "set" and dice.random() < 0.2 else "ok"

    record = Record()
    await record.set("counter", b"0")
    line = Line(record, chance, 5)
    clients = [Client(str(number), line, number) for number in range(8)]
    await asyncio.gather(*(_count(client, WRITES // 8) for client in clients))
    outcomes = judge(clients, record)
    final = int(bytes(await record.get("counter")))
    assert final == sum(record.done.values())  # no update is lost
    assert final == outcomes["success"] == WRITES // 8 * 8  # and none is done twice, or in doubt
    assert outcomes["unknown"] == 0
    print(f"{faults}: {dict(outcomes)}, {line.requests} requests, faults {dict(line.faults)}, counted {final}")


@virtual
async def test_a_key_each():
    """Without contention 20 % lost answers, of reading back too, are hardly seen: every write succeeds, done once.

    When all answers to the six attempts of reading back are lost as well (some 13 of a million writes), the outcome is
    unknown, and the same write again tells it.
    """
    dice = random.Random(12)
    record = Record()
    line = Line(record, lambda request: "lost answer" if dice.random() < 0.2 else "ok", 6)
    clients = [Client(str(number), line, number) for number in range(8)]

    async def work(client, number):
        doubts = 0
        for count in range(WRITES // 8 // 2):
            key = f"{number}/{count}"
            doubts += await client.write_surely(key, b"1", create=True)
            version = (await record.head(key)).version
            doubts += await client.write_surely(key, b"2", if_version=version)
        return doubts

    doubts = sum(await asyncio.gather(*(work(client, number) for number, client in enumerate(clients))))
    outcomes = judge(clients, record)
    assert outcomes == {"success": WRITES // 8 // 2 * 16}
    assert doubts <= 2 + WRITES / 10_000
    assert line.faults["lost answer"] > WRITES * 0.2
    print(f"{dict(outcomes)}, {doubts} in doubt first, {line.requests} requests, faults {dict(line.faults)}")


FAULTS = st.sampled_from(["ok", "ok", "lost answer", "lost request", "twice", "late"])


@settings(max_examples=60)
@given(st.data(), st.integers(0, 2**32))
def test_any_faults_on_few_keys(data, seed):
    """Any faults for any requests, reading back included: what a client is told is true."""

    @virtual
    async def run():
        record = Record()
        drawn = iter(data.draw(st.lists(FAULTS, max_size=60)))
        line = Line(record, lambda request: next(drawn, "ok"), seed)
        clients = [Client(str(number), line, seed + number) for number in range(3)]

        async def work(client, number):
            random_ = random.Random(seed + number)
            for _ in range(4):
                key = random_.choice("ab")
                try:
                    info = await client.store.head(key)
                    if info is None:
                        await client.write(key, b"x", create=True)
                    else:
                        await client.write(key, b"x", if_version=info.version)
                except (Unavailable, AttemptTimeout):
                    pass  # a fault that did not end; nothing is claimed of that write

        await asyncio.gather(*(work(client, number) for number, client in enumerate(clients)))
        await line.settled()
        judge(clients, record)

    run()
