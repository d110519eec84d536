"""How a store tells those around it that an answer begins, so that a silent server and a long body are two things."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["answer_begins", "watch_answer"]

_watcher: ContextVar[Callable[[int], None] | None] = ContextVar("asynczarr_answer", default=None)


def answer_begins(nbytes: int) -> None:
    """Say that the head of an answer to a read has arrived and that a body of `nbytes` bytes follows.

    A network store calls it in the task of the request, once for each request that it makes for a call. It is optional:
    a store that never does gets one time limit for answer and body together.
    """
    watcher = _watcher.get()
    if watcher is not None:
        watcher(nbytes)


class watch_answer:  # noqa: N801 - used like a function; a generator would cost each request some microseconds
    """Have `watcher` called with the size of each body that begins in this context, after those that watch already."""

    __slots__ = ("_token", "_watcher")

    def __init__(self, watcher: Callable[[int], None]) -> None:
        self._watcher = watcher

    def __enter__(self) -> None:
        outer, watcher = _watcher.get(), self._watcher
        if outer is None:
            self._token = _watcher.set(watcher)
            return

        def both(nbytes: int) -> None:
            outer(nbytes)
            watcher(nbytes)

        self._token = _watcher.set(both)

    def __exit__(self, *error: object) -> None:
        _watcher.reset(self._token)
