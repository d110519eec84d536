"""What would hold up the event loop: libraries that block, and checksums of large values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...threads import Threads
from ...types import BytesLike

__all__ = ["HOP_BYTES", "THREADS", "small_or_threaded"]

T = TypeVar("T")

THREADS = Threads(4)
HOP_BYTES = 256 << 10
"""A checksum of more bytes than this takes longer than a hop to a thread."""


async def small_or_threaded(data: BytesLike, function: Callable[[BytesLike], T]) -> T:
    """``function(data)``, in a thread if the data is large."""
    return function(data) if len(data) <= HOP_BYTES else await THREADS.run(function, data)
