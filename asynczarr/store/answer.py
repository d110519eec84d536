"""How a store tells those around it how far a read has come, so that a silent server and a long body are two things."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TypeAlias

from ..types import ByteRange, Parts

__all__ = ["TakePart", "answer_awaited", "answer_begins", "part_arrives", "watch_answer", "watching_parts"]

_Watcher: TypeAlias = Callable[[int | None], None]

_watcher: ContextVar[_Watcher | None] = ContextVar("asynczarr_answer", default=None)

TakePart: TypeAlias = Callable[[Sequence[ByteRange], int, Parts], None]

watching_parts: ContextVar[TakePart | None] = ContextVar("asynczarr_parts", default=None)
"""Called with what :func:`part_arrives` is."""


def part_arrives(ranges: Sequence[ByteRange], number: int, part: Parts) -> None:
    """Say that one range of a ``get_ranges`` is there. It is optional: if the call fails, it need not be read again.

    Args:
        ranges: what the store was given, the very object: other ranges are of no use to those around it.
        number: which of them.
        part: its bytes alone.
    """
    take = watching_parts.get()
    if take is not None:
        take(ranges, number, part)


def answer_awaited() -> None:
    """Say that a request to read is about to be sent, and that :func:`answer_begins` will tell of its answer.

    A network store calls it in the task of the request, once for each request that it makes for a call.
    """
    watcher = _watcher.get()
    if watcher is not None:
        watcher(None)


def answer_begins(nbytes: int) -> None:
    """Say that the head of an answer to a read has arrived and that a body of `nbytes` bytes follows.

    A network store calls it in the task of the request, once for each request that it makes for a call. It is optional:
    a store that never does gets one time limit for answer and body together.
    """
    watcher = _watcher.get()
    if watcher is not None:
        watcher(nbytes)


class watch_answer:  # noqa: N801 - used like a function; a generator would cost each request some microseconds
    """Have functions called for each request to read in this context, after those that watch already.

    Args:
        begins: with the size of each body that begins.
        awaited: before each request.
    """

    __slots__ = ("_awaited", "_begins", "_token")

    def __init__(self, begins: Callable[[int], None], awaited: Callable[[], None] | None = None) -> None:
        self._begins = begins
        self._awaited = awaited

    def __enter__(self) -> None:
        outer, begins, awaited = _watcher.get(), self._begins, self._awaited

        def watcher(nbytes: int | None) -> None:
            if outer is not None:
                outer(nbytes)
            if nbytes is not None:
                begins(nbytes)
            elif awaited is not None:
                awaited()

        self._token = _watcher.set(watcher)

    def __exit__(self, *error: object) -> None:
        _watcher.reset(self._token)
