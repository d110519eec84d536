"""How much the memory of this process grows while something runs, as the operating system counts it."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["PeakMemory"]

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


class PeakMemory:
    """The highest resident memory from now on, over what is resident now.

    On Linux it is counted from the moment when this is made; elsewhere from the start of the process, so what stays
    below an earlier peak counts as 0. Two of them at the same time disturb each other.
    """

    def __init__(self) -> None:
        try:
            _RESET.write_text("5")  # the peak starts again from what is resident now
            self._start: int | None = _from_status("VmRSS")
        except OSError:
            self._start = _peak()

    def growth(self) -> int | None:
        """Bytes so far; ``None`` where nobody counts (Windows)."""
        peak = _peak()
        return None if peak is None or self._start is None else max(0, peak - self._start)


def _peak() -> int | None:
    try:
        return _from_status("VmHWM")
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _from_status(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in {_STATUS}")
