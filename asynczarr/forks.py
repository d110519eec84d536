"""What must happen in a forked child: it has copies of everything, but files, sockets and threads are its parent's."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["in_children"]

T = TypeVar("T")

_known: WeakKeyDictionary[Any, Callable[[Any], object]] = WeakKeyDictionary()


def in_children(owner: T, function: Callable[[T], object]) -> None:
    """Call ``function(owner)`` in every forked child, before anything else there, as long as `owner` lives.

    No thread of the parent is there any more, so that a lock which one of them held is never released.
    """
    _known[owner] = function


def _forked() -> None:
    for owner, function in list(_known.items()):
        function(owner)


if hasattr(os, "register_at_fork"):  # where there are forks at all
    os.register_at_fork(after_in_child=_forked)
