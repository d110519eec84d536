"""Reading clock, CPU time and peak memory of this process around one run."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

__all__ = ["Meter"]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_LONG_REST = 0.05
"""Seconds; where nobody else had a turn in between, there is nothing to tell."""


class Meter:
    """Measures what lies between :meth:`start` and :meth:`stop`.

    ``idle_cpu`` is the share of a core that this process used since the last ``stop``, while others had their turn: a
    peer that polls would spoil the runs of all others.
    """

    def __init__(self) -> None:
        self._idle_since: tuple[float, float] | None = None
        self._idle_cpu = 0.0
        self._base: float | None = None
        self._rss = self._cpu = self._clock = 0.0

    def begin(self) -> None:
        """Count memory from here on, and not from the start of each run: what a warm-up leaves behind counts, too."""
        self._base = _memory("VmRSS")

    def rest(self) -> None:
        """From here on, others have their turn."""
        self._idle_since = time.perf_counter(), time.process_time()

    def wake(self) -> None:
        """Their turn is over."""
        if self._idle_since is not None:
            clock, cpu = self._idle_since
            passed = time.perf_counter() - clock
            self._idle_cpu = (time.process_time() - cpu) / passed if passed > _LONG_REST else 0.0

    def start(self) -> None:
        """Begin, with no garbage about and the peak of memory forgotten."""
        gc.collect()
        if sys.platform == "linux":
            _CLEAR.write_text(_RESET_PEAK)
        self._rss = _memory("VmRSS") if self._base is None else self._base
        self._cpu = time.process_time()
        self._clock = time.perf_counter()

    def stop(self) -> dict[str, float]:
        """End: seconds, CPU seconds, bytes of memory at the peak above those at the start, and idle CPU before it."""
        seconds = time.perf_counter() - self._clock
        cpu = time.process_time() - self._cpu
        return {"seconds": seconds, "cpu": cpu, "peak": _memory("VmHWM") - self._rss, "idle_cpu": self._idle_cpu}


def _memory(field: str) -> float:
    """A field of the process's status in bytes; 0 where there is no such file."""
    if sys.platform != "linux":
        return 0.0
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return float(line.split()[1]) * 1024
    return 0.0
