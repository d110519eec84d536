"""The page ``docs/performance-remote.md``."""

from __future__ import annotations

from pathlib import Path

from ..remote.far import BANDWIDTH, IN_FLIGHT, LATENCY
from ..result import Result, Results
from ..works.budget import DEFAULT_BUDGET
from ..works.remote import bound
from .markdown import NOTHING, mebibytes, milli, table

__all__ = ["write_remote_page"]

_OURS = ("s3 asynczarr", "s3 asynczarr obstore")
_SHARE, _REQUESTS, _P99 = 0.9, 1.05, 0.005
_SLACK = 64 * 2**20

_OPENING = """\
% Made by `python -m benchmarks remote`. Do not edit: change benchmarks/report/remote.py.

# Performance far away

Arrays in a bucket {latency:.0f} ms away, behind a line of {gigabits:.1f} Gbit/s, for {in_flight} requests in flight:
a server of the suite speaks S3's protocol, holds every answer back for that long, and counts. It runs on the same
machine. All libraries were measured in one run, in turns and each in a process of its own, and every result was
compared with what the array holds.

The **bound** is what nobody can be faster than who makes so many requests and uses so much CPU time: the largest of
requests times latency by requests in flight, bytes by bandwidth, and CPU time of the client by cores. The **share**
is bound by seconds: 1 is as fast as can be. **Needed** are one request for each stored object that is read whole, and
of a shard that is read in part one for its index and one for each run of chunks between which at most 64 KiB lie; who
reads more along makes fewer requests and moves more bytes. Times are medians. **Lag** is by how much a timer of 1 ms
on the same event loop came late, **peak** the memory above that at the start of the run, the result included.

To repeat it: `python -m benchmarks remote`, or with `--quick` an eighth of it.
"""

_TITLES = {
    "remote read 128K": "Read of 2048 chunks of 128 KiB",
    "remote read 128K/8M": "Read of the same in shards of 8 MiB",
    "remote stream 128K": "Stream of 2048 chunks of 128 KiB",
    "remote stream 128K/8M": "Stream of the same in shards of 8 MiB",
    "remote random 128K/8M": "Boxes of 32^3 elements at random places in shards, eight at a time",
}
_HEAD = ("", "ms", "bound, ms", "share", "CPU, ms", "requests", "needed", "lag p50, ms", "p99", "max", "peak, MiB")


def write_remote_page(file: Path, page: Path) -> None:
    """Write the page of a results file."""
    results = Results.load(file)
    opening = _OPENING.format(latency=1e3 * LATENCY, gigabits=8e-9 * BANDWIDTH, in_flight=IN_FLIGHT)
    lines = [opening, *_goals(results)]
    for unit in results.units():
        lines += [f"## {_title(unit)}", "", *table(_HEAD, [_row(each) for each in results.of(unit).values()])]
    about = results.about
    lines += ["## Machine and settings", ""]
    for part in ("machine", "versions"):
        lines.append("- " + ", ".join(f"{name} {value}" for name, value in about[part].items()))
    lines += [f"- {peer.removeprefix('s3 ')}: {how}" for peer, how in about["settings"].items()]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(lines).rstrip() + "\n")


def _title(unit: str) -> str:
    work, layout = unit.split(" s3 ")
    return _TITLES[f"{work} {layout.split()[0]}"]


def _row(result: Result) -> list[str]:
    name = result.peer.removeprefix("s3 ")
    if not result.runs:
        return [f"{name}: {result.problem}", *[NOTHING] * (len(_HEAD) - 1)]
    figures = [f"{_value(result, metric):.0f}" for metric in ("requests", "least")]
    times = [milli(_value(result, metric)) for metric in ("p50", "p99", "max")]
    return [
        name,
        milli(_value(result, "seconds")),
        milli(_bound(result)),
        f"{_bound(result) / _value(result, 'seconds'):.2f}",
        milli(_value(result, "cpu")),
        *figures,
        *times,
        mebibytes(_value(result, "peak")),
    ]


def _goals(results: Results) -> list[str]:
    rows = []
    for unit in results.units():
        found = results.of(unit)
        ours = found.get(_OURS[0])
        others = [each for peer, each in found.items() if peer not in _OURS and each.runs]
        if ours is None or not ours.runs:
            continue
        seconds, title = _value(ours, "seconds"), _title(unit)
        share, lag = _bound(ours) / seconds, _value(ours, "p99")
        extra = _value(ours, "requests") / _value(ours, "least")
        if "random" not in unit:
            rows.append(_goal(title, f"{_SHARE} of the bound", f"{share:.2f}", share >= _SHARE))
        if others:
            best = min(others, key=lambda each: _value(each, "seconds"))
            name, ratio = best.peer.removeprefix("s3 "), _value(best, "seconds") / seconds
            rows.append(_goal(title, f"as fast as {name}", f"{ratio:.2f} times", ratio >= 1))
        rows.append(_goal(title, f"{_REQUESTS} x the requests needed", f"{extra:.2f}", extra <= _REQUESTS))
        rows.append(_goal(title, f"lag p99 of {1e3 * _P99:.0f} ms", f"{milli(lag)} ms", lag <= _P99))
        peak = _value(ours, "peak") - (_array_bytes(unit) if "read" in unit else 0)
        limit = DEFAULT_BUDGET + _SLACK
        rows.append(_goal(title, f"{mebibytes(limit)} MiB at the peak", f"{mebibytes(peak)} MiB", peak <= limit))
    return ["## Goals", "", *table(("", "goal", "measured", ""), rows)] if rows else []


def _goal(title: str, goal: str, measured: str, met: bool) -> list[str]:
    return [title, goal, measured, "✓" if met else "✗"]


def _array_bytes(unit: str) -> int:
    size = next(word for word in unit.split() if word.endswith("MiB"))
    return int(size.removesuffix("MiB")) * 2**20


def _value(result: Result, metric: str) -> float:
    value = result.median(metric)
    assert value is not None
    return value


def _bound(result: Result) -> float:
    return bound(_value(result, "requests"), _value(result, "bytes"), _value(result, "cpu"))
