"""The figures of a chaos run: written by its tests into one file, from which the docs' page makes its tables."""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

__all__ = ["LEVEL", "PAGE", "RESULTS", "note", "render", "update_page"]

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = DOCS / "promises.json"
PAGE = DOCS / "promises.md"
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"

COLUMNS = (
    *(
        "histories",
        "streams left",
        "arrays",
        "rounds",
        "kills",
        "flips",
        "storm, s",
        "calls",
        "keys",
        "writes",
        "acknowledged",
    ),
    *("requests", "requests a call", "most requests a call", "answers lost", "faults"),
    *("caught", "without effect", "read as wrong values", "landed without acknowledgement", "writes without an answer"),
    *("outcome unknown", "other errors", "false conflicts", "not linearizable"),
    *("acknowledged writes lost", "lost updates", "lost", "torn", "tasks left", "chunks lost", "wrong values"),
    *("recovered after, s", "twice the cap, s", "most arrivals in 0.5 s", "slowest stream, s", "CPU ms", "seconds"),
)
"""The columns of all tables, in the order in which they are shown: how much was done, what it met, what came of it."""

LEVEL: Literal["quick", "chaos", "long"]
LEVEL = {"": "quick", "quick": "quick", "long": "long"}.get(os.environ.get("ASYNCZARR_CHAOS", ""), "chaos")  # type: ignore[assignment]


def note(title: str, backend: str, **measured: Any) -> None:
    """Add one row to a table of the results; a later run of the same test and backend replaces it.

    Several processes may do so at once.

    Raises:
        ValueError: a column that has no place in `COLUMNS`.
    """
    if unknown := set(measured) - set(COLUMNS):
        raise ValueError(f"no place for {sorted(unknown)}")
    if LEVEL == "quick":
        return
    with FileLock(Path(tempfile.gettempdir()) / "asynczarr-promises.lock"):
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        row = {"level": LEVEL, "date": time.strftime("%Y-%m-%d", time.gmtime()), **measured}
        results.setdefault("machine", {}).update(_machine())
        results.setdefault("tables", {}).setdefault(title, {})[backend] = row
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "system": platform.platform(terse=True), "python": platform.python_version()}


def render(results: dict[str, Any]) -> str:
    """The tables of the results, in Markdown."""
    machine = results["machine"]
    lines = [f"Measured on {machine['cores']} cores, {machine['system']}, Python {machine['python']}.", ""]
    for title, rows in sorted(results["tables"].items()):
        columns = [name for name in COLUMNS if any(name in row for row in rows.values())]
        heads = ["where", *columns, "run", "date"]
        lines += [f"### {title}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for where, row in sorted(rows.items()):
            cells = [where, *(_shown(row.get(name, "")) for name in columns), row["level"], row["date"]]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:.3g}"


def update_page() -> None:
    """Put the tables into the docs' page, between the two marks."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + "\n" + render(json.loads(RESULTS.read_text())) + "\n" + END + after)


if __name__ == "__main__":
    update_page()
