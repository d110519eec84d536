"""Stores that wrap a store: all policy lives here, one small file each."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base import Request, Verb, Wrapper

if TYPE_CHECKING:
    from .bucket import TokenBucket
    from .budget import RetryBudget
    from .cache import Cache
    from .checksum import Checksum
    from .chunk_cache import ChunkCache
    from .coalesce import Coalesce
    from .deadline import AttemptDeadline, Deadline
    from .default import stack
    from .hedge import Hedge
    from .idempotency import Idempotency
    from .limit import Limit
    from .opening import open_store
    from .policy import RetryPolicy
    from .prefix import Prefix
    from .readonly import ReadOnly
    from .resume import Resume
    from .retry import Retry
    from .telemetry import Telemetry
    from .throttle import Throttle

__all__ = [
    "AttemptDeadline",
    "Cache",
    "Checksum",
    "ChunkCache",
    "Coalesce",
    "Deadline",
    "Hedge",
    "Idempotency",
    "Limit",
    "Prefix",
    "ReadOnly",
    "Request",
    "Resume",
    "Retry",
    "RetryBudget",
    "RetryPolicy",
    "Telemetry",
    "Throttle",
    "TokenBucket",
    "Verb",
    "Wrapper",
    "open_store",
    "stack",
]

_LATER = {
    "AttemptDeadline": "deadline",
    "Cache": "cache",
    "Checksum": "checksum",
    "ChunkCache": "chunk_cache",
    "Coalesce": "coalesce",
    "Deadline": "deadline",
    "Hedge": "hedge",
    "Idempotency": "idempotency",
    "Limit": "limit",
    "Prefix": "prefix",
    "ReadOnly": "readonly",
    "Resume": "resume",
    "Retry": "retry",
    "RetryBudget": "budget",
    "RetryPolicy": "policy",
    "Telemetry": "telemetry",
    "Throttle": "throttle",
    "TokenBucket": "bucket",
    "open_store": "opening",
    "stack": "default",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
