"""The libraries of network stores: optional, loaded at first use, and named when they are missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Unsupported

__all__ = ["extra"]


@contextmanager
def extra(name: str, *, store: str) -> Iterator[None]:
    """Around imports that need the extra `name` of this package.

    Raises:
        Unsupported: something cannot be imported; with the line that installs it.
    """
    try:
        yield
    except ImportError as error:
        raise Unsupported(f"{error.name or error} is missing: pip install 'asynczarr[{name}]'", store=store) from error
