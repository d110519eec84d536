"""Runs a plan: unit by unit, and within a unit run by run, every peer in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from . import fixture
from .machine import machine, versions
from .process import WorkerProcess
from .result import Result, Results
from .units import Plan, Unit

__all__ = ["Runner"]

_WITHIN = 3.0
"""Times the fastest run within which a peer is a contender, who gets all runs however long they take: a neighbour on
the machine can double the time of a run or two."""

_OURS = "asynczarr"

_WARMED = {"lag", "echo"}
"""Works that warm up by themselves, because a run of them takes seconds."""


class Runner:
    """Measures the units of a plan and saves what there is after each.

    Args:
        plan: what to measure.
        folder: for arrays on disk; reused by later runs.
        file: where results go; units that are in it already are not measured again.
        say: told about progress, line by line.
    """

    def __init__(self, plan: Plan, folder: Path, file: Path, *, resume: bool, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._folder = folder.resolve()
        self._file = file
        self._say = say
        about = {"machine": machine(), "versions": versions(), "runs": plan.runs, "settings": {}, "seconds": 0.0}
        self.results = Results(about)
        if resume and file.exists():
            self.results = Results.load(file)
            if {**self.results.about, "settings": {}, "seconds": 0.0} != about:
                raise SystemExit(
                    f"{file} was measured with another machine, versions or plan: start over without --resume"
                )
        self._workers: dict[str, WorkerProcess] = {}

    def run(self) -> Results:
        """Measure what is not measured yet."""
        done = set(self.results.units())
        units = [unit for unit in self._plan.units if unit.name not in done]
        begun = time.perf_counter()
        before = self.results.about["seconds"]
        try:
            for number, unit in enumerate(units, 1):
                start = time.perf_counter()
                self.results.results += self._unit(unit)
                self.results.about["seconds"] = round(before + time.perf_counter() - begun, 1)
                self.results.save(self._file)
                self._report(unit, f"{number}/{len(units)}", time.perf_counter() - start)
        finally:
            for worker in self._workers.values():
                worker.close()
        return self.results

    def _unit(self, unit: Unit) -> list[Result]:
        source = self._folder if unit.store == "synthetic" else fixture.ensure(self._folder, unit)
        if unit.work == "stream":
            fixture.sums(self._folder, unit)
        peers = [peer for peer in self._plan.peers if not unit.only or peer in unit.only]
        measure = self._fresh if unit.fresh else self._in_turn
        return measure(unit, peers, source)

    def _in_turn(self, unit: Unit, peers: list[str], source: Path) -> list[Result]:
        turns = [_Turn(self._worker(peer), unit) for peer in peers]
        for turn in turns:
            turn.prepare(source, self._folder)
        warm = unit.work not in _WARMED
        for number in range((unit.runs or self._plan.runs) + warm):
            shift = number % len(turns)
            for turn in turns[shift:] + turns[:shift]:
                best = min((each.fastest for each in turns), default=0.0)
                if turn.goes_on(self._plan.patience, best):
                    turn.run()
        return [turn.result(warm=warm) for turn in turns]

    def _fresh(self, unit: Unit, peers: list[str], source: Path) -> list[Result]:
        turns = {peer: _Turn(None, unit) for peer in peers}
        for _ in range(unit.runs or self._plan.runs):
            for peer, turn in turns.items():
                if turn.problem is not None:
                    continue
                turn.worker = WorkerProcess(peer)
                try:
                    turn.prepare(source, self._folder)
                    if turn.problem is None:
                        turn.run()
                finally:
                    turn.worker.close()
        return [turn.result(peer, warm=False) for peer, turn in turns.items()]

    def _worker(self, peer: str) -> WorkerProcess:
        worker = self._workers.get(peer)
        if worker is not None and worker.absent is None and not worker.alive:
            worker.close()
            worker = None
        if worker is None:
            worker = self._workers[peer] = WorkerProcess(peer)
            self.results.about["settings"][peer] = worker.settings or worker.absent
        return worker

    def _report(self, unit: Unit, progress: str, seconds: float) -> None:
        medians = {name: result.median() for name, result in self.results.of(unit.name).items()}
        times = "  ".join(f"{name} {1000 * value:.4g}" for name, value in medians.items() if value is not None)
        ratio = self.results.ratio(unit.name) if unit.compared else None
        self._say(
            f"[{progress} {seconds:5.1f} s] {unit.name:42} {f'ratio {ratio:4.2f}' if ratio else '':10}  ms: {times}"
        )
        for name, result in self.results.of(unit.name).items():
            if result.problem is not None and not result.problem.startswith("not "):
                self._say(f"    {name}: {result.problem}")


class _Turn:
    """One peer doing one unit."""

    def __init__(self, worker: WorkerProcess | None, unit: Unit) -> None:
        self.worker = worker
        self.problem = worker.absent if worker else None
        self._unit = unit
        self._measured: list[dict[str, float]] = []
        self._spent = 0.0

    @property
    def fastest(self) -> float:
        """Seconds of the fastest run."""
        return min((each["seconds"] for each in self._measured), default=float("inf"))

    def prepare(self, source: Path, folder: Path) -> None:
        """Let the worker get ready."""
        assert self.worker is not None
        self.problem = self.problem or self.worker.absent
        if self.problem is None:
            self.problem = self.worker.prepare(self._unit, source, folder)

    def goes_on(self, patience: float, best: float) -> bool:
        """Whether another run is worth its time: a peer far behind the fastest one gets fewer."""
        if self.problem is not None:
            return False
        contends = self.fastest < _WITHIN * best or (self.worker is not None and self.worker.peer == _OURS)
        return self._spent < patience or contends

    def run(self) -> None:
        """One run."""
        assert self.worker is not None
        start = time.perf_counter()
        answer = self.worker.run()
        self._spent += time.perf_counter() - start
        self.problem = answer.get("problem")
        if self.problem is None:
            self._measured.append(answer["measured"])

    def result(self, peer: str | None = None, *, warm: bool) -> Result:
        """All runs; with `warm` all but the first, which counts only if it stayed the only one."""
        name = peer or (self.worker.peer if self.worker else "")
        if peer is None and self.worker is not None and self.worker.absent is None and self.worker.alive:
            self.worker.finish()
        if self.problem is not None:
            return Result(self._unit.name, name, problem=self.problem)
        counted = self._measured[1:] if warm and len(self._measured) > 1 else self._measured
        runs = {metric: [each[metric] for each in counted] for metric in counted[0]} if counted else {}
        return Result(self._unit.name, name, runs, None if counted else "failed: no run")
