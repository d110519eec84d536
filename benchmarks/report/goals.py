"""The goals of the project, and whether the results meet them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from ..result import OURS, Result, Results
from ..units import Unit, units_by_name
from ..works.budget import BUDGET, DEFAULT_BUDGET

__all__ = ["DEFAULT_PIPELINE", "Verdict", "awake_rate", "goal_of", "verdicts"]

DEFAULT_PIPELINE = "zarr"
_MIB = 2**20
_SLACK = 64 * _MIB
_AGAINST_DEFAULT = 4.0
_READ_FACTOR = 1.15
_FIRST_FACTOR = 1.5
_P99, _MAX = 0.005, 0.020
_SHARE = 0.8
_RATES = ("idle_rate", "busy_rate")
_EVEN = 0.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal.

    Attributes:
        goal: in words.
        measured: the figure, and of what.
        met: whether it is reached.
    """

    goal: str
    measured: str
    met: bool


def goal_of(unit: Unit) -> float | None:
    """The ratio to the fastest peer that a unit should reach; ``None`` if only zarr-python's default counts."""
    if unit.work in ("open", "tree") or unit.layout == "4K":
        return None
    return 1.0 if unit.layout != "16K" else 0.6


def verdicts(results: Results) -> list[Verdict]:
    """All goals for which there are results."""
    known = units_by_name()
    units = [known[name] for name in results.units() if name in known]
    return [
        *_ratios(results, [unit for unit in units if unit.compared]),
        *_loop(results, units),
        *_memory(results, units),
        *_first(results, units),
        *_growth(results, units),
    ]


def _ratios(results: Results, units: list[Unit]) -> Iterator[Verdict]:
    for wanted, words in ((1.0, "chunks of 128 KiB and more, and shards"), (0.6, "chunks of 16 KiB without shards")):
        found = [results.ratio(unit.name) for unit in units if goal_of(unit) == wanted]
        ratios = [each for each in found if each is not None]
        if ratios:
            reached = sum(each >= wanted for each in ratios)
            text = f"{reached} of {len(ratios)} workloads; lowest {min(ratios):.2f}, median {median(ratios):.2f}"
            yield Verdict(f"at least {wanted} of the speed of the fastest peer: {words}", text, reached == len(ratios))
    against = [results.ratio(unit.name, DEFAULT_PIPELINE) for unit in units]
    ratios = [each for each in against if each is not None]
    if ratios:
        reached = sum(each >= _AGAINST_DEFAULT for each in ratios)
        text = f"{reached} of {len(ratios)} workloads; lowest {min(ratios):.2f}, median {median(ratios):.2f}"
        yield Verdict(f"{_AGAINST_DEFAULT:.0f} times as fast as zarr-python's default", text, reached == len(ratios))


def _loop(results: Results, units: list[Unit]) -> Iterator[Verdict]:
    lags = _ours(results, units, "lag")
    if lags:
        p99 = max(each.median("p99") or 0.0 for _, each in lags)
        worst = max(max(each.runs["max"]) for _, each in lags)
        text = f"worst of {len(lags)} layouts: {1e3 * p99:.2f} ms, {1e3 * worst:.1f} ms"
        yield Verdict("event-loop lag: p99 <= 5 ms, max <= 20 ms", text, p99 <= _P99 and worst <= _MAX)
    echos = [(unit, each) for unit, each in _ours(results, units, "echo") if unit.concurrency == 1]
    if echos:
        share = min((each.median("busy_rate") or 0.0) / awake_rate(results, unit) for unit, each in echos)
        yield Verdict("echo server keeps 80 % of its rate beside a stream", f"{100 * share:.0f} %", share >= _SHARE)


def awake_rate(results: Results, unit: Unit) -> float:
    """Requests a second of an echo server on a machine that is awake: the most that was seen, of any peer.

    A CPU that falls asleep after each request takes longer to wake up than to answer, so that a server beside a stream
    may answer more requests than one that has all for itself.
    """
    seen = [each.median(metric) or 0.0 for each in results.of(unit.name).values() for metric in _RATES]
    return max(seen)


def _memory(results: Results, units: list[Unit]) -> Iterator[Verdict]:
    groups = (
        ("stream: peak memory <= budget + 64 MiB", "stream", lambda unit: DEFAULT_BUDGET + _SLACK),
        ("the same, whatever the size of the array", "size", lambda unit: BUDGET + _SLACK),
        ("whole read: peak memory <= 1.15 x the array", "read", lambda unit: _READ_FACTOR * unit.grid.nbytes),
    )
    for words, work, limit in groups:
        found = [(unit, each) for unit, each in _ours(results, units, work) if unit.fresh]
        if found:
            unit, worst = max(found, key=lambda pair: (pair[1].median("peak") or 0.0) / limit(pair[0]))
            peak = worst.median("peak") or 0.0
            text = f"worst: {peak / _MIB:.0f} of {limit(unit) / _MIB:.0f} MiB ({unit.name})"
            yield Verdict(words, text, peak <= limit(unit))


def _first(results: Results, units: list[Unit]) -> Iterator[Verdict]:
    found = _ours(results, units, "first")
    if found:
        factors = {unit.layout: (each.median() or 0.0) / (each.median("bare") or 1.0) for unit, each in found}
        text = ", ".join(f"{layout}: {factor:.2f}" for layout, factor in factors.items())
        met = max(factors.values()) <= _FIRST_FACTOR
        yield Verdict("first chunk <= 1.5 x a bare read and decode", text, met)


def _growth(results: Results, units: list[Unit]) -> Iterator[Verdict]:
    found = [(unit, each) for unit, each in _ours(results, units, "chunks") if unit.count >= 1000]
    if len(found) > 1:
        costs = [each.median("per_chunk") or 0.0 for _, each in found]
        middle = median(costs)
        spread = max(abs(cost / middle - 1) for cost in costs)
        peaks = ", ".join(f"{(each.median('peak') or 0.0) / _MIB:.0f}" for _, each in found)
        text = f"{1e6 * min(costs):.1f} to {1e6 * max(costs):.1f} µs a chunk; peaks {peaks} MiB"
        yield Verdict("cost per chunk constant (± 20 %) from 10^3 chunks on, memory flat", text, spread <= _EVEN)


def _ours(results: Results, units: list[Unit], work: str) -> list[tuple[Unit, Result]]:
    found = [(unit, results.of(unit.name).get(OURS)) for unit in units if unit.work == work]
    return [(unit, each) for unit, each in found if each is not None and each.runs]
