"""``run`` measures and writes the report, ``report`` only writes it, ``micro`` measures single layers.

``remote`` measures arrays in a bucket far away and writes a report of its own.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path

from .remote.run import plan as remote_plan
from .remote.run import run_remote
from .report import write_page, write_remote_page
from .runner import Runner
from .units import PLANS, Plan

__all__ = ["main"]

_ROOT = Path(__file__).parent.parent
_RESULTS = _ROOT / "benchmarks" / "results"
_WORK = _ROOT / "build" / "benchmarks"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    plan_name = "quick" if options.quick else options.plan
    part = options.quick or ((options.only or options.peers or options.runs) and not options.resume)
    results = options.results or (_WORK / ("quick" if options.quick else "part") if part else _RESULTS)
    page = options.page or (_ROOT / "docs" / "performance.md" if results == _RESULTS else results / "performance.md")
    if options.command == "micro":
        from .micro import run_micro

        sys.exit(run_micro(results / "micro.json", quick=options.quick))
    if options.command == "remote":
        run_remote(_chosen(remote_plan(quick=options.quick), options), options.folder, results / "remote.json", _say)
        write_remote_page(results / "remote.json", page.with_stem("performance-remote"))
        return
    if options.command == "run":
        plan = _chosen(PLANS[plan_name](), options)
        if options.list:
            _say("\n".join(unit.name for unit in plan.units))
            return
        Runner(plan, options.folder, results / f"{plan_name}.json", resume=options.resume, say=_say).run()
    write_page(results, page)
    _say(f"wrote {page}")


def _chosen(plan: Plan, options: argparse.Namespace) -> Plan:
    units = [unit for unit in plan.units if not options.only or re.search(options.only, unit.name)]
    peers = tuple(peer for peer in plan.peers if not options.peers or peer in options.peers.split(","))
    return replace(plan, units=units, peers=peers, runs=options.runs or plan.runs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("command", nargs="?", choices=("run", "report", "micro", "remote"), default="run")
    parser.add_argument("--plan", choices=sorted(PLANS), default="full", help="what to measure (default: full)")
    parser.add_argument("--quick", action="store_true", help="small arrays, few runs, under two minutes; not published")
    parser.add_argument("--only", metavar="PATTERN", help="units whose name matches; not published")
    parser.add_argument("--peers", metavar="A,B", help="only these; not published")
    parser.add_argument("--runs", type=int, help="how often each peer does each unit; not published")
    parser.add_argument("--resume", action="store_true", help="keep what the results file has, measure the rest")
    parser.add_argument("--list", action="store_true", help="print the names of the units and stop")
    parser.add_argument("--folder", type=Path, default=_WORK / "data", help="for arrays; on the file system to measure")
    parser.add_argument("--results", type=Path, help="folder for results; published are those in benchmarks/results")
    parser.add_argument("--page", type=Path, help="the report")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
