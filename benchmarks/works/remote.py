"""Works on an array in a bucket far away, with what went over the line and how late the event loop was."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..remote.far import BANDWIDTH, IN_FLIGHT, LATENCY, Far
from ..remote.least import for_all, for_boxes
from .base import Work
from .chunks import Random, Stream
from .loop import ticking
from .read import Read

__all__ = ["RemoteRandom", "RemoteRead", "RemoteStream", "bound"]


def bound(requests: float, nbytes: float, cpu: float) -> float:
    """Seconds below which nobody can be who makes so many requests and uses so much CPU time, on all cores here."""
    return max(requests * LATENCY / IN_FLIGHT, nbytes / BANDWIDTH, cpu / (os.cpu_count() or 1))


class _Remote(Work):
    far: Far
    lags: list[float]
    least: int

    async def prepare(self) -> None:
        """The fewest requests."""
        await super().prepare()
        self.least = for_all(self.unit.grid)

    async def before(self) -> None:
        """Begin to count when the array is open."""
        await super().before()
        self.far = Far()
        self.far.reset()

    async def run(self) -> Any:
        """The work, beside a timer of 1 ms."""
        async with ticking() as self.lags:
            return await super().run()

    async def check(self, result: Any) -> None:
        """The result, and then the figures."""
        found = self.far.statistics()
        await super().check(result)
        self.metrics |= {"requests": found["requests"], "bytes": found["bytes"], "most": found["most"]}
        self.metrics |= {"delay": found["waited"] / max(1.0, found["requests"]), "server_cpu": found["cpu"]}
        self.metrics |= {f"p{share}": float(np.percentile(self.lags, share)) for share in (50, 99)}
        self.metrics |= {"max": max(self.lags), "least": self.least}


class RemoteRead(_Remote, Read):
    """Read the whole array by one call."""


class RemoteStream(_Remote, Stream):
    """Stream all chunks."""


class RemoteRandom(_Remote, Random):
    """Read boxes at random places."""

    async def prepare(self) -> None:
        """The fewest requests: indexes, and runs of chunks."""
        await super().prepare()
        self.least = for_boxes(self.source, self.unit.grid, self.regions)
