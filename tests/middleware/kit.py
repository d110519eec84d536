"""What tests of policies share: time that jumps, and a store that does as it is told."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

from asynczarr.errors import StoreError
from asynczarr.middleware import RetryBudget, RetryPolicy, Wrapper
from asynczarr.middleware.listing import closing
from asynczarr.store import MemoryStore
from asynczarr.types import Parts


class _Selector(selectors.DefaultSelector):
    skipped = 0.0

    def select(self, timeout=None):
        events = super().select(None if timeout is None else 0)
        if not events and timeout:
            self.skipped += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which nothing takes time but waiting, and waiting takes none of ours."""

    def __init__(self):
        self._jumps = _Selector()
        super().__init__(self._jumps)

    def time(self):
        return 1000.0 + self._jumps.skipped


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test in virtual time: hours pass at once, and timeouts come at the second."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class LoopClock:
    """The time of the running loop, and the pauses that were asked for."""

    def __init__(self):
        self.slept: list[float] = []

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds)


def policy(**options: Any) -> RetryPolicy:
    """A policy of its own budget whose random numbers are all 0.5."""
    return RetryPolicy(**{"budget": RetryBudget(), "clock": LoopClock(), "rand": lambda: 0.5, **options})


class Scripted(Wrapper):
    """A store that plays a script, one line a request, and after its end does what it is asked.

    A line is an error to raise instead of doing anything, ``None`` to do it, or a function that gets the request as a
    coroutine function and does with it as it likes.

    Attributes:
        calls: verbs of all requests, in order.
        times: when each was made, by the loop's time.
    """

    def __init__(self, *script: Any, inner=None, **capabilities: Any):
        super().__init__(MemoryStore() if inner is None else inner)
        self.script = list(script)
        self.calls: list[str] = []
        self.times: list[float] = []
        self._changed = capabilities

    @property
    def capabilities(self):
        from dataclasses import replace

        return replace(super().capabilities, **self._changed)

    async def around(self, request, send):
        self.calls.append(request.verb)
        self.times.append(asyncio.get_running_loop().time())
        line = self.script.pop(0) if self.script else None
        if line is None:
            return await send()
        if isinstance(line, StoreError):
            raise line.at(store=self.url, key=request.key)
        return await line(send)

    async def _listed(self, request, names):
        self.calls.append(request.verb)
        line = self.script.pop(0) if self.script else None
        if isinstance(line, StoreError):
            raise line
        async with closing(names):
            if line is None:
                async for name in names:
                    yield name
                return
            count, error = line
            async for name in names:
                if not count:
                    break
                count -= 1
                yield name
            raise error


async def take(names, into, then=None):
    """Append names to a list, which still holds them if the listing breaks."""
    async for name in names:
        into.append(name)
        if then is not None:
            await then()


def lost(error: StoreError):
    """Do the request, and lose the answer."""

    async def play(send):
        await send()
        raise error

    return play


def twice():
    """Do the request two times and answer with the second, as a transport that sends again by itself."""

    async def play(send):
        await send()
        return await send()

    return play


def spoil(change):
    """Answer with other bytes."""

    async def play(send):
        answer = await send()
        if isinstance(answer, Parts):
            return Parts([change(bytes(data)) for data in answer.data], answer.version, answer.size, answer.metadata)
        return change(bytes(answer))

    return play


def after(seconds: float):
    """Do the request late."""

    async def play(send):
        await asyncio.sleep(seconds)
        return await send()

    return play
