"""The bucket of :mod:`benchmarks.remote.bucket`, and what the processes of the peers know of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .bucket import BUCKET, RESET, STATISTICS

__all__ = [
    "BANDWIDTH",
    "BUCKET",
    "CREDENTIALS",
    "IN_FLIGHT",
    "LATENCY",
    "REGION",
    "SLABS",
    "Far",
    "endpoint",
    "far_bucket",
]

LATENCY = 0.020
"""Seconds between a request and its answer."""

BANDWIDTH = 312.5e6
"""Bytes a second of all answers together: 2.5 Gbit/s."""

IN_FLIGHT = 64
"""Requests that every peer may have in flight."""

SLABS = 4
"""Slabs in flight in streams of peers without a stream of chunks: with two the line is idle at the end of each."""

REGION = "us-east-1"
CREDENTIALS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"}

_VARIABLE = "ASYNCZARR_BENCHMARKS_BUCKET"
_ROOT = Path(__file__).parent.parent.parent


def endpoint() -> str:
    """Address of the server, in the process of a peer."""
    return os.environ[_VARIABLE]


class Far:
    """Counts what goes over the line, seen from the process of a peer. Blocking, and not while anything is measured."""

    def __init__(self) -> None:
        self._address = urlsplit(endpoint()).netloc

    def reset(self) -> None:
        """Begin to count."""
        self._ask(RESET)

    def statistics(self) -> dict[str, float]:
        """What was counted."""
        found: dict[str, float] = self._ask(STATISTICS)
        return found

    def _ask(self, path: str) -> Any:
        connection = HTTPConnection(self._address, timeout=60)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def far_bucket(folder: Path, latency: float = LATENCY, bandwidth: float = BANDWIDTH) -> Iterator[str]:
    """Serve a folder, and tell processes that start meanwhile where; its address."""
    command = [sys.executable, "-m", "benchmarks.remote.bucket", str(folder.resolve()), str(latency), str(bandwidth)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=_ROOT) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            os.environ[_VARIABLE] = address = f"http://127.0.0.1:{int(server.stdout.readline())}"
            yield address
        finally:
            os.environ.pop(_VARIABLE, None)
            server.stdin.close()
