"""C6: the service says "slow down" to everything for a while. Few more requests than in calm, a gentle return.

In the ordinary suite in virtual time; the figures are those of a real minute.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

import asynczarr as az
from asynczarr.middleware import RetryBudget, RetryPolicy
from asynczarr.store.base import Store
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Scripted, WireFault

from . import figures
from .stores import stacked
from .virtual_time import LoopClock, flying, now

CLIENTS = 16
PAUSE = 0.1
"""Seconds between two calls of a client: callers come at their own pace, whatever becomes of their calls."""

WINDOW = 0.5
"""Seconds in which arrivals after the storm are counted."""


@dataclass(slots=True)
class _Seen:
    calls: int = 0
    succeeded: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)


async def _clients(store: Store, seconds: float) -> _Seen:
    """16 clients that each begin a call every 100 ms, for so long; every call is waited for."""
    seen = _Seen()

    async def call(key: str) -> None:
        seen.calls += 1
        try:
            assert await store.get(key) == b"value"
            seen.succeeded.append(now())
        except az.StoreError as error:
            seen.failed[type(error).__name__] += 1

    async with asyncio.TaskGroup() as group:
        end = now() + seconds
        while now() < end:
            for client in range(CLIENTS):
                group.create_task(call(f"k/{client}"))
            await asyncio.sleep(PAUSE)
    return seen


def _time() -> AbstractContextManager[None]:
    return flying(silence=0) if figures.LEVEL == "quick" else nullcontext()


@pytest.mark.virtual_time
@pytest.mark.xdist_group("storm")
@pytest.mark.parametrize("status", [503, 429])
async def test_a_storm(status: int, scale: Any, figure: Any) -> None:
    storm = scale(5, 60, 60)
    cap = scale(5, 40, 40) / 2
    policy = RetryPolicy(throttle=1.0, cap=cap, budget=RetryBudget(), most_asked=5.0, clock=LoopClock())
    whole = storm + 2 * cap + scale(3, 5, 5)
    async with FaultServer() as server, stacked(server, policy=policy, throttle=True) as store:
        for client in range(CLIENTS):
            server.bucket.put(f"k/{client}", b"value")
        await store.get("k/0")
        server.forget()
        with _time():
            calm = (await _clients(store, scale(1, 10, 10))).calls
        assert len(server.requests) == calm, "in calm, a request a call"
        server.forget()
        slow_down = WireFault(status=status, retry_after=1)
        server.faults = Scripted(slow_down, always=True)
        with _time():
            begin = now()
            asyncio.get_running_loop().call_later(storm, setattr, server, "faults", None)
            seen = await _clients(store, whole)
        over = begin + storm
        requests = len(server.requests)
        budget = 500 // 5
        assert requests <= 1.1 * seen.calls + budget
        after = sorted(moment - over for moment in seen.succeeded if moment > over)
        assert after[0] < 2 * cap
        late = [moment for moment in after if moment > 2 * cap]
        expected = CLIENTS / PAUSE * (whole - storm - 2 * cap)
        assert len(late) > 0.5 * expected, "2 x the cap after the storm, not everything works again"
        arrivals = Counter(int((request.time - over) / WINDOW) for request in server.requests if request.time > over)
        assert max(arrivals.values()) <= 2 * CLIENTS * WINDOW / PAUSE, "a thundering herd"
        assert set(seen.failed) <= {"BudgetExhausted", "Throttled", "DeadlineExceeded"}
        figure(
            "A storm of refusals, then health: 16 clients, 160 calls a second",
            f"S3 on the scripted server, {status}",
            **{
                "storm, s": storm,
                "calls": seen.calls,
                "requests": requests,
                "requests a call": requests / seen.calls,
                "recovered after, s": after[0],
                "twice the cap, s": 2 * cap,
                "most arrivals in 0.5 s": max(arrivals.values()),
            },
        )
