"""The process of one peer: takes commands as lines of JSON and answers with measurements.

One process a peer, because settings such as zarr-python's codec pipeline belong to a process, and because CPU time and
memory do as well. All of them live at the same time, so that peers can take turns run by run.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

from .meter import Meter
from .peers import load
from .peers.base import Peer, Unsupported
from .units import Unit
from .works import Work, Wrong, make

__all__ = ["main"]


class Worker:
    """Does what the commands say, one unit at a time."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._meter = Meter()
        self._work: Work | None = None

    async def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """The answer to a command; errors become ``problem``, so that the run of the other peers goes on."""
        try:
            return await getattr(self, f"_{command['do']}")(command)  # type: ignore[no-any-return]
        except Unsupported as error:
            return {"problem": f"not measured: {error}"}
        except Wrong as error:
            return {"problem": f"wrong result: {error}"}
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return {"problem": f"failed: {type(error).__name__}: {str(error)[:200]}"}

    async def _prepare(self, command: dict[str, Any]) -> dict[str, Any]:
        unit = Unit.from_json(command["unit"])
        if unit.fresh:
            self._meter.begin()
        self._work = make(unit, self._peer, Path(command["source"]), Path(command["folder"]))
        await self._work.prepare()
        self._meter.rest()
        return {}

    async def _run(self, command: dict[str, Any]) -> dict[str, Any]:
        self._meter.wake()
        work = self._work
        assert work is not None
        work.metrics = {}
        try:
            await work.before()
            self._meter.start()
            result = await work.run()
            measured = self._meter.stop()
            await work.check(result)
            del result
        finally:
            await work.after()
        metrics = dict(work.metrics)
        divide = metrics.pop("divide", 1.0)
        measured |= {"seconds": measured["seconds"] / divide, "cpu": measured["cpu"] / divide} | metrics
        if "per_chunk" in measured:
            measured["per_chunk"] = measured["seconds"] / measured["per_chunk"]
        self._meter.rest()
        return {"measured": measured}

    async def _finish(self, command: dict[str, Any]) -> dict[str, Any]:
        self._work = None
        return {}


async def _serve(peer: Peer, answers: TextIO) -> None:
    worker = Worker(peer)
    answers.write(json.dumps({"settings": peer.settings}) + "\n")
    answers.flush()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        answer = await worker.answer(json.loads(line))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Serve until the other end of the pipe is closed. What a library prints goes to standard error."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        try:
            peer = load(sys.argv[1])
        except (ImportError, Unsupported) as error:
            answers.write(json.dumps({"problem": f"not here: {error}"}) + "\n")
            return
        asyncio.run(_serve(peer, answers))


if __name__ == "__main__":
    main()
