"""The checker of histories: known good and bad ones, and every small history against all orders of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import asynczarr as az
from asynczarr.testing.history import History, Operation, linearize


def test_reads_see_what_was_written_before_them():
    write = Operation("write", 1, begin=0, end=1)
    assert linearize([write, Operation("read", 1, begin=2, end=3)])
    assert not linearize([write, Operation("read", None, begin=2, end=3)]), "a stale read"
    assert not linearize([write, Operation("read", 2, begin=2, end=3)]), "a value that nobody wrote"
    assert linearize([write, Operation("read", None, begin=0.5, end=3)]), "they overlap"


def test_no_going_back():
    calls = [Operation("write", 1, begin=0, end=9)]
    calls += [Operation("read", 1, begin=1, end=2), Operation("read", None, begin=3, end=4)]
    assert linearize(calls) is None


def test_a_lost_update_is_found():
    first = Operation("cas", 2, 1, begin=0, end=3)
    second = Operation("cas", 3, 1, begin=1, end=4)
    assert linearize([first, second], 1) is None
    lost = Operation("cas", 3, 1, "fail", 1, 4)
    assert linearize([first, lost], 1) == [first, lost]


def test_a_false_conflict_is_found():
    """Its own write, reported as somebody else's."""
    mine = Operation("create", 1, outcome="fail", begin=0, end=1)
    assert linearize([mine, Operation("read", 1, begin=2, end=3)]) is None
    assert linearize([mine]) is None, "nothing was there to conflict with"


def test_an_unknown_write_may_land_late_or_never():
    lost = Operation("write", 1, outcome="info", begin=0, end=1)
    reads = [Operation("read", None, begin=2, end=3), Operation("read", 1, begin=4, end=5)]
    assert linearize([lost, *reads])
    assert linearize([lost, reads[0]]) == [reads[0]]
    assert linearize([lost, reads[1], Operation("read", None, begin=6, end=7)]) is None


def test_deletes():
    create = Operation("create", 1, begin=0, end=1)
    assert linearize([create, Operation("delete", begin=2, end=3), Operation("create", 2, begin=4, end=5)])
    assert linearize([create, Operation("delete_if", None, 2, begin=2, end=3)]) is None
    assert linearize([create, Operation("delete_if", None, 2, "fail", 2, 3)])
    assert linearize([Operation("delete_if", None, None, begin=2, end=3)]) is None, "nothing is no version"


_KINDS = st.sampled_from(["read", "write", "create", "cas", "delete", "delete_if"])
_VALUES = st.sampled_from([None, 1, 2])


@st.composite
def _calls(draw: st.DrawFn) -> list[Operation]:
    count = draw(st.integers(1, 5))
    times = draw(st.permutations(range(2 * count)))
    calls = []
    for number in range(count):
        begin, end = sorted(times[2 * number : 2 * number + 2])
        kind = draw(_KINDS)
        value, expected = draw(_VALUES), draw(st.sampled_from([1, 2]))
        if kind in ("write", "create", "cas"):
            value = value or 1
        outcomes = ["ok"] if kind == "read" else ["ok", "info"] + ["fail"] * (kind in ("create", "cas", "delete_if"))
        calls.append(Operation(kind, value, expected, draw(st.sampled_from(outcomes)), begin, end, number))
    return calls


@given(_calls())
def test_like_trying_all_orders(calls: list[Operation]):
    assert (linearize(calls) is not None) == any(_right(order) for order in _orders(calls))


def _orders(calls: Sequence[Operation]):
    unknown = [call for call in calls if call.outcome == "info"]
    known = [call for call in calls if call.outcome != "info"]
    for count in range(len(unknown) + 1):
        for landed in itertools.combinations(unknown, count):
            yield from itertools.permutations([*known, *landed])


def _right(order: Sequence[Operation]) -> bool:
    value: object = None
    for number, call in enumerate(order):
        end = math.inf if call.outcome == "info" else call.end
        if any(later.outcome != "info" and later.end < call.begin for later in order[number + 1 :]) or end < 0:
            return False
        holds = {"create": value is None, "cas": value == call.expected, "delete_if": value == call.expected}
        if call.kind == "read":
            if call.value != value:
                return False
        elif call.outcome == "fail":
            if holds[call.kind]:
                return False
        elif not holds.get(call.kind, True):
            return False
        else:
            value = None if call.kind in ("delete", "delete_if") else call.value
    return True


def test_a_long_history_is_checked_quickly():
    """2 000 calls of 8 clients that take turns, each overlapping its neighbours."""
    calls = [Operation("cas", number + 1, number, begin=number, end=number + 2) for number in range(2000)]
    order = linearize(reversed(calls), 0)
    assert order == calls
    calls[1000] = Operation("cas", -1, 1000, begin=1000, end=1002)
    assert linearize(calls, 0) is None


async def test_what_a_store_raises_becomes_an_outcome():
    history = History()
    store = az.MemoryStore()
    assert await history.write("a", "create", lambda: store.set("k", b"1", create=True), 1) == "ok"
    assert await history.write("b", "create", lambda: store.set("k", b"2", create=True), 2) == "fail"

    async def fail(error: Exception) -> None:
        raise error

    for error, outcomes in [
        (az.ConnectionFailed("x", sent=True), ["info"]),
        (az.AttemptTimeout("x", sent=True), ["info"]),
        (az.Unavailable("x"), ["info"]),
        (az.ConnectionFailed("x", sent=False), []),
        (az.AttemptTimeout("x", sent=False), []),
    ]:
        before = len(history.operations)
        await history.write("c", "write", lambda error=error: fail(error), 3)
        assert [call.outcome for call in history.operations[before:]] == outcomes
        await history.read("c", lambda error=error: fail(error))
        assert len(history.operations) == before + len(outcomes), "a failed read says nothing"
    with pytest.raises(ZeroDivisionError):
        await history.write("d", "write", lambda: fail(ZeroDivisionError()), 4)
    assert history.operations[-1].outcome == "info"

    async def read() -> int | None:
        value = await store.get("k")
        return None if value is None else int(bytes(value))

    await history.read("e", read)
    assert linearize(history.operations)
