"""The table of the micro-benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

from .markdown import micro, table

__all__ = ["micro_table"]


def micro_table(file: Path) -> list[str]:
    """Medians by layer; nothing if they were not run."""
    if not file.exists():
        return []
    medians: dict[str, float] = json.loads(file.read_text())["seconds"]
    rows = [[*name.split(": ", 1)[::-1], micro(seconds)] for name, seconds in medians.items()]
    return table(["what", "layer", "µs"], rows)
