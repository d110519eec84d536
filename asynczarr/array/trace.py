"""Events of calls on arrays and groups."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..store.base import Store
from ..telemetry import events, hooks
from ..telemetry.address import public
from ..telemetry.spans import Span

__all__ = ["call"]


def call(action: str, store: Store, path: str, **results: Any) -> AbstractContextManager[Span | None]:
    """A block that is one call; nothing while nobody listens.

    Args:
        action: which, see ``ArrayStart``.
        store: where the array is.
        path: its path there, or the prefix of its keys.
        **results: what its stop event shall say.
    """
    if not hooks.active:
        return nullcontext()
    span = Span(events.ARRAY, store=public(store.url), array=path.rstrip("/"), action=action)
    span.note(**results)
    return span
