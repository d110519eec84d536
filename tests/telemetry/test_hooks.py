"""Subscribing: who is called, what happens when they fail, and what it costs when nobody listens."""

from __future__ import annotations

import logging
import threading
from timeit import repeat

import pytest

from asynczarr.telemetry import events, hooks, subscribe
from asynczarr.telemetry.spans import Span, counted, current


def _retry(number: int = 1) -> events.Retry:
    return events.Retry(store="memory://", verb="get", key="a", number=number, delay=0.5, error="Unavailable")


def _miss() -> events.CacheMiss:
    return events.CacheMiss(store="memory://", cache="values", key="a")


def test_a_subscription_ends_with_its_block() -> None:
    seen: list[events.Event] = []
    assert not hooks.active
    with subscribe(seen.append):
        assert hooks.active
        hooks.emit(_retry())
    assert not hooks.active
    hooks.emit(_retry())
    assert [type(event) for event in seen] == [events.Retry]


def test_close_ends_one_of_several() -> None:
    first: list[events.Event] = []
    second: list[events.Event] = []
    one, two = subscribe(first.append), subscribe(second.append)
    one.close()
    one.close()
    assert hooks.active
    hooks.emit(_retry())
    two.close()
    assert (len(first), len(second)) == (0, 1)
    assert not hooks.active


def test_only_the_classes_asked_for_and_those_below_them() -> None:
    retries: list[events.Event] = []
    failures: list[events.Event] = []
    everything: list[events.Event] = []
    with (
        subscribe(retries.append, events.Retry),
        subscribe(failures.append, events.Failed, events.CacheMiss),
        subscribe(everything.append, events.Event),
    ):
        hooks.emit(_retry())
        hooks.emit(_miss())
        with pytest.raises(OSError, match="gone"), Span(events.REQUEST, store="s", verb="get", key="a"):
            raise OSError("gone")
    assert [type(event) for event in retries] == [events.Retry]
    assert [type(event) for event in failures] == [events.CacheMiss, events.RequestFailed]
    assert len(everything) == 4


def test_a_subscriber_that_raises_is_reported_once_and_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[events.Event] = []
    seen: list[events.Event] = []

    def fails(event: events.Event) -> None:
        calls.append(event)
        raise RuntimeError("a bug of the subscriber")

    with caplog.at_level(logging.ERROR, "asynczarr.telemetry"), subscribe(fails), subscribe(seen.append):
        for number in (1, 2, 3):
            hooks.emit(_retry(number))
    assert len(calls) == len(seen) == 3
    (record,) = caplog.records
    assert "fails" in record.getMessage()
    assert "Retry" in record.getMessage()
    assert record.exc_info is not None


def test_threads_emit_and_subscribe_at_the_same_time() -> None:
    lasting: list[events.Event] = []
    passing: list[events.Event] = []
    begin = threading.Barrier(9)

    def emits() -> None:
        begin.wait()
        for number in range(500):
            hooks.emit(_retry(number))

    def subscribes() -> None:
        begin.wait()
        for _ in range(200):
            with subscribe(passing.append):
                pass

    with subscribe(lasting.append):
        threads = [threading.Thread(target=emits) for _ in range(6)]
        threads += [threading.Thread(target=subscribes) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(lasting) == 6 * 500
    assert not hooks.active


def test_spans_nest_and_count_attempts() -> None:
    seen: list[events.Event] = []
    with subscribe(seen.append):
        with Span(events.ARRAY, store="s", array="a", action="read") as outer:
            with Span(events.REQUEST, store="s", verb="get", key="k") as inner:
                hooks.emit(counted(events.Attempt(store="s", verb="get", key="k", number=1, duration=0.1)))
                hooks.emit(_retry())
            assert inner.attempts == 1
            assert current.get() is outer
        assert current.get() is None
    names = [type(event).__name__ for event in seen]
    assert names == ["ArrayStart", "RequestStart", "Attempt", "Retry", "RequestStop", "ArrayStop"]
    assert [event.parent for event in seen] == [0, outer.id, inner.id, inner.id, outer.id, 0]
    times = [event.time for event in seen]
    assert times == sorted(times)
    assert isinstance(seen[-1], events.ArrayStop)
    assert seen[-1].duration >= seen[-2].duration > 0  # type: ignore[attr-defined]


def test_a_span_ends_once() -> None:
    seen: list[events.Event] = []
    with subscribe(seen.append):
        span = Span(events.ARRAY, store="s", array="a", action="read")
        span.fail(ValueError("token=secret"))
        span.stop()
    assert [type(event) for event in seen] == [events.ArrayStart, events.ArrayFailed]
    assert isinstance(seen[1], events.ArrayFailed)
    assert (seen[1].error, seen[1].message) == ("ValueError", "")  # what others write into messages is not ours to tell


def test_an_emission_costs_one_look_when_nobody_listens() -> None:
    def site() -> None:
        if hooks.active:
            hooks.emit(_retry())

    def bare() -> None:
        pass

    rounds = 100_000
    cost = (min(repeat(site, number=rounds, repeat=9)) - min(repeat(bare, number=rounds, repeat=9))) / rounds
    # About 10 ns here; making and giving away the event would be a hundred times that.
    assert cost < 250e-9, f"{cost * 1e9:.0f} ns"
