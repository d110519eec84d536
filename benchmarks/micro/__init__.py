"""Micro-benchmarks of single layers, by pytest-benchmark: ``python -m benchmarks micro``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from ..machine import machine, versions

__all__ = ["run_micro"]


def run_micro(file: Path, *, quick: bool) -> int:
    """Run them all and keep the medians, ``layer: what`` to seconds; pytest's exit status."""
    import pytest

    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.json"
        options = ["-q", "-p", "no:cacheprovider", f"--benchmark-json={raw}"]
        options += ["--benchmark-max-time=0.02", "--benchmark-min-rounds=3"] if quick else ["--benchmark-max-time=0.5"]
        status = int(pytest.main([str(Path(__file__).parent), *options]))
        if status == 0:
            found = json.loads(raw.read_text())["benchmarks"]
            seconds = {_title(each): float(f"{_seconds(each):.4g}") for each in found}
            file.parent.mkdir(parents=True, exist_ok=True)
            document = {"about": {"machine": machine(), "versions": versions()}, "seconds": seconds}
            file.write_text(json.dumps(document, indent=1) + "\n")
    return status


def _title(benchmark: dict[str, str]) -> str:
    layer = Path(benchmark["fullname"].partition("::")[0]).stem.removeprefix("test_")
    return f"{layer}: {benchmark['name'].removeprefix('test_').replace('_', ' ')}"


def _seconds(benchmark: dict[str, dict[str, float]]) -> float:
    return benchmark["stats"]["median"] / benchmark["extra_info"].get("per", 1)
