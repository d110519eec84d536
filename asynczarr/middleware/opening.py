"""``open_store`` as users call it: a store of a URL, and around a remote one the default stack."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from ..errors import KeyInvalid, Unsupported
from ..store import url
from ..store.base import Store
from ..store.url import Where
from .default import stack

__all__ = ["Stack", "open_store"]

Stack: TypeAlias = Literal["auto"] | Mapping[str, Any] | Callable[[Store], Store] | None


def open_store(where: Where, *, mode: str | None = None, stack: Stack = "auto", **options: Any) -> Store:
    """Make a store of a URL or path, with the default stack around it if it is behind a network.

    A store is returned as it is. Nothing is read or written yet.

    Args:
        where: URL, path or store, as for :func:`asynczarr.store.open_store`.
        mode: ``"r"`` makes the store read-only; what the others mean depends on the store.
        stack: ``"auto"`` puts :func:`asynczarr.stack` around stores behind a network and leaves memory, files and other
            embedded stores bare; a mapping of its arguments, or a function from store to store, applies to any;
            ``None`` leaves every store bare.
        **options: arguments of the store.

    Raises:
        Unsupported: unknown scheme; no URL, path or store; options, a stack or a mode for a store that is open already.
        KeyInvalid: a path that is empty or has a NUL; a URL with parts that are not understood or could lead elsewhere.
        ValueError: unknown mode.
    """
    _check(where)
    store = url.open_store(where, mode=mode, **options)
    if store is where:
        if stack not in ("auto", None):
            raise Unsupported("a store that is open already takes no stack: use asynczarr.stack(store)")
        return store
    return _wrapped(store, stack)


def _check(where: Any) -> None:
    if not isinstance(where, str | os.PathLike):
        if not hasattr(where, "get_ranges"):
            raise Unsupported(f"a URL, path or store is opened, not {reprlib.repr(where)}")
        return
    path = os.fspath(where)
    if not isinstance(path, str):
        raise Unsupported(f"a path is text, not {reprlib.repr(path)}")
    if not path:
        raise KeyInvalid("an empty path: write '.' for the current folder")
    if "\0" in path:
        raise KeyInvalid(f"a path with NUL: {reprlib.repr(path)}")


def _wrapped(store: Store, how: Stack) -> Store:
    if how is None or (how == "auto" and store.capabilities.sync):  # no network is between us and a blocking half
        return store
    if callable(how):
        return how(store)
    return stack(store, **({} if isinstance(how, str) else how))
