"""What middleware tells of retries, budgets, hedges and the like."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from asynczarr.errors import BudgetExhausted, StoreError, Throttled, Truncated, Unavailable
from asynczarr.middleware.base import Wrapper
from asynczarr.middleware.budget import RetryBudget
from asynczarr.middleware.cache import Cache
from asynczarr.middleware.chunk_cache import ChunkCache
from asynczarr.middleware.default import stack
from asynczarr.middleware.hedge import Hedge
from asynczarr.middleware.idempotency import Idempotency
from asynczarr.middleware.limit import Limit
from asynczarr.middleware.policy import RetryPolicy
from asynczarr.middleware.resume import Resume
from asynczarr.middleware.retry import Retry
from asynczarr.middleware.telemetry import Telemetry
from asynczarr.middleware.throttle import Throttle
from asynczarr.store import MemoryStore
from asynczarr.telemetry import events, subscribe
from asynczarr.types import ByteRange


@pytest.fixture
def seen():
    found: list[Any] = []
    with subscribe(found.append):
        yield found


def of(seen: list[Any], *kinds: type) -> list[Any]:
    return [event for event in seen if isinstance(event, kinds)]


class Failing(Wrapper):
    """Raises the errors that it is given, one a request, before or after the request is done."""

    def __init__(self, *errors: StoreError | None, after: bool = False) -> None:
        super().__init__(MemoryStore())
        self.errors = list(errors)
        self.after = after

    async def around(self, request, send):
        error = self.errors.pop(0) if self.errors else None
        if error is not None and not self.after:
            raise error
        result = await send()
        if error is not None:
            raise error
        return result

    async def list(self, prefix=""):
        for error in self.errors[:1]:
            del self.errors[0]
            raise error
        yield "a"


def policy(**options: Any) -> RetryPolicy:
    return RetryPolicy(**{"rand": lambda: 0.01, "budget": RetryBudget(), **options})


async def test_attempts_retries_and_the_budget(seen: list[Any]) -> None:
    store = Telemetry(Retry(Failing(Unavailable("one"), Throttled("two", retry_after=0.01)), policy=policy()))
    assert await store.get("k") is None
    (start,), (stop,) = of(seen, events.RequestStart), of(seen, events.RequestStop)
    assert stop.attempts == 3
    attempts = of(seen, events.Attempt)
    assert [(event.number, event.error) for event in attempts] == [(1, "Unavailable"), (2, "Throttled"), (3, "")]
    retries = of(seen, events.Retry)
    assert [(event.number, event.error) for event in retries] == [(1, "Unavailable"), (2, "Throttled")]
    assert 0.01 <= retries[1].delay <= 0.03
    assert stop.duration >= sum(event.delay for event in retries)
    assert [(event.cost, event.left, event.refused) for event in of(seen, events.RetryBudget)] == [
        (14, 486, False),
        (5, 481, False),
    ]
    assert all(event.parent == start.span for event in seen if event not in (start, stop))
    assert all(event.key == "k" and event.verb == "get" for event in (*attempts, *retries))


async def test_a_spent_budget_is_told(seen: list[Any]) -> None:
    store = Telemetry(Retry(Failing(Unavailable("down")), policy=policy(budget=RetryBudget(3))))
    with pytest.raises(BudgetExhausted):
        await store.get("k")
    (asked,) = of(seen, events.RetryBudget)
    assert (asked.refused, asked.left) == (True, 3)
    assert not of(seen, events.Retry)
    (failed,) = of(seen, events.RequestFailed)
    assert (failed.error, failed.attempts) == ("BudgetExhausted", 1)


@pytest.mark.parametrize("inside", [True, False])
async def test_an_attempt_is_told_once_however_many_retry(seen: list[Any], inside: bool) -> None:
    failing = Failing(Unavailable("the answer is lost"), after=True)
    inner = Retry(failing, policy=policy()) if inside else failing
    store = Telemetry(Idempotency(inner, policy=policy()))
    assert await store.set("k", b"1", create=True) is not None
    told = [(event.verb, event.error) for event in of(seen, events.Attempt)]
    # Without Retry nobody tells of reading back: it is a part of the attempt.
    assert told == ([("set", "Unavailable"), ("head", "")] if inside else [("set", "")])
    (stop,) = of(seen, events.RequestStop)
    assert stop.attempts == (2 if inside else 1)


async def test_a_listing_that_is_begun_anew(seen: list[Any]) -> None:
    store = Telemetry(Retry(Failing(Unavailable("down")), policy=policy()))
    assert [key async for key in store.list()] == ["a"]
    (attempt,) = of(seen, events.Attempt)
    (retry,) = of(seen, events.Retry)
    (stop,) = of(seen, events.RequestStop)
    assert (attempt.number, retry.number, stop.nbytes) == (2, 1, 1)
    assert attempt.parent == retry.parent == stop.span


async def test_a_body_that_is_continued(seen: list[Any]) -> None:
    inner = MemoryStore()
    version = await inner.set("k", b"0123456789")

    class Breaks(Wrapper):
        async def get(self, key, byte_range=None):
            error = Truncated("broken off", store=self.url, key=key)
            error.received, error.version = b"0123", version
            raise error

    assert await Telemetry(Resume(Breaks(inner))).get("k") == b"0123456789"
    (resumed,) = of(seen, events.Resume)
    assert (resumed.key, resumed.nbytes, resumed.error) == ("k", 4, "Truncated")


async def test_throttling(seen: list[Any]) -> None:
    store = Throttle(Failing(Throttled("slow down", retry_after=0.02)), share="test_throttling")
    with pytest.raises(Throttled):
        await store.get("k")
    (told,) = of(seen, events.Throttle)
    assert told.delay == 0.02
    assert told.rate > 0


async def test_waiting_for_room(seen: list[Any]) -> None:
    class Slow(Wrapper):
        async def around(self, request, send):
            await asyncio.sleep(0.02)
            return await send()

    store = Limit(Slow(MemoryStore()), requests=1, share="test_waiting_for_room")
    ask = [ByteRange(0, 10)]
    await store.get_ranges("a", ask)
    assert not seen  # it did not wait
    await asyncio.gather(*(store.get_ranges(key, ask) for key in "abc"))
    told = of(seen, events.Limit)
    assert [(event.verb, event.key, event.requests, event.nbytes) for event in told] == [
        *[("get_ranges", "b", 1, 10), ("get_ranges", "c", 1, 10)]
    ]
    assert 0.01 < told[0].delay < told[1].delay
    seen.clear()
    tasks = [asyncio.create_task(store.head("a")) for _ in range(2)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert not of(seen, events.Limit)  # it never began


async def test_hedging(seen: list[Any]) -> None:
    class Sometimes(Wrapper):
        slow = False

        async def get(self, key, byte_range=None):
            slow, self.slow = self.slow, False
            await asyncio.sleep(10 if slow else 0)
            return b"1"

    inner = Sometimes(MemoryStore())
    store = Hedge(inner, least=1, window=10, extra=1.0)
    await store.get("k")
    seen.clear()
    inner.slow = True
    assert await store.get("k") == b"1"
    (told,) = of(seen, events.Hedge)
    assert 0 < told.delay < 1


async def test_a_cache_of_values(seen: list[Any]) -> None:
    store = Cache(MemoryStore(), max_bytes=1000)
    for key in ("a", "b"):
        await store.set(key, bytes(500))
    for key in ("a", "a", "b"):
        await store.get(key)
    told = [(type(event).__name__, event.cache, event.key) for event in seen]
    assert told == [
        *[("CacheMiss", "values", "a"), ("CacheHit", "values", "a"), ("CacheMiss", "values", "b")],
        ("CacheEvict", "values", "a"),
    ]
    assert seen[1].nbytes == 500
    assert seen[3].nbytes >= 500


def test_a_cache_of_chunks(seen: list[Any]) -> None:
    cache, store = ChunkCache(1000), MemoryStore()
    assert cache.get(store, "a", "1") is None
    cache.put(store, "a", "1", np.zeros(500, "u1"))
    assert cache.get(store, "a", "1") is not None
    cache.put(store, "b", "1", np.zeros(500, "u1"))
    told = [(type(event).__name__, event.cache, event.key, event.store) for event in seen]
    assert told == [
        ("CacheMiss", "chunks", "a", store.url),
        ("CacheHit", "chunks", "a", store.url),
        ("CacheEvict", "chunks", "a", ""),
    ]


async def test_the_default_stack_tells_of_calls(seen: list[Any]) -> None:
    store = stack(Failing(Unavailable("down")), policy=policy())
    assert await store.get_ranges("k", [ByteRange(0, 1)]) is None
    (stop,) = of(seen, events.RequestStop)
    assert (stop.verb, stop.attempts) == ("get_ranges", 2)
    assert len(of(seen, events.RequestStart)) == 1
