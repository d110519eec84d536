"""``python -m benchmarks remote``: arrays in a bucket far away, all libraries in one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..result import Results
from ..runner import Runner
from ..units import Plan, Unit
from .far import IN_FLIGHT, far_bucket

__all__ = ["PEERS", "plan", "run_remote"]

PEERS = ("s3 asynczarr", "s3 asynczarr obstore", "s3 zarr", "s3 zarrista", "s3 tensorstore")

_MEBIBYTES, _QUICK_MEBIBYTES = 256, 32
_BOXES, _QUICK_BOXES = 200, 20


def plan(*, quick: bool = False) -> Plan:
    """2048 chunks of 128 KiB, alone and in shards of 8 MiB; with `quick` an eighth of that."""
    size, boxes = (_QUICK_MEBIBYTES, _QUICK_BOXES) if quick else (_MEBIBYTES, _BOXES)
    units = [Unit(f"remote {work}", layout) for work in ("read", "stream") for layout in ("128K", "128K/8M")]
    units += [Unit("remote random", "128K/8M", count=boxes)]
    units = [replace(unit, mebibytes=size, concurrency=IN_FLIGHT, store="s3") for unit in units]
    return Plan(units, 2 if quick else 5, 60.0, PEERS)


def run_remote(todo: Plan, folder: Path, file: Path, say: Callable[[str], None]) -> Results:
    """Measure a plan with the files of a folder, and save the results."""
    folder.mkdir(parents=True, exist_ok=True)
    with far_bucket(folder):
        return Runner(todo, folder, file, resume=False, say=say).run()
