"""The other end of the pipe to a worker."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Timer
from typing import Any

from .units import Unit

__all__ = ["WorkerProcess"]

_ROOT = Path(__file__).parent.parent
_PATIENCE = 300.0
"""Seconds after which a command is given up, and its process ended."""


class WorkerProcess:
    """The process of one peer, started at once.

    Attributes:
        peer: name of the peer.
        settings: what the peer set up.
        absent: why the peer cannot take part; ``None`` if it can.
    """

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", peer],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        hello = self._read()
        self.settings: str = hello.get("settings", "")
        self.absent: str | None = hello.get("problem")

    def prepare(self, unit: Unit, source: Path, folder: Path) -> str | None:
        """Get ready for a unit; the problem, if there is one."""
        answer = self._ask(do="prepare", unit=asdict(unit), source=str(source), folder=str(folder))
        return answer.get("problem")

    def run(self) -> dict[str, Any]:
        """One run: ``measured`` or ``problem``."""
        return self._ask(do="run")

    def finish(self) -> None:
        """Forget the unit."""
        self._ask(do="finish")

    def close(self) -> None:
        """End the process and wait for it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return {"problem": "failed: its process is gone"}
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        alarm = Timer(_PATIENCE, self._process.kill)
        alarm.start()
        try:
            line = self._process.stdout.readline()
        finally:
            alarm.cancel()
        if not line:
            self._process.wait()
            return {"problem": f"failed: its process ended with {self._process.returncode}"}
        answer: dict[str, Any] = json.loads(line)
        return answer
