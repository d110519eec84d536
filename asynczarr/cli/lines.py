"""JSON lines on stdout, written by a worker thread so that a slow reader does not stop the event loop."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

import click

from ..codec import pool
from .output import dumps

__all__ = ["Lines"]

_MANY = 1000
_PERIOD = 0.25


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
            text, self._waiting = "\n".join(self._waiting), []
            await pool.run(click.echo, text)
        self._written = time.monotonic()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):  # the reader is gone
            await self._write()
