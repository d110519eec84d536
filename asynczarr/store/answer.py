"""How a store tells those around it that an answer begins, so that a silent server and a long body are two things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def watch_answer(watcher: Callable[[int], None]) -> Iterator[None]:
    """Have `watcher` called with the size of each body that begins in this context, after those that watch already."""
    outer = _watcher.get()

    def both(nbytes: int) -> None:
        if outer is not None:
            outer(nbytes)
        watcher(nbytes)

    token = _watcher.set(both)
    try:
        yield
    finally:
        _watcher.reset(token)
