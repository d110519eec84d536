"""C3: conditional writes of which every fifth answer is lost. No false conflict, no update lost or done twice."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import asynczarr as az
from asynczarr.store.base import Store
from asynczarr.testing import Fault, FaultyStore
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Drawn, WireFault, seed

from .stores import bare, stacked, wrapped
from .workload import Tally, count_alone, count_together

LOST = WireFault(reset="after")
TITLE = "Conditional writes, 20 % of the answers lost"


@asynccontextmanager
async def _memory() -> AsyncIterator[tuple[Store, Callable[[], dict[str, int]]]]:
    faulty = FaultyStore(az.MemoryStore(), [Fault("after", probability=0.2, times=None)], seed=seed())
    async with wrapped(faulty) as store:
        yield store, lambda: {"sent": sum(faulty.sent.values()), "lost": faulty.injected["after"]}


@asynccontextmanager
async def _scripted() -> AsyncIterator[tuple[Store, Callable[[], dict[str, int]]]]:
    drawn = Drawn({LOST: 0.2})
    async with FaultServer(drawn) as server:
        server.keep = False
        async with stacked(server) as store:
            yield store, lambda: {"sent": sum(server.sent.values()), "lost": drawn.met[LOST]}


WHERE = {"memory, FaultyStore": _memory, "S3 on the scripted server": _scripted}


def check(tally: Tally, wire: dict[str, int]) -> None:
    """What every backend must keep."""
    assert tally.false_conflicts == 0
    assert tally.lost_updates == 0
    assert tally.succeeded + tally.conflicts + tally.unknown + tally.failed == tally.writes
    assert 0.1 < wire["lost"] / wire["sent"] < 0.3, "the faults have not happened"


def report(figure: Callable[..., None], where: str, tally: Tally, wire: dict[str, int], begun: float) -> None:
    """A row of the page."""
    named = {"false conflicts": tally.false_conflicts, "lost updates": tally.lost_updates}
    named |= {"outcome unknown": tally.unknown, "other errors": tally.failed}
    seconds = round(time.monotonic() - begun)
    requests = {"requests": wire["sent"], "answers lost": wire["lost"]}
    figure(TITLE, where, writes=tally.writes, **named, **requests, seconds=seconds)


@pytest.mark.parametrize("where", WHERE)
async def test_of_clients_with_keys_of_their_own(where: str, scale: Any, figure: Any) -> None:
    """Every refusal would be a false one."""
    begun = time.monotonic()
    async with WHERE[where]() as (store, wire):
        tally = await count_alone(store, scale(800, 100_000, 1_000_000))
        check(tally, wire())
        assert tally.succeeded > 0.99 * tally.writes, "with nobody else there, a lost answer can be read back"
        report(figure, f"{where}, own keys", tally, wire(), begun)


@pytest.mark.parametrize("where", WHERE)
async def test_of_clients_that_share_a_counter(where: str, scale: Any, figure: Any) -> None:
    """8 clients x 100 increments, again and again. What was replaced before it could be read back is unknown."""
    begun = time.monotonic()
    total = Tally()
    async with WHERE[where]() as (store, wire):
        for number in range(scale(1, 10, 100)):
            tally = await count_together(store, scale(80, 800, 800), key=f"counter/{number}")
            assert tally.lost_updates == 0
            for name in Tally.__slots__:
                setattr(total, name, getattr(total, name) + getattr(tally, name))
        check(total, wire())
        report(figure, f"{where}, one counter", total, wire(), begun)


async def test_requests_of_one_lost_answer() -> None:
    """On the wire: the write, and one HEAD that proves it."""
    async with FaultServer() as server, stacked(server) as store:
        for conditional in ({"create": True}, {"if_version": None}):
            if "if_version" in conditional:
                info = await store.head("k")
                assert info is not None
                conditional["if_version"] = info.version
            server.forget()
            server.faults = Drawn({LOST: 1.0}, at_most=1, verbs=["PUT"])
            version = await store.set("k", b"%d" % len(conditional), **conditional)
            assert server.verbs() == ["PUT", "HEAD"]
            assert version == (await store.head("k")).version


async def test_without_the_layer_there_are_false_conflicts() -> None:
    """The faults are strong enough to show what the layer is for: a bare store, asked again, is refused by itself."""
    async with FaultServer(Drawn({LOST: 1.0}, at_most=1, verbs=["PUT"])) as server, bare(server) as store:
        with pytest.raises(az.ConnectionFailed) as caught:
            await store.set("k", b"1", create=True)
        assert caught.value.sent
        with pytest.raises(az.AlreadyExists):
            await store.set("k", b"1", create=True)
        assert server.verbs() == ["PUT", "PUT"]
