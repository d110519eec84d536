"""How many retries an endpoint is worth: when it fails for everybody, almost nobody tries again."""

from __future__ import annotations

import threading
from weakref import WeakValueDictionary

from ..errors import StoreError, Throttled
from ..store.base import Store
from .endpoint import endpoint

__all__ = ["RetryBudget"]


class RetryBudget:
    """A bucket of tokens that retries take and successes give back.

    A retry takes tokens; if it succeeds they come back, and a call that succeeds at once brings one more. So single
    faults cost nothing, while an endpoint that fails for everybody gets a bounded number of retries in all. The figures
    are those of the AWS SDKs since 2026. It may be used from several threads.

    Args:
        capacity: tokens at the beginning and at most.
        transient: tokens that a retry takes after a fault.
        throttle: tokens that a retry takes after the endpoint asked to slow down.

    Attributes:
        tokens: what is left.
    """

    def __init__(self, capacity: int = 500, *, transient: int = 14, throttle: int = 5) -> None:
        self.capacity = capacity
        self.tokens: int = capacity
        self._transient = transient
        self._throttle = throttle
        self._lock = threading.Lock()

    @classmethod
    def of(cls, where: Store | str) -> RetryBudget:
        """The budget that all stores of this process at the same endpoint share, for as long as one of them lives.

        Args:
            where: a store, or its address.
        """
        name = endpoint(where)
        with _budgets_lock:
            budget = _budgets.get(name)
            if budget is None:
                budget = _budgets[name] = cls()
            return budget

    def cost(self, error: StoreError) -> int:
        """Tokens that a retry after this error takes."""
        return self._throttle if isinstance(error, Throttled) else self._transient

    def take(self, tokens: int) -> bool:
        """Take tokens; ``False`` if there are not enough."""
        with self._lock:
            if self.tokens < tokens:
                return False
            self.tokens -= tokens
            return True

    def give(self, tokens: int) -> None:
        """Give tokens back, up to the capacity."""
        if self.tokens < self.capacity:  # seen without the lock: at worst one token is late
            with self._lock:
                self.tokens = min(self.capacity, self.tokens + tokens)


_budgets: WeakValueDictionary[str, RetryBudget] = WeakValueDictionary()
_budgets_lock = threading.Lock()
