"""Stores to wrap, and a way to cancel a call everywhere."""

from __future__ import annotations

import asyncio

from asynczarr.middleware.base import Wrapper
from asynczarr.store import MemoryStore
from tests.contract.test_contract_limited import PlainStore


class Turns(Wrapper):
    """Gives the event loop some turns before and after each call, and counts the calls inside."""

    def __init__(self, inner, turns=1):
        super().__init__(inner)
        self.turns = turns
        self.calls = []
        self.inside = self.most = 0

    async def around(self, request, send):
        self.calls.append(request)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self._turn()
            answer = await send()
            await self._turn()
        finally:
            self.inside -= 1
        return answer

    async def _turn(self):
        for _ in range(self.turns):
            await asyncio.sleep(0)


class Held(Wrapper):
    """Holds every call until it is let go, by its number; ``None`` in `calls` once it is over."""

    def __init__(self, inner):
        super().__init__(inner)
        self.calls = []
        self.gates = []
        self.running = set()

    async def around(self, request, send):
        number = len(self.calls)
        self.calls.append(request)
        self.gates.append(asyncio.get_running_loop().create_future())
        self.running.add(number)
        try:
            await self.gates[number]
            return await send()
        finally:
            self.running.discard(number)

    async def begun(self, number):
        """Wait until that many calls have begun."""
        for _ in range(100):
            if len(self.calls) >= number:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"only {len(self.calls)} of {number} calls have begun")

    def let_go(self, number, error=None):
        if error is None:
            self.gates[number].set_result(None)
        else:
            self.gates[number].set_exception(error)


INNERS = {
    "memory": MemoryStore,
    "plain": PlainStore,
    "async": lambda: Turns(MemoryStore()),
    "async-plain": lambda: Turns(PlainStore()),
}


async def turns(number=20):
    for _ in range(number):
        await asyncio.sleep(0)


def others():
    """Tasks that run besides the one that asks."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def cancel_everywhere(operation, check, *, between=None):
    """Cancel ``operation()`` after 0, 1, 2, ... turns of the loop, until it ends before; ``await check()`` after each.

    Returns how often it was cancelled. ``between()`` is called in each turn: to let time pass.
    """
    done = False
    number = -1
    while not done:
        number += 1
        task = asyncio.create_task(operation())
        for _ in range(number):
            await asyncio.sleep(0)
            if between is not None:
                await between()
        done = task.done()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None, task
        assert others() == set()
        await check()
    return number
