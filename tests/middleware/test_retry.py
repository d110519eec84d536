"""What is tried again, how often, when, and what it costs."""

from __future__ import annotations

import asyncio
import random

import pytest

from asynczarr.errors import (
    AlreadyExists,
    AttemptTimeout,
    BudgetExhausted,
    ConnectionFailed,
    DeadlineExceeded,
    Forbidden,
    IntegrityError,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
    QuotaExceeded,
    StoreClosed,
    Throttled,
    Truncated,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from asynczarr.middleware import Deadline, Retry, RetryBudget
from asynczarr.store import MemoryStore
from asynczarr.types import ByteRange

from .kit import Scripted, lost, policy, virtual

PASSING = [Unavailable, ConnectionFailed, AttemptTimeout, Truncated, Throttled, IntegrityError]
FINAL = [
    *(NotFound, AlreadyExists, PreconditionFailed, Forbidden, Unauthenticated, Unsupported, StoreClosed),
    *(QuotaExceeded, OutcomeUnknown, DeadlineExceeded, BudgetExhausted),
]

VERBS = {
    "get": lambda store: store.get("k"),
    "get_ranges": lambda store: store.get_ranges("k", [ByteRange(0, 1)]),
    "head": lambda store: store.head("k"),
    "set": lambda store: store.set("k", b"v"),
    "delete": lambda store: store.delete("k"),
    "delete_many": lambda store: store.delete_many(["k"]),
}
CONDITIONAL = {
    "create": lambda store: store.set("new", b"v", create=True),
    "swap": lambda store: store.set("k", b"v", if_version="0"),
    "delete": lambda store: store.delete("k", if_version="0"),
}


@pytest.mark.parametrize("error", PASSING)
@pytest.mark.parametrize("verb", VERBS)
@virtual
async def test_what_may_pass_is_tried_again(verb, error):
    store = Scripted(error("no"))
    await VERBS[verb](Retry(store, policy=policy()))
    assert store.calls == [verb] * 2


@pytest.mark.parametrize("error", FINAL)
@pytest.mark.parametrize("verb", VERBS)
@virtual
async def test_what_will_not_pass_is_not_tried_again(verb, error):
    store = Scripted(error("no"))
    with pytest.raises(error) as caught:
        await VERBS[verb](Retry(store, policy=policy()))
    assert store.calls == [verb]
    assert (caught.value.attempts, caught.value.elapsed) == (1, 0)


@pytest.mark.parametrize("error", PASSING)
@pytest.mark.parametrize("verb", CONDITIONAL)
@virtual
async def test_conditional_writes_are_not_repeated_blindly(verb, error):
    store = Scripted(error("no"))
    with pytest.raises(error):
        await CONDITIONAL[verb](Retry(store, policy=policy()))
    assert len(store.calls) == 1


@pytest.mark.parametrize("error", [ConnectionFailed, AttemptTimeout])
@virtual
async def test_what_was_never_sent_is_always_repeated(error):
    store = Scripted(*(error("no", sent=False) for _ in range(5)))
    await Retry(store, policy=policy()).set("new", b"v", create=True)
    assert store.calls == ["set"] * 6


@virtual
async def test_a_conditional_read_is_a_read():
    store = Scripted(None, Unavailable("no"))
    version = await store.set("k", b"v")
    parts = await Retry(store, policy=policy()).get_ranges("k", [ByteRange()], if_version=version)
    assert bytes(parts.data[0]) == b"v"
    assert store.calls == ["set", "get_ranges", "get_ranges"]


@pytest.mark.parametrize(("key", "attempts"), [("c/0/0", 6), ("a/zarr.json", 8), (".zattrs", 8), ("notzarr.json", 6)])
@virtual
async def test_attempts_end(key, attempts):
    error = Unavailable("the last")
    store = Scripted(*(Unavailable("no") for _ in range(attempts - 1)), error, None)
    with pytest.raises(Unavailable) as caught:
        await Retry(store, policy=policy(document_attempts=8)).get(key)
    assert caught.value is error
    assert store.calls == ["get"] * attempts
    assert error.attempts == attempts
    assert error.elapsed == pytest.approx(store.times[-1] - store.times[0])


@virtual
async def test_the_schedule_is_full_jitter():
    rng = random.Random(7)
    same = random.Random(7)
    chosen = policy(rand=rng.random, attempts=20)
    store = Scripted(*(Unavailable("no") for _ in range(19)))
    await Retry(store, policy=chosen).get("k")
    expected = [same.random() * min(20.0, 0.05 * 2**n) for n in range(19)]
    assert chosen.clock.slept == pytest.approx(expected)
    assert [b - a for a, b in zip(store.times, store.times[1:], strict=False)] == pytest.approx(expected)


@virtual
async def test_throttling_backs_off_further_and_hears_what_is_asked():
    asked = [None, 0.0, 3.0, 1000.0, -1.0]
    chosen = policy()
    store = Scripted(*(Throttled("slow down", retry_after=seconds) for seconds in asked))
    await Retry(store, policy=chosen).get("k")
    assert chosen.clock.slept == pytest.approx([0.5 + 0, 1 + 0, 2 + 3, 4 + 5, 8 + 0])
    assert store.calls == ["get"] * 6


@virtual
async def test_wrong_bytes_are_read_once_more():
    store = Scripted(IntegrityError("1"), Unavailable("2"), IntegrityError("3"), None)
    with pytest.raises(IntegrityError, match="3"):
        await Retry(store, policy=policy()).get("k")
    assert store.calls == ["get"] * 3


@virtual
async def test_the_budget_pays_for_retries():
    budget = RetryBudget(100)
    store = Scripted(Unavailable("1"), Unavailable("2"))
    await Retry(store, policy=policy(budget=budget)).get("k")
    assert budget.tokens == 100 - 14  # the retry that helped is free, the one before it is not
    for left in range(14, 0, -1):
        await Retry(store, policy=policy(budget=budget)).get("k")
        assert budget.tokens == 100 - left + 1
    await Retry(store, policy=policy(budget=budget)).get("k")
    assert budget.tokens == 100
    store.script += [Throttled("1"), Throttled("2")]
    await Retry(store, policy=policy(budget=budget)).get("k")
    assert budget.tokens == 95


@virtual
async def test_an_empty_budget_ends_it_with_the_cause():
    budget = RetryBudget(30)
    store = Scripted(*(Unavailable(str(n)) for n in range(9)))
    retry = Retry(store, policy=policy(budget=budget))
    with pytest.raises(BudgetExhausted) as caught:
        await retry.get("k")
    assert store.calls == ["get"] * 3
    assert isinstance(caught.value.__cause__, Unavailable)
    assert caught.value.__cause__.reason == "2"
    assert (caught.value.attempts, caught.value.key, caught.value.store) == (3, "k", "memory://")
    with pytest.raises(BudgetExhausted):
        await retry.get("k")
    assert store.calls == ["get"] * 4


@virtual
async def test_a_storm_costs_a_bounded_number_of_requests():
    budget = RetryBudget()
    store = Scripted(*(Throttled("slow down") for _ in range(10_000)))
    retry = Retry(store, policy=policy(budget=budget, rand=random.Random(1).random))
    results = await asyncio.gather(*(retry.get(f"{n}") for n in range(1000)), return_exceptions=True)
    assert all(isinstance(result, BudgetExhausted | Throttled) for result in results)
    assert len(store.calls) <= 1000 + 500 // 5


def test_a_budget_never_holds_more_than_at_first():
    budget = RetryBudget(100)
    assert budget.take(5)
    budget.give(14)
    assert budget.tokens == 100
    assert not budget.take(101)
    assert budget.tokens == 100


def test_budgets_are_shared_by_endpoint():
    budget = RetryBudget.of("s3://bucket/a/b")
    assert RetryBudget.of("s3://bucket") is budget
    assert RetryBudget.of("s3://bucket/c?x=1") is budget
    assert RetryBudget.of("s3://other/a") is not budget
    assert RetryBudget.of("gs://bucket/a") is not budget


def test_a_budget_is_shared_by_loops():
    class Same(MemoryStore):
        url = "test://two-loops/x"

    def run() -> int:
        async def main() -> int:
            store = Scripted(Unavailable("1"), Unavailable("2"), inner=Same())
            chosen = policy(budget=None, rand=lambda: 0.0)
            await Retry(store, policy=chosen).get("k")
            return len(store.calls)

        return asyncio.run(main())

    budget = RetryBudget.of("test://two-loops")
    assert [run(), run()] == [3, 3]
    assert budget.tokens == 500 - 2 * 14


@virtual
async def test_no_pause_crosses_the_deadline():
    chosen = policy(rand=lambda: 1.0, transient=4.0)
    store = Scripted(*(Unavailable(str(n)) for n in range(9)))
    begun = asyncio.get_running_loop().time()
    with pytest.raises(DeadlineExceeded) as caught:
        await Deadline(Retry(store, policy=chosen), total=20.0).get("k")
    assert chosen.clock.slept == [4.0, 8.0]  # 16 more would end after 28 s
    assert asyncio.get_running_loop().time() - begun == 12.0
    assert store.calls == ["get"] * 3
    assert isinstance(caught.value.__cause__, Unavailable)
    assert (caught.value.attempts, caught.value.elapsed) == (3, 12.0)


@pytest.mark.parametrize("error", [lost(ConnectionFailed("no")), Unavailable("no")])
@virtual
async def test_a_repeated_delete_finds_nothing_and_is_content(error):
    store = Scripted(None, error)
    await store.set("k", b"v")
    await Retry(store, policy=policy()).delete("k")
    assert await store.inner.get("k") is None
    assert store.calls == ["set", "delete", "delete"]


@virtual
async def test_many_deletes_get_through_where_one_in_ten_fails():
    class Single(MemoryStore):
        failing = random.Random(3)
        requests = 0

        async def delete(self, key, *, if_version=None):
            self.requests += 1
            if self.failing.random() < 0.1:
                raise ConnectionFailed("no")
            await super().delete(key, if_version=if_version)

    store = Single()
    keys = [f"k{number}" for number in range(2500)]
    for key in keys:
        await store.set(key, b"")
    await Retry(store, policy=policy(budget=RetryBudget(10**9))).delete_many(keys)
    assert [key async for key in store.list()] == []
    assert store.requests < 2 * len(keys)


@virtual
async def test_a_batch_delete_stays_a_batch():
    store = Scripted()
    sizes = []

    async def count(keys):
        sizes.append(len(keys))

    store.inner.delete_many = count
    await Retry(store, policy=policy()).delete_many([str(number) for number in range(2500)])
    assert sizes == [1000, 1000, 500]
    assert store.calls == ["delete_many"] * 3


@pytest.mark.parametrize("verb", VERBS)
@virtual
async def test_cancelled_at_every_turn(verb):
    """Cancelled while an attempt or a pause runs, it ends at once, and the budget is as it was or has paid."""
    for moment in range(40):
        store = Scripted(Unavailable("1"), Unavailable("2"))
        budget = RetryBudget()
        task = asyncio.create_task(VERBS[verb](Retry(store, policy=policy(budget=budget))))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or (task.done() and task.exception() is None)
        assert budget.tokens in (500, 500 - 14, 500 - 28)
        assert len(asyncio.all_tasks()) == 1
        if not task.cancelled():
            break
