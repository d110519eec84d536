"""Stores that wrap a store: all policy lives here, one small file each."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base import Request, Verb, Wrapper

if TYPE_CHECKING:
    from .budget import RetryBudget
    from .checksum import Checksum
    from .deadline import AttemptDeadline, Deadline
    from .default import stack
    from .idempotency import Idempotency
    from .opening import open_store
    from .policy import RetryPolicy
    from .resume import Resume
    from .retry import Retry

__all__ = [
    "AttemptDeadline",
    "Checksum",
    "Deadline",
    "Idempotency",
    "Request",
    "Resume",
    "Retry",
    "RetryBudget",
    "RetryPolicy",
    "Verb",
    "Wrapper",
    "open_store",
    "stack",
]

_LATER = {
    "AttemptDeadline": "deadline",
    "Checksum": "checksum",
    "Deadline": "deadline",
    "Idempotency": "idempotency",
    "Resume": "resume",
    "Retry": "retry",
    "RetryBudget": "budget",
    "RetryPolicy": "policy",
    "open_store": "opening",
    "stack": "default",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
