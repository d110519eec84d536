"""The workloads, by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ..peers.base import Peer
from ..units import Unit
from .base import Work, Wrong

__all__ = ["WORKS", "Work", "Wrong", "make"]

WORKS = {
    "read": ("read", "Read"),
    "slab": ("read", "Slab"),
    "stream": ("chunks", "Stream"),
    "tenth": ("chunks", "Tenth"),
    "random": ("chunks", "Random"),
    "burst": ("chunks", "Burst"),
    "write": ("write", "Write"),
    "partial": ("write", "Partial"),
    "open": ("nodes", "Open"),
    "tree": ("nodes", "Tree"),
    "lag": ("loop", "Lag"),
    "echo": ("loop", "Echo"),
    "first": ("own", "First"),
    "first-of": ("own", "FirstOf"),
    "chunks": ("own", "Chunks"),
    "cuts": ("own", "Cuts"),
    "size": ("own", "Size"),
    "stages": ("stages", "Stages"),
    "remote read": ("remote", "RemoteRead"),
    "remote stream": ("remote", "RemoteStream"),
    "remote random": ("remote", "RemoteRandom"),
}
"""Module and class. Those of asynczarr alone are imported only in its own process."""


def make(unit: Unit, peer: Peer, source: Path, folder: Path) -> Work:
    """The workload of a unit."""
    module, kind = WORKS[unit.work]
    work: Work = getattr(import_module(f".{module}", __name__), kind)(unit, peer, source, folder)
    return work
