"""The page ``docs/performance.md``."""

from __future__ import annotations

from pathlib import Path

from ..result import Results
from . import tables
from .goals import verdicts
from .markdown import table
from .micro import micro_table
from .plots import write_plots

__all__ = ["write_page"]

_OPENING = """\
% Made by `nox -s bench`. Do not edit: change benchmarks/report/ and run `python -m benchmarks report`.

# Performance

Every number on this page was measured by the suite in `benchmarks/`, all libraries in one run on one machine, and every
result was compared with what the array holds before its time counted. The **ratio** is the median time of the fastest
peer divided by that of asynczarr: above 1 asynczarr is faster, ✗ marks what misses its goal. Times are medians.

To repeat it: `nox -s bench`, or `nox -s bench -- --quick` for a look in two minutes.
"""

_METHOD = """\
- Arrays are float32, about a third of their size when compressed by zstd, on the local file system with a warm page
  cache, or in a store in memory. Writes need no fsync, except where the unit says so.
- Each library has a process of its own, and they take turns: one run each, in an order that shifts, then the next run.
  The first run of each warms up and does not count. An array is opened anew, outside of the clock, before each run.
- `read`: the whole array by one call. `slab`: eight slabs along the slow axis, 4 x 4 elements wide. `write`: the whole
  array into an empty one. `partial`: boxes of 32^3 elements, off the grid, one into each of several shards. `open`: one
  of many in a row. `tree`: 1000 arrays with their shapes.
- Given to a consumer that sums: `stream`, every chunk (libraries without such a stream read slabs of whole rows of
  chunks, at least 8 MiB, the next while the last is summed); `tenth`, every tenth chunk; `random`, boxes of 32^3
  elements at random places, eight at a time; `burst`, the same all at once.
- A peer that is more than 3 times slower than the fastest one and has used up its time in a unit gets fewer runs.
- `echo`: a client that asks again when it is answered. An idle CPU falls asleep in between, so that the rate that is
  kept is counted from the highest of the unit, whoever reached it.
- 256 MiB: reads, streams and random boxes with zstd. 64 MiB: other codecs, writes, slabs, memory, chunks of 4 KiB. 4 or
  16 MiB: writes of small chunks, a thousand files each. The whole matrix of codecs and chunks is measured for `read`
  only, to keep a full run within half an hour.
"""


def write_page(results: Path, page: Path) -> None:
    """Write the page, and its plots into a folder of the same name, from the results in a folder."""
    files = {file.stem: Results.load(file) for file in sorted(results.glob("*.json")) if file.stem != "micro"}
    main = files.get("full") or files.get("quick") or next(iter(files.values()), None)
    if main is None:
        raise SystemExit(f"no results in {results}")
    lines = [_OPENING, *_about(main), "## How", "", _METHOD, *_settings(main), *_goals(main)]
    plots = {
        name: f"![{name}](performance/{file.name})\n"
        for name, file in write_plots(main, page.parent / "performance").items()
    }
    lines += ["## Times", "", plots.get("ratios", ""), *tables.compared(main)]
    lines += _section("Under the goal", tables.under_goal(main))
    lines += _section("Whole reads by size of the chunks", [plots.get("chunk-size", "")])
    lines += _section("CPU time", tables.cpu(main))
    lines += _section("Memory above the start, in a new process", tables.memory(main))
    lines += _section("First chunk", tables.first(main))
    lines += _section("Event loop, streaming at full speed", tables.lag(main))
    lines += _section("Echo server in the same loop", tables.echo(main))
    lines += _section("Growth", [plots.get("chunks", ""), plots.get("size", ""), *tables.growth(main)])
    lines += _section("Concurrency", [plots.get("concurrency", "")])
    lines += _section("Where the time of one chunk goes", [plots.get("stages", ""), *tables.stages(main)])
    lines += _section("Layers by themselves", micro_table(results / "micro.json"))
    for name, other in files.items():
        if other is not main:
            lines += [
                f"## Python {other.about['machine']['python']} ({name})",
                "",
                *_about(other),
                *tables.compared(other),
            ]
            lines += [*_goals(other)[2:], *tables.lag(other), *_problems(other)]
    lines += _problems(main)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(lines).rstrip() + "\n")


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "", *lines] if any(lines) else []


def _about(results: Results) -> list[str]:
    machine, versions = results.about["machine"], results.about["versions"]
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}"
    what = ", ".join(f"{name} {version}" for name, version in versions.items())
    took = f"{results.about['runs']} runs of each unit; {results.about['seconds'] / 60:.0f} minutes in all."
    idle = f"While others had their turn, no library used more than {100 * results.idle_cpu():.1f} % of a core."
    return [f"{where}. Python {machine['python']}; {what}. {took} {idle}", ""]


def _settings(results: Results) -> list[str]:
    settings = [[peer, text] for peer, text in results.about["settings"].items()]
    return [line.replace("---:", "---") for line in table(["peer", "settings"], settings)]


def _goals(results: Results) -> list[str]:
    rows = [[each.goal, each.measured, "yes" if each.met else "**no**"] for each in verdicts(results)]
    return ["## Goals", "", *table(["goal", "measured", "met"], rows)]


def _problems(results: Results) -> list[str]:
    return _section(f"Not measured on Python {results.about['machine']['python']}", tables.not_measured(results))
