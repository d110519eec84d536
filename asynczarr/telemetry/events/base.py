"""What all events have."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from ..spans import parent

__all__ = ["Event", "Failed", "Start", "Stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        time: when, in seconds of ``time.monotonic()``.
        parent: number of the span in which it happened, 0 for none.
    """

    time: float = field(default_factory=monotonic)
    parent: int = field(default_factory=parent)


class Start:
    """Mark of events that begin a span; ``span`` is its number in all of its events."""

    __slots__ = ()


class Stop:
    """Mark of events that end a span well."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class Failed:
    """What events have that end a span, or an item of one, by an error or by being cancelled.

    Attributes:
        error: class of the error.
        message: its reason, if the error is one of asynczarr's.
    """

    __slots__ = ()  # those of its fields are made with the slots of an event

    error: str
    message: str = ""
