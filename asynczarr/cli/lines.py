"""JSON lines on stdout, written by a worker thread so that a slow reader does not stop the event loop.

A thread that is stuck in a write cannot be stopped: Ctrl-C would wait for a reader that may be stuck itself. So the
thread writes no more at once than a pipe takes, when it takes it, and gives up when the program is interrupted.
"""

from __future__ import annotations

import asyncio
import select
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import click

from ..codec import pool
from .output import dumps

__all__ = ["Lines"]

_MANY = 1000
_PERIOD = 0.25
_PIPE_BUF = 4096  # bytes that a pipe takes without blocking if it is ready; POSIX allows less, no system has less
_LOOK = 0.1  # seconds in which a thread that waits for the reader notices an interrupt


class Lines:
    """``async with Lines(True) as lines: await lines.add(record)``; several lines share one hop to the thread.

    Args:
        on: otherwise nothing is written.
    """

    def __init__(self, on: bool) -> None:
        self._on = on
        self._waiting: list[str] = []
        self._written = 0.0

    async def add(self, record: dict[str, Any]) -> None:
        """Write a record, within a quarter of a second if more come."""
        if not self._on:
            return
        self._waiting.append(dumps(record))
        if len(self._waiting) >= _MANY or time.monotonic() - self._written >= _PERIOD:
            await self._write()

    async def _write(self) -> None:
        if self._waiting:
            lines, self._waiting = self._waiting, []
            await pool.run(_print, lines, asyncio.current_task())
        self._written = time.monotonic()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):  # the reader is gone
            await self._write()


def _print(lines: list[str], task: asyncio.Task[Any] | None) -> None:
    for text in _pieces(lines):
        while not _reader_is_ready():
            if task is not None and task.cancelling():
                return
        click.echo(text)


def _pieces(lines: list[str]) -> Iterator[str]:
    """As many whole lines together as a pipe takes at once."""
    first = size = 0
    for number, line in enumerate(lines):
        size += len(line) + 1
        if size > _PIPE_BUF and number > first:
            yield "\n".join(lines[first:number])
            first, size = number, len(line) + 1
    yield "\n".join(lines[first:])


def _reader_is_ready() -> bool:
    """Whether stdout takes more, after a short while; what cannot be asked is taken to be ready."""
    try:
        return bool(select.select([], [sys.stdout], [], _LOOK)[1])
    except (OSError, ValueError):  # in memory, or not on POSIX
        return True
