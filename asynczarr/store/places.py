"""Errors that name the store and the key where they happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import AsyncZarrError

__all__ = ["located"]


@contextmanager
def located(store: str, key: str | None) -> Iterator[None]:
    """Give the errors raised inside the URL of a store and a key, as far as they have none."""
    try:
        yield
    except AsyncZarrError as error:
        error.at(store=store, key=key)
        raise
