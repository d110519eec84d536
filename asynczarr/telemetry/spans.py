"""Spans: what begins and ends, and the context variable by which tasks and threads know in which one they run."""

from __future__ import annotations

from contextvars import ContextVar, Token
from itertools import count
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ..errors import AsyncZarrError
from . import hooks

if TYPE_CHECKING:
    from .events.base import Event

__all__ = ["Kind", "Span", "current", "parent"]

_numbers = count(1)


class Kind(NamedTuple):
    """The three events of one sort of span."""

    start: type[Any]
    stop: type[Any]
    failed: type[Any]


class Span:
    """Something that takes time; emits its start when made and one of stop and failed at its end, whatever happens.

    ``with span:`` makes it the parent of all that happens inside, also in tasks and worker threads that begin there.

    Args:
        kind: its events.
        **fields: what all three of them have.

    Attributes:
        id: number, unique in this process.
        attempts: attempts counted below it.
    """

    __slots__ = ("_begun", "_ended", "_fields", "_kind", "_results", "_token", "attempts", "id")

    def __init__(self, kind: Kind, /, **fields: Any) -> None:
        self.id: int = next(_numbers)
        self.attempts: int = 0
        self._kind = kind
        self._fields = {"span": self.id, "parent": parent(), **fields}
        self._results: dict[str, Any] = {}
        self._ended = False
        self._token: Token[Span | None] | None = None
        self._begun = monotonic()
        hooks.emit(kind.start(**self._fields))

    @property
    def duration(self) -> float:
        """Seconds since it began."""
        return monotonic() - self._begun

    def note(self, **results: Any) -> None:
        """Remember what the stop event shall say, and the failed event as far as it has a field for it."""
        self._results.update(results)

    def stop(self, **results: Any) -> None:
        """It has ended well. The first end counts, later ones do nothing."""
        if not self._ended:
            self._ended = True
            self.note(**results)
            self._end(self._kind.stop, self._results)

    def fail(self, error: BaseException) -> None:
        """It has ended by an error, or was cancelled. The first end counts, later ones do nothing."""
        if not self._ended:
            self._ended = True
            known = self._kind.failed.__dataclass_fields__
            kept = {name: value for name, value in self._results.items() if name in known}
            self._end(self._kind.failed, {**kept, **failure(error)})

    def _end(self, kind: type[Any], results: dict[str, Any]) -> None:
        if "attempts" in kind.__dataclass_fields__:
            results = {"attempts": max(1, self.attempts), **results}
        hooks.emit(kind(**self._fields, **results, duration=self.duration))

    def __enter__(self) -> Self:
        self._token = current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        current.reset(self._token)
        if error is None:
            self.stop()
        else:
            self.fail(error)


current: ContextVar[Span | None] = ContextVar("asynczarr_span", default=None)
"""The span inside of which this task or thread runs."""


def parent() -> int:
    """Number of the span inside of which this is called; 0 for none."""
    span = current.get()
    return 0 if span is None else span.id


def failure(error: BaseException) -> dict[str, str]:
    """What events tell of an error: its class, and of our own ones the reason; a foreign message may hold secrets."""
    return {"error": type(error).__name__, "message": error.reason if isinstance(error, AsyncZarrError) else ""}


def counted(event: Event) -> Event:
    """Count an attempt for the span in which it was made; the event itself, to emit."""
    span = current.get()
    if span is not None:
        span.attempts += 1
    return event
