"""For tests of what happens in its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, however long a busy machine takes; fail if it never does."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)
