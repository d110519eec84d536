"""Events as records of the standard library's logging."""

from __future__ import annotations

import logging
from dataclasses import fields

from .events import (
    ArrayFailed,
    Event,
    Failed,
    Hedge,
    ItemFailed,
    RequestFailed,
    Resume,
    Retry,
    RetryBudget,
    StreamFailed,
    Throttle,
    WriteConflict,
)
from .hooks import Subscription, subscribe

__all__ = ["bridge", "level_of"]

_WARNING = (ArrayFailed, ItemFailed, RequestFailed, StreamFailed)
_INFO = (Failed, Hedge, Resume, Retry, Throttle, WriteConflict)


def bridge(logger: str = "asynczarr", *kinds: type) -> Subscription:
    """Log every event as ``Name field=value ...``; the record's attribute ``event`` is the event itself.

    Failures of requests, items, streams and calls, and a spent retry budget, are warnings; retries, throttling,
    conflicts and other failures are information, the rest is for debugging. What was cancelled is never a warning.

    Args:
        logger: name of the logger. An event below its level is not even formatted.
        *kinds: classes of events, or bases of them; none means all.
    """
    target = logging.getLogger(logger)

    def log(event: Event) -> None:
        level = level_of(event)
        if target.isEnabledFor(level):
            values = " ".join(f"{item.name}={getattr(event, item.name)!r}" for item in fields(event)[1:])
            target.log(level, "%s %s", type(event).__name__, values, extra={"event": event})

    return subscribe(log, *kinds)


def level_of(event: Event) -> int:
    """The level at which an event is logged."""
    cancelled = getattr(event, "error", "") == "CancelledError"
    if isinstance(event, RetryBudget):
        return logging.WARNING if event.refused else logging.DEBUG
    if isinstance(event, _WARNING) and not cancelled:
        return logging.WARNING
    return logging.INFO if isinstance(event, _INFO) and not cancelled else logging.DEBUG
