"""Events of attempts. Called behind ``if hooks.active:``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from time import monotonic
from typing import TypeVar

from ..telemetry import events, hooks
from ..telemetry.address import public
from ..telemetry.spans import counted
from .base import Request

__all__ = ["watched"]

T = TypeVar("T")

_told: ContextVar[list[bool] | None] = ContextVar("asynczarr_told", default=None)
"""Filled by whoever tells of an attempt, for those around it who then need not: one retries inside of the other."""


def watched(
    send: Callable[[], Awaitable[T]], store: str, request: Request, *, before: int = 0
) -> Callable[[], Awaitable[T]]:
    """A `send` that tells how each of its attempts has ended.

    Args:
        send: one attempt.
        store: URL of the store.
        request: what is sent.
        before: attempts that were made already.
    """
    number = before

    def tell(begun: float, error: str) -> None:
        duration = monotonic() - begun
        attempt = events.Attempt(
            store=public(store), verb=request.verb, key=request.key, number=number, duration=duration, error=error
        )
        hooks.emit(counted(attempt))

    async def attempt() -> T:
        nonlocal number
        number += 1
        begun, error = monotonic(), ""
        inside: list[bool] = []
        token = _told.set(inside)
        try:
            return await send()
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            _told.reset(token)
            if not inside:
                tell(begun, error)
            around = _told.get()
            if around is not None:
                around.append(True)

    return attempt
