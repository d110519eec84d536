"""Where the items of a ``write_stream`` come from: any iterable, one item at a time, never ahead of the demand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

from anyio import CancelScope

from ..threads import Threads

__all__ = ["Source", "pull"]

Source: TypeAlias = AsyncIterable[Any] | Iterable[Any]


async def pull(source: Source) -> AsyncGenerator[Any, None]:
    """The items of a source of either kind. Plain iterators run in a worker thread: they may read files.

    A generator is closed when this one is. The thread is none of the pool's: a source that waits for something that
    is encoded or decoded must not keep it from being so.
    """
    if isinstance(source, AsyncIterable):
        async with AsyncExitStack() as stack:
            if isinstance(source, AsyncGenerator):
                stack.push_async_callback(source.aclose)
            async for item in source:
                yield item
    elif isinstance(source, Sequence):
        for item in source:
            yield item
    else:
        end, thread = object(), Threads(1)
        iterator = iter(source)
        try:
            while (item := await thread.run(next, iterator, end)) is not end:
                yield item
        finally:
            if isinstance(iterator, Generator):
                with CancelScope(shield=True):
                    await thread.run(iterator.close)
