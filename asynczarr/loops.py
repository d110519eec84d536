"""What belongs to one event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import asyncio

__all__ = ["ByLoop"]

T = TypeVar("T")


class ByLoop(WeakKeyDictionary["asyncio.AbstractEventLoop", T]):
    """A value for each event loop, as long as the loop is open.

    Tasks, connections and contended locks refer to their loop. In a dictionary that only holds its keys weakly, such a
    value would keep its loop, and itself, for ever. So those of closed loops go when another loop gets its own.
    """

    def __setitem__(self, loop: asyncio.AbstractEventLoop, value: T) -> None:
        for known in self.keyrefs():
            if (other := known()) is not None and other.is_closed():
                self.pop(other, None)
        super().__setitem__(loop, value)
