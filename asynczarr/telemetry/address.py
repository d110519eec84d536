"""Addresses of stores as events show them."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["public", "scheme"]


@lru_cache(maxsize=256)
def public(url: str) -> str:
    """A URL without user, password, query and fragment. Stores promise that already; those of others may forget."""
    before, mark, rest = url.partition("://")
    if not mark:
        return url
    host, slash, path = rest.partition("/")
    return before + mark + host.rpartition("@")[2].partition("?")[0] + slash + path.partition("?")[0].partition("#")[0]


def scheme(url: str) -> str:
    """The part before ``://``; of an address without one the empty string."""
    before, mark, _ = url.partition("://")
    return before if mark else ""
