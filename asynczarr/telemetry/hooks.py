"""Who listens: subscribe functions to events, and emit events to them.

Nothing is made and nobody is called while nobody listens: every place that emits says ``if hooks.active:`` first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from .events.base import Event

__all__ = ["Subscription", "active", "emit", "subscribe"]

E = TypeVar("E")

active: bool = False
"""Whether anybody listens to anything."""

_lock = threading.Lock()
_subscriptions: tuple[Subscription, ...] = ()
_listeners: dict[type, tuple[Subscription, ...]] = {}


class Subscription:
    """A function that is called with events until :meth:`close`; also a context manager that closes it."""

    __slots__ = ("_function", "_kinds", "_reported")

    def __init__(self, function: Callable[[Any], object], kinds: tuple[type, ...]) -> None:
        self._function = function
        self._kinds = kinds
        self._reported = False

    def wants(self, kind: type) -> bool:
        """Whether events of this class go to the function."""
        return not self._kinds or issubclass(kind, self._kinds)

    def call(self, event: Event) -> None:
        """Give an event to the function. What it raises is logged the first time, and otherwise has no effect."""
        try:
            self._function(event)
        except Exception:
            if not self._reported:
                self._reported = True
                import logging

                logging.getLogger("asynczarr.telemetry").exception(
                    "%r failed on %s; it stays subscribed, and this is not said again",
                    self._function,
                    type(event).__name__,
                )

    def close(self) -> None:
        """Call the function no more. A second time does nothing."""
        _change(lambda now: tuple(each for each in now if each is not self))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def subscribe(function: Callable[[E], object], *kinds: type[E]) -> Subscription:
    """Call ``function(event)`` for every event from now on, in the thread and task in which it happens.

    The function runs in the middle of the work: it must be quick, must not block, and must expect to be called by
    several threads at once.

    Args:
        function: what it returns is ignored; what it raises is logged once and does not disturb the work.
        *kinds: classes of events, or bases of them such as ``Failed``; none means all.

    Returns:
        The subscription: close it, or use it in a ``with`` statement.
    """
    subscription = Subscription(function, kinds)
    _change(lambda now: (*now, subscription))
    return subscription


def emit(event: Event) -> None:
    """Give an event to all who listen to its class. Say ``if hooks.active:`` before the event is even made."""
    listeners, kind = _listeners, type(event)
    found = listeners.get(kind)
    if found is None:
        found = listeners[kind] = tuple(each for each in _subscriptions if each.wants(kind))
    for each in found:
        each.call(event)


def _change(make: Callable[[tuple[Subscription, ...]], tuple[Subscription, ...]]) -> None:
    global active, _listeners, _subscriptions
    with _lock:
        # In this order: whoever sees the new table, which is empty, fills it from the new subscriptions.
        _subscriptions = make(_subscriptions)
        _listeners = {}
        active = bool(_subscriptions)
