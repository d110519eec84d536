"""The tables of the page, one function each; every number comes from the results."""

from __future__ import annotations

from ..result import OURS, Result, Results
from ..units import Unit, units_by_name
from ..works.stages_of import STAGES
from .goals import DEFAULT_PIPELINE, awake_rate, goal_of
from .markdown import NOTHING, mebibytes, micro, milli, ratio, table

__all__ = ["compared", "cpu", "echo", "first", "growth", "lag", "memory", "not_measured", "stages", "under_goal"]


def compared(results: Results) -> list[str]:
    """Times of all peers and the ratios."""
    peers = _peers(results)
    head = ["ms", "ratio", "to zarr", *peers]
    rows = []
    for unit in _units(results):
        if unit.compared:
            found = results.of(unit.name)
            best = results.best_peer(unit.name)
            times = [_time(found.get(peer), bold=best is not None and peer == best.peer) for peer in peers]
            verdict = ratio(results.ratio(unit.name))
            wanted, reached = goal_of(unit), results.ratio(unit.name)
            if wanted is not None and reached is not None and reached < wanted:
                verdict += " ✗"
            rows.append([_label(unit), verdict, ratio(results.ratio(unit.name, DEFAULT_PIPELINE)), *times])
    return table(head, rows)


def under_goal(results: Results) -> list[str]:
    """A list of the units that miss their ratio, worst first."""
    missed = []
    for unit in _units(results):
        wanted, reached = goal_of(unit), results.ratio(unit.name)
        best = results.best_peer(unit.name)
        if unit.compared and wanted is not None and reached is not None and reached < wanted and best is not None:
            missed.append((reached / wanted, f"- {_label(unit)}: {reached:.2f} of {wanted} ({best.peer} is faster)"))
    return [line for _, line in sorted(missed)] + [""] * bool(missed)


def cpu(results: Results) -> list[str]:
    """CPU seconds of all peers."""
    peers = _peers(results)
    rows = [
        [_label(unit), *(milli(_median(results, unit, peer, "cpu")) for peer in peers)]
        for unit in _units(results)
        if unit.compared
    ]
    return table(["CPU ms", *peers], rows)


def memory(results: Results) -> list[str]:
    """Peak memory above the start, each run in a new process."""
    peers = _peers(results)
    rows = [
        [_label(unit), str(unit.mebibytes), *(mebibytes(_median(results, unit, peer, "peak")) for peer in peers)]
        for unit in _units(results)
        if unit.fresh and unit.work in ("read", "stream")
    ]
    return table(["peak MiB", "array", *peers], rows)


def first(results: Results) -> list[str]:
    """Time to the first chunk."""
    rows = []
    for unit in _units(results):
        if unit.work == "first":
            own, bare = (_median(results, unit, OURS, metric) for metric in ("seconds", "bare"))
            rows.append([_label(unit), micro(own), micro(bare), ratio(own / bare if own and bare else None)])
        if unit.work == "first-of":
            rows.append(
                [f"{unit.count} chunks of 1 KiB", micro(_median(results, unit, OURS, "seconds")), NOTHING, NOTHING]
            )
    return table(["µs", "first chunk of a stream", "bare read and decode", "factor"], rows)


def lag(results: Results) -> list[str]:
    """Lag of the event loop."""
    rows = []
    for unit in _units(results):
        for peer, result in results.of(unit.name).items():
            if unit.work == "lag" and result.runs:
                seconds = result.median()
                speed = f"{unit.mebibytes / seconds:.0f}" if seconds else NOTHING
                lags = [milli(result.median(metric)) for metric in ("idle_p99", "p50", "p99")]
                rows.append([f"{_label(unit)}, {peer}", speed, *lags, milli(max(result.runs["max"]))])
    return table(["lag, ms", "MiB/s", "p99 when idle", "p50", "p99", "max"], rows)


def echo(results: Results) -> list[str]:
    """Rate of an echo server beside a stream."""
    rows = []
    for unit in _units(results):
        for peer, result in results.of(unit.name).items():
            idle, busy = result.median("idle_rate"), result.median("busy_rate")
            if unit.work == "echo" and idle is not None and busy is not None:
                slots = "one at a time" if unit.concurrency == 1 else "full speed"
                kept = f"{100 * busy / awake_rate(results, unit):.0f} %"
                rows.append([f"{unit.layout}, {slots}, {peer}", f"{idle:.0f}", f"{busy:.0f}", kept])
    return table(["requests/s", "idle", "beside a stream", "kept"], rows)


def growth(results: Results) -> list[str]:
    """Cost by number of chunks, and memory by size of the array."""
    chunks, sizes = [], []
    for unit in _units(results):
        peak = mebibytes(_median(results, unit, OURS, "peak"))
        if unit.work in ("chunks", "cuts"):
            words = "stream of chunks of 1 KiB" if unit.work == "chunks" else f"read of {unit.mebibytes} MiB"
            chunks.append([words, str(unit.count), micro(_median(results, unit, OURS, "per_chunk")), peak])
        if unit.work == "size":
            seconds = _median(results, unit, OURS, "seconds")
            sizes.append([f"stream of {unit.mebibytes} MiB", milli(seconds), peak])
    return [
        *table(["", "chunks", "µs a chunk", "peak MiB"], chunks),
        *table(["budget 64 MiB", "ms", "peak MiB"], sizes),
    ]


def stages(results: Results) -> list[str]:
    """Where the time of one chunk goes."""
    rows = [
        [_label(unit), *(micro(_median(results, unit, OURS, stage)) for stage in (*STAGES, "seconds"))]
        for unit in _units(results)
        if unit.work == "stages"
    ]
    return table(["µs a chunk", *STAGES, "whole read, one slot"], rows)


def not_measured(results: Results) -> list[str]:
    """What is missing and why."""
    reasons: dict[tuple[str, str], int] = {}
    for each in results.results:
        if each.problem is not None:
            reasons[each.peer, each.problem] = reasons.get((each.peer, each.problem), 0) + 1
    return [f"- {peer}, {count} units: {reason}" for (peer, reason), count in reasons.items()] + [""] * bool(reasons)


def _units(results: Results) -> list[Unit]:
    known = units_by_name()
    return [known[name] for name in results.units() if name in known]


def _peers(results: Results) -> list[str]:
    return list(dict.fromkeys(each.peer for each in results.results))


def _median(results: Results, unit: Unit, peer: str, metric: str) -> float | None:
    result = results.of(unit.name).get(peer)
    return None if result is None else result.median(metric)


def _time(result: Result | None, *, bold: bool) -> str:
    text = milli(result.median()) if result is not None else NOTHING
    return f"**{text}**" if bold else text


def _label(unit: Unit) -> str:
    if unit.work == "tree":
        return f"tree, {unit.layout}"
    words = [unit.work, unit.layout, unit.codec if unit.codec != "none" else "no codec"]
    words += ["in memory"] * (unit.store == "memory") + ["fsync"] * (unit.durability == "full")
    return ", ".join(words)
