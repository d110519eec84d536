"""The one record of a result, and the file that keeps results with the machine and the versions they belong to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

__all__ = ["OURS", "Result", "Results"]

OURS = "asynczarr"
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Result:
    """What one peer needed for one unit.

    Attributes:
        unit: name of the unit.
        peer: name of the peer.
        runs: for each metric its value in each run that counts, in order.
        problem: why there are no runs; a result that was wrong does not count.
    """

    unit: str
    peer: str
    runs: dict[str, list[float]] = field(default_factory=dict)
    problem: str | None = None

    def median(self, metric: str = "seconds") -> float | None:
        """Median of a metric over the runs, ``None`` without any."""
        return median(self.runs[metric]) if self.runs.get(metric) else None


@dataclass(slots=True)
class Results:
    """All results of one interpreter.

    Attributes:
        about: plan, machine, versions, settings of the peers.
        results: in the order of the plan, asynczarr first.
    """

    about: dict[str, Any]
    results: list[Result] = field(default_factory=list)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a file that :meth:`save` wrote."""
        document = json.loads(file.read_text())
        return cls(document["about"], [Result(**each) for each in document["results"]])

    def save(self, file: Path) -> None:
        """Write everything, numbers with four digits, one result a line."""
        lines = ",\n".join(json.dumps(_short(asdict(each))) for each in self.results)
        about = json.dumps(self.about, indent=1)
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".part")
        unfinished.write_text(f'{{"about": {about},\n"results": [\n{lines}\n]}}\n')
        unfinished.replace(file)

    def units(self) -> list[str]:
        """Names of the units that were measured, in order."""
        return list(dict.fromkeys(each.unit for each in self.results))

    def of(self, unit: str) -> dict[str, Result]:
        """The results of a unit by peer."""
        return {each.peer: each for each in self.results if each.unit == unit}

    def idle_cpu(self) -> float:
        """Share of a core that the process of a peer uses while others have their turn: the worst peer's median."""
        shares: dict[str, list[float]] = {}
        for each in self.results:
            shares.setdefault(each.peer, []).extend(each.runs.get("idle_cpu", []))
        return max((median(values) for values in shares.values() if values), default=0.0)

    def best_peer(self, unit: str, metric: str = "seconds") -> Result | None:
        """The peer with the smallest median, asynczarr left out."""
        others = [each for each in self.of(unit).values() if each.peer != OURS and each.median(metric) is not None]
        return min(others, key=lambda each: each.median(metric) or 0.0, default=None)

    def ratio(self, unit: str, peer: str | None = None) -> float | None:
        """How many times as long a peer takes as asynczarr; without `peer` the fastest one."""
        other = self.of(unit).get(peer) if peer else self.best_peer(unit)
        ours = self.of(unit).get(OURS)
        theirs, own = other and other.median(), ours and ours.median()
        return theirs / own if theirs and own else None


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
