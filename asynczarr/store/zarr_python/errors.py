"""Errors of stores that others have written, in our words."""

from __future__ import annotations

import errno

from ...errors import AttemptTimeout, ConnectionFailed, StoreError, Unavailable, Unsupported
from ..oserrors import store_error

__all__ = ["foreign_error"]

_NO_CONNECTION = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPIPE)


def foreign_error(error: Exception, store: str) -> StoreError:
    """The error to raise ``from`` any other; one of ours is returned as it is.

    Nobody knows what the text of a foreign error tells, so it stays with the cause.
    """
    if isinstance(error, StoreError):
        return error
    reason = f"the wrapped store failed: {type(error).__name__}"
    if isinstance(error, NotImplementedError):
        return Unsupported(reason)
    if isinstance(error, TimeoutError):
        return AttemptTimeout(reason)
    if isinstance(error, ConnectionError) or getattr(error, "errno", None) in _NO_CONNECTION:
        return ConnectionFailed(reason)
    if isinstance(error, OSError) and error.errno is not None:
        return store_error(error, store=store)
    return Unavailable(reason)
