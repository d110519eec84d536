"""A progress bar over bytes, with rate and time to go."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from .output import size

__all__ = ["Bar"]

_PERIOD = 0.05


class Bar:
    """``with Bar("copy", total) as bar: ... bar.to(done)``, drawn on stderr by a thread of its own.

    Args:
        what: stands before the bar.
        total: bytes that make it full; ``None`` if nobody knows.
        keep: leave the full bar behind, also where stderr is no terminal. Otherwise it vanishes, and nothing at all is
            written to a file or pipe.
    """

    def __init__(self, what: str, total: int | None, *, keep: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
        from rich.text import Text

        class Rate(ProgressColumn):
            """Bytes done and bytes a second."""

            def render(self, task: Task) -> Text:
                speed = task.finished_speed or task.speed
                return Text(f"{size(task.completed):>10}  {f'{size(speed)}/s' if speed else '':>12}")

        console = Console(file=sys.stderr, highlight=False, emoji=False)
        columns: list[Any] = [TextColumn("{task.description:<7}", markup=False), BarColumn(bar_width=30)]
        columns += [TextColumn("{task.percentage:>3.0f} %"), Rate(), TimeRemainingColumn(compact=True)]
        self._progress = Progress(
            *columns, console=console, transient=not keep, disable=not (keep or console.is_terminal)
        )
        self._task = self._progress.add_task(what, total=total)
        self._total = total
        self._shown = 0.0

    def to(self, done: int) -> None:
        """`done` bytes of the total are done. Cheap: the drawing thread is told a few times a second."""
        now = time.monotonic()
        if now - self._shown >= _PERIOD or done == self._total:
            self._shown = now
            self._progress.update(self._task, completed=done)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
