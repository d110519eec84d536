"""What HTTP status codes mean, in our words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from ...errors import (
    Forbidden,
    PreconditionFailed,
    StoreError,
    Throttled,
    Unauthenticated,
    Unavailable,
    Unsupported,
)

__all__ = ["MISSING", "http_date", "retry_after", "status_error"]

MISSING = frozenset({404, 410})
"""Status codes that mean: there is no such value."""

_KINDS: dict[int, type[StoreError]] = {
    401: Unauthenticated,
    403: Forbidden,
    405: Unsupported,
    407: Unauthenticated,
    408: Unavailable,
    409: PreconditionFailed,
    412: PreconditionFailed,
    414: Unsupported,
    425: Unavailable,
    501: Unsupported,
}


def status_error(status: int, headers: Mapping[str, str]) -> StoreError:
    """The error for a status code that is neither success nor "missing"."""
    try:
        reason = f"HTTP status {status} ({HTTPStatus(status).phrase})"
    except ValueError:
        reason = f"HTTP status {status}"
    wait = retry_after(headers)
    if status == 429 or (status == 503 and wait is not None):
        return Throttled(reason, retry_after=wait)
    kind = _KINDS.get(status)
    if kind is None:
        kind = Unavailable if status >= 500 else StoreError
    return kind(reason)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the header Retry-After (a number or a date), if it is there and makes sense."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    moment = http_date(text)
    return None if moment is None else max(0.0, moment - time.time())


def http_date(text: str | None) -> float | None:
    """Seconds since the epoch of a date in a header; ``None`` for none and for nonsense."""
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
