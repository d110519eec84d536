"""When to try again and how long to wait: the one loop that retries, on ``tenacity``, for all middleware that does."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState

from ..clock import Clock, SystemClock
from ..errors import (
    AttemptTimeout,
    BudgetExhausted,
    ConnectionFailed,
    DeadlineExceeded,
    IntegrityError,
    StoreError,
    Throttled,
    Truncated,
    Unavailable,
)
from ..store.base import Store
from ..telemetry import events, hooks
from ..telemetry.address import public
from . import deadline
from .base import Request
from .budget import RetryBudget
from .trace import watched

__all__ = ["Attempts", "RetryPolicy", "may_pass", "unsent"]

T = TypeVar("T")

DOCUMENTS = frozenset({"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"})
"""Names of values without which nothing else can be read, so that they are worth more attempts."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, after what pause, at whose expense.

    The pause before retry n (from 0) is ``rand() * min(cap, base * 2**n)``, "full jitter": callers that failed together
    come back spread out. A ``Retry-After`` is added to it, up to 5 s of it.

    Attributes:
        attempts: at most, the first one included.
        document_attempts: the same for metadata documents.
        transient: base in seconds after a fault.
        throttle: base in seconds after the service asked to slow down.
        cap: seconds that the random pause has at most.
        most_asked: seconds of a ``Retry-After`` that are honoured.
        budget: whose tokens retries take; ``None``: the one that all stores at the same endpoint share.
        clock: how time passes.
        rand: random numbers in [0, 1).
    """

    attempts: int = 6
    document_attempts: int = 8
    transient: float = 0.05
    throttle: float = 1.0
    cap: float = 20.0
    most_asked: float = 5.0
    budget: RetryBudget | None = None
    clock: Clock = field(default_factory=SystemClock)
    rand: Callable[[], float] = random.random

    def attempts_for(self, request: Request) -> int:
        """How often this request may be tried."""
        document = request.key.rpartition("/")[2] in DOCUMENTS
        return max(self.document_attempts, self.attempts) if document and self.attempts > 1 else self.attempts

    def pause(self, error: StoreError, retry: int) -> float:
        """Seconds to wait before retry number `retry`, counted from 0."""
        base = self.throttle if isinstance(error, Throttled) else self.transient
        pause = self.rand() * min(self.cap, base * 2.0 ** min(retry, 64))
        asked = error.retry_after if isinstance(error, Throttled) else None
        return pause + min(max(asked or 0.0, 0.0), self.most_asked)


def unsent(error: StoreError) -> bool:
    """Whether it is proven that the request never reached the other side."""
    return isinstance(error, (ConnectionFailed, AttemptTimeout)) and not error.sent


def may_pass(error: StoreError) -> bool:
    """Whether the same request may succeed a moment later."""
    return isinstance(error, (Unavailable, AttemptTimeout, Truncated, Throttled, IntegrityError))


class Attempts:
    """Runs requests to one store by a policy."""

    def __init__(self, policy: RetryPolicy | None, store: Store) -> None:
        self.policy: RetryPolicy = policy or RetryPolicy()
        self.budget: RetryBudget = self.policy.budget or RetryBudget.of(store)
        self.url: str = store.url

    async def run(self, request: Request, send: Callable[[], Awaitable[T]], *, resend: bool) -> T:
        """Await ``send()`` until it succeeds or a retry is not due.

        Args:
            request: what is sent.
            send: one attempt.
            resend: whether a request that may have been received may be sent once more.

        Raises:
            StoreError: of the last attempt, with ``attempts`` and ``elapsed`` of all of them.
            BudgetExhausted: the endpoint has had its share of retries.
            DeadlineExceeded: the pause before the next attempt would end after the deadline.
        """
        begun = self.policy.clock.now()
        if hooks.active:
            send = watched(send, self.url, request)
        try:
            result = await send()
        except StoreError as error:
            if not may_pass(error):
                self._count(error, error.attempts or 1, begun)
                raise
            failed = error
        else:
            self.budget.give(1)
            return result
        return await self.go_on(failed, request, send, resend=resend, begun=begun)

    async def go_on(
        self,
        failed: StoreError,
        request: Request,
        send: Callable[[], Awaitable[T]],
        *,
        resend: bool,
        begun: float | None = None,
    ) -> T:
        """Like :meth:`run` after a first attempt that ended with `failed`: only who fails pays for the loop."""
        if begun is None:
            begun = self.policy.clock.now()
            send = watched(send, self.url, request, before=1) if hooks.active else send
        call = _Call(self, request, resend)
        first: list[StoreError] = [failed]

        async def attempt() -> T:
            if first:
                raise first.pop()
            return await send()

        retrying = AsyncRetrying(
            sleep=self.policy.clock.sleep,
            retry=call.is_due,
            wait=call.pause,
            stop=call.is_over,
            retry_error_callback=call.give_up,
        )
        try:
            result: T = await retrying(attempt)
        except StoreError as error:
            self._count(error, call.attempts, begun)
            raise
        self.budget.give(call.paid)
        return result

    def _count(self, error: StoreError, attempts: int, begun: float) -> None:
        error.attempts = attempts
        error.elapsed = self.policy.clock.now() - begun


class _Call:
    """What one logical call has had so far, as tenacity's four questions ask for it."""

    def __init__(self, owner: Attempts, request: Request, resend: bool) -> None:
        self.attempts = 0
        self.paid = 0
        self._owner = owner
        self._request = request
        self._resend = resend
        self._corrupt = False
        self._verdict: StoreError | None = None

    def is_due(self, state: RetryCallState) -> bool:
        error = _error(state)
        self.attempts += (error.attempts if isinstance(error, StoreError) else None) or 1
        if not isinstance(error, StoreError) or not may_pass(error):
            return False
        deadline.note(error)
        if isinstance(error, IntegrityError):
            if self._corrupt:
                return False
            self._corrupt = True
        return self._resend or unsent(error)

    def pause(self, state: RetryCallState) -> float:
        error = _error(state)
        assert isinstance(error, StoreError)
        return self._owner.policy.pause(error, state.attempt_number - 1)

    def is_over(self, state: RetryCallState) -> bool:
        error, owner = _error(state), self._owner
        assert isinstance(error, StoreError)
        if self.attempts >= owner.policy.attempts_for(self._request):
            self._verdict = error
            return True
        place: dict[str, Any] = {"store": owner.url, "key": self._request.key}
        if state.upcoming_sleep >= deadline.time_left():
            self._verdict = DeadlineExceeded("no time is left for another attempt", **place)
            return True
        cost = owner.budget.cost(error)
        refused = not owner.budget.take(cost)
        if hooks.active:
            self._tell(error, cost, refused, state.upcoming_sleep)
        if refused:
            self._verdict = BudgetExhausted("too many requests to this endpoint fail to try this one again", **place)
            return True
        self.paid = cost
        return False

    def _tell(self, error: StoreError, cost: int, refused: bool, delay: float) -> None:
        store, request, left = public(self._owner.url), self._request, self._owner.budget.tokens
        hooks.emit(events.RetryBudget(store=store, cost=cost, left=left, refused=refused))
        if not refused:
            retry = events.Retry(
                store=store,
                verb=request.verb,
                key=request.key,
                number=self.attempts,
                delay=delay,
                error=type(error).__name__,
            )
            hooks.emit(retry)

    def give_up(self, state: RetryCallState) -> None:
        error, verdict = _error(state), self._verdict
        assert error is not None
        assert verdict is not None
        raise verdict from (error.__cause__ if verdict is error else error)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
