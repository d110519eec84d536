"""Conditional writes under faults: no false conflict, no write that happens twice, and no guess."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from asynczarr.errors import (
    AlreadyExists,
    AttemptTimeout,
    ConnectionFailed,
    DeadlineExceeded,
    Forbidden,
    OutcomeUnknown,
    PreconditionFailed,
    Throttled,
    Unavailable,
)
from asynczarr.middleware import Deadline, Idempotency, Retry, RetryBudget, Wrapper
from asynczarr.middleware.idempotency import LINEAGE, WRITE_ID
from asynczarr.middleware.lineage import Mark
from asynczarr.store import MemoryStore
from asynczarr.types import ByteRange

from .kit import Scripted, lost, policy, twice, virtual

AMBIGUOUS = [Unavailable, ConnectionFailed, AttemptTimeout]


def around(store, **options):
    chosen = policy(**options)
    return Idempotency(Retry(store, policy=chosen), policy=chosen, new_id=lambda: "mine")


@virtual
async def test_plain_writes_are_left_alone():
    store = Scripted(Unavailable("no"))
    await around(store).set("k", b"v", metadata={"a": "b"})
    assert store.calls == ["set", "set"]
    assert dict((await store.inner.head("k")).metadata) == {"a": "b"}
    await around(store).delete("k")
    assert store.calls == ["set", "set", "delete"]


@virtual
async def test_the_mark_joins_the_callers_metadata():
    store = Scripted()
    version = await around(store).set("k", b"v", create=True, metadata={"a": "b"})
    assert dict((await store.inner.head("k")).metadata) == {"a": "b", WRITE_ID: "mine", LINEAGE: "- -"}
    await Idempotency(store).set("k", b"w", if_version=version)
    marks = (await store.inner.head("k")).metadata
    assert len(marks[WRITE_ID]) == 32
    assert int(marks[WRITE_ID], 16) != 0
    assert marks[LINEAGE] == f"{version} ?"  # this object has not seen what it replaced
    assert store.calls == ["set", "set"]


@pytest.mark.parametrize("error", AMBIGUOUS)
@virtual
async def test_a_lost_answer_is_found_again(error):
    store = Scripted(lost(error("no")))
    version = await around(store).set("k", b"v", create=True)
    assert version == (await store.inner.head("k")).version
    assert store.calls == ["set", "head"]
    store.calls.clear()
    store.script += [lost(error("no"))]
    swapped = await around(store).set("k", b"w", if_version=version)
    assert swapped == (await store.inner.head("k")).version
    assert swapped != version
    assert store.calls == ["set", "head"]


@pytest.mark.parametrize("error", AMBIGUOUS)
@virtual
async def test_a_lost_request_is_sent_again(error):
    store = Scripted(error("no"))
    version = await store.inner.set("k2", b"v")
    await around(store).set("k", b"v", create=True)
    assert store.calls == ["set", "head", "set"]
    store.script += [error("no")]
    await around(store).set("k2", b"w", if_version=version)
    assert store.calls == ["set", "head", "set"] * 2
    assert await store.inner.get("k2") == b"w"


@virtual
async def test_a_transport_that_sends_twice_makes_no_conflict():
    store = Scripted(twice())
    version = await around(store).set("k", b"v", create=True)
    assert store.calls == ["set", "head"]  # the first answer that is seen is a conflict
    store.script += [twice()]
    assert await Idempotency(store).set("k", b"w", if_version=version) != version
    assert store.calls == ["set", "head"] * 2


@virtual
async def test_a_true_conflict_stays_one():
    store = Scripted()
    version = await store.inner.set("k", b"theirs")
    with pytest.raises(AlreadyExists):
        await around(store).set("k", b"v", create=True)
    with pytest.raises(PreconditionFailed) as caught:
        await around(store).set("k", b"v", if_version="another")
    assert caught.value.attempts == 1
    assert store.calls == ["set", "head"] * 2
    await store.inner.delete("k")
    with pytest.raises(PreconditionFailed):
        await around(store).set("k", b"v", if_version=version)
    assert store.calls == ["set", "head"] * 3


@virtual
async def test_a_conflict_is_never_guessed():
    store = Scripted(None, *(Unavailable("no head") for _ in range(6)))
    await store.inner.set("k", b"theirs")
    with pytest.raises(Unavailable, match="no head"):
        await around(store).set("k", b"v", create=True)
    assert store.calls == ["set"] + ["head"] * 6
    store.script += [None, Forbidden("no head")]
    with pytest.raises(Forbidden):
        await around(store).set("k", b"v", create=True)


@virtual
async def test_a_conflict_that_is_none_is_tried_again():
    """S3 answers 409 while another conditional request is in flight, which may fail."""
    store = Scripted(AlreadyExists("in flight"))
    await around(store).set("k", b"v", create=True)
    assert store.calls == ["set", "head", "set"]


@virtual
async def test_read_back_is_repeated_too():
    store = Scripted(lost(ConnectionFailed("no")), Unavailable("no"), Unavailable("no"))
    await around(store).set("k", b"v", create=True)
    assert store.calls == ["set", "head", "head", "head"]


@virtual
async def test_what_nobody_answers_is_unknown():
    store = Scripted(*(ConnectionFailed("no") for _ in range(99)))
    with pytest.raises(OutcomeUnknown) as caught:
        await around(store).set("k", b"v", create=True)
    assert caught.value.write_id == "mine"
    assert isinstance(caught.value.__cause__, ConnectionFailed)
    assert store.calls == ["set"] + ["head"] * 6  # the reading back has spent the attempts
    assert caught.value.attempts == 7
    assert (caught.value.store, caught.value.key) == ("memory://", "k")


@virtual
async def test_attempts_end_unknown_even_if_reading_back_works():
    async def silence(send):
        raise ConnectionFailed("no")

    store = Scripted(*[silence, None] * 6)
    with pytest.raises(OutcomeUnknown) as caught:
        await around(store).set("k", b"v", create=True)
    assert store.calls == ["set", "head"] * 6
    assert caught.value.attempts == 6
    assert await store.inner.get("k") is None


@virtual
async def test_an_unknown_outcome_can_be_taken_up_again():
    store = Scripted(lost(ConnectionFailed("no")), *(ConnectionFailed("no") for _ in range(6)))
    with pytest.raises(OutcomeUnknown) as caught:
        await around(store).set("k", b"v", create=True)
    version = await Idempotency(store).set("k", b"v", create=True, metadata={WRITE_ID: caught.value.write_id})
    assert version == (await store.inner.head("k")).version


@virtual
async def test_a_proven_loser_is_told_so():
    """The request was lost, and another writer has replaced the very version that was to be replaced."""
    store = Scripted()
    old = await store.inner.set("k", b"old")

    async def beaten(send):
        await Idempotency(store.inner).set("k", b"theirs", if_version=old)
        raise ConnectionFailed("no")

    store.script += [beaten]
    with pytest.raises(PreconditionFailed) as caught:
        await around(store).set("k", b"v", if_version=old)
    assert isinstance(caught.value.__cause__, ConnectionFailed)
    assert store.calls == ["set", "head"]


async def overwrite_twice(store):
    """Two other writers replace what they have read."""
    for value in (b"theirs", b"theirs too"):
        other = Idempotency(store)
        parts = await other.get_ranges("k", [ByteRange()])
        await other.set("k", value, if_version=parts.version)


@pytest.mark.parametrize("fault", ["lost", "twice"])
@virtual
async def test_an_overwritten_write_is_found_among_the_past(fault):
    """The write happened, its answer was lost, and two other writers came before it could be read back."""
    store = Scripted()
    old = await store.inner.set("k", b"old")
    made = []

    async def overwritten(send):
        made.append(await send())
        await overwrite_twice(store.inner)
        if fault == "twice":
            await send()
        raise ConnectionFailed("no")

    store.script += [overwritten]
    assert await around(store).set("k", b"v", if_version=old) == made[0]
    assert store.calls == ["set", "head"]
    assert await store.inner.get("k") == b"theirs too"


class Spaced(Wrapper):
    """Its versions have a space, as those of obstore: an ETag and a generation."""

    async def set(self, key, value, *, create=False, if_version=None, metadata=None):
        bare = None if if_version is None else if_version.removeprefix('"100%" ')
        return f'"100%" {await self.inner.set(key, value, create=create, if_version=bare, metadata=metadata)}'

    async def head(self, key):
        info = await self.inner.head(key)
        return replace(info, version=f'"100%" {info.version}')

    async def get_ranges(self, key, ranges, *, if_version=None):
        parts = await self.inner.get_ranges(key, ranges)
        return replace(parts, version=f'"100%" {parts.version}')


@virtual
async def test_versions_with_spaces_in_the_lineage():
    store = Scripted(inner=Spaced(MemoryStore()))
    old = await store.inner.set("k", b"old")
    made = []

    async def overwritten(send):
        made.append(await send())
        await overwrite_twice(store.inner)
        raise ConnectionFailed("no")

    store.script += [overwritten]
    assert await around(store).set("k", b"v", if_version=old) == made[0]
    assert await store.inner.get("k") == b"theirs too"
    plain = Mark("id", 'abc-1/+"=').stamps({})
    assert plain[LINEAGE] == 'abc-1/+"= -'  # as it always was


@virtual
async def test_doubt_from_below_carries_the_id():
    store = Scripted(lost(OutcomeUnknown("no replica has it")))
    with pytest.raises(OutcomeUnknown, match="replica") as caught:
        await around(store).set("k", b"v", create=True)
    assert (caught.value.write_id, store.calls) == ("mine", ["set"])
    assert (await store.inner.head("k")).metadata[WRITE_ID] == "mine"


@virtual
async def test_a_lineage_is_bounded():
    store = Idempotency(MemoryStore())
    versions = [await store.set("k", b"0", create=True, metadata={WRITE_ID: "id0"})]
    for number in range(1, 20):
        marks = {WRITE_ID: f"id{number}"}
        versions.append(await store.set("k", b"%d" % number, if_version=versions[-1], metadata=marks))
    past = (await store.head("k")).metadata[LINEAGE].split(" ")
    assert past[::2] == versions[-2:-10:-1]
    assert past[1::2] == [f"id{number}" for number in range(18, 10, -1)]


@virtual
async def test_a_lineage_is_that_of_the_version_that_is_replaced():
    """What was seen of another version of the key says nothing."""
    store = Idempotency(MemoryStore())
    await store.set("k", b"1", create=True, metadata={WRITE_ID: "seen"})
    version = await store.inner.set("k", b"2")
    await store.set("k", b"3", if_version=version)
    assert (await store.head("k")).metadata[LINEAGE] == f"{version} ?"
    version = await store.inner.set("k", b"4")
    await store.get_ranges("k", [])
    await store.set("k", b"5", if_version=version)
    assert (await store.head("k")).metadata[LINEAGE] == f"{version} -"  # seen, and nobody's


@virtual
async def test_an_overwritten_write_without_a_trace_is_unknown_not_a_conflict():
    """The same, and the other writer did not see what it replaced."""
    store = Scripted()
    old = await store.inner.set("k", b"old")

    async def overwritten(send):
        await Idempotency(store.inner).set("k", b"theirs", if_version=await send())
        raise ConnectionFailed("no")

    store.script += [overwritten]
    with pytest.raises(OutcomeUnknown):
        await around(store).set("k", b"v", if_version=old)
    assert store.calls == ["set", "head"]


@virtual
async def test_a_throttled_write_is_not_read_back_before_its_time():
    store = Scripted(Throttled("slow down"), Throttled("slow down"))
    await around(store).set("k", b"v", create=True)
    assert store.calls == ["set", "set", "set"]
    store.script += [lost(Throttled("slow down, but done"))]
    await around(store).set("k2", b"v", create=True)
    assert store.calls[3:] == ["set", "set", "head"]


@virtual
async def test_never_sent_is_no_doubt():
    store = Scripted(*(ConnectionFailed("no", sent=False) for _ in range(6)))
    with pytest.raises(ConnectionFailed) as caught:
        await around(store).set("k", b"v", create=True)
    assert store.calls == ["set"] * 6
    assert caught.value.attempts == 6


@virtual
async def test_without_metadata_there_is_one_attempt():
    store = Scripted(lost(ConnectionFailed("no")), metadata=False)
    with pytest.raises(OutcomeUnknown) as caught:
        await around(store).set("k", b"v", create=True)
    assert caught.value.write_id is None
    assert store.calls == ["set"]
    with pytest.raises(AlreadyExists):
        await around(store).set("k", b"v", create=True)
    store.script += [ConnectionFailed("no", sent=False)]
    await around(store).set("k2", b"v", create=True)
    assert store.calls == ["set"] * 4


@virtual
async def test_a_conditional_delete():
    store = Scripted()
    version = await store.inner.set("k", b"v")
    with pytest.raises(PreconditionFailed):
        await around(store).delete("k", if_version="another")
    assert store.calls == ["delete"]
    store.script += [ConnectionFailed("no")]
    await around(store).delete("k", if_version=version)
    assert store.calls[1:] == ["delete", "head", "delete"]
    assert await store.inner.get("k") is None


@virtual
async def test_a_conditional_delete_without_an_answer_is_unknown():
    store = Scripted(lost(ConnectionFailed("no")))
    version = await store.inner.set("k", b"v")
    with pytest.raises(OutcomeUnknown) as caught:
        await around(store).delete("k", if_version=version)
    assert caught.value.write_id is None
    assert store.calls == ["delete", "head"]


@virtual
async def test_a_delete_that_lost_a_race_is_told_so():
    store = Scripted()
    version = await store.inner.set("k", b"v")

    async def beaten(send):
        await Idempotency(store.inner).set("k", b"theirs", if_version=version)
        raise ConnectionFailed("no")

    store.script += [beaten]
    with pytest.raises(PreconditionFailed):
        await around(store).delete("k", if_version=version)


@virtual
async def test_budget_and_deadline_leave_the_outcome_unknown():
    async def silence(send):
        raise ConnectionFailed("no")

    store = Scripted(*[silence, None] * 9)
    with pytest.raises(OutcomeUnknown) as caught:
        await around(store, budget=RetryBudget(20)).set("k", b"v", create=True)
    assert store.calls == ["set", "head"] * 2
    assert type(caught.value.__cause__).__name__ == "BudgetExhausted"
    store = Scripted(*[silence, None] * 9)
    with pytest.raises(OutcomeUnknown) as caught:
        await Deadline(around(store, transient=8.0, rand=lambda: 1.0), total=10.0).set("k", b"v", create=True)
    assert store.calls == ["set", "head"] * 2
    assert isinstance(caught.value.__cause__, DeadlineExceeded)


@pytest.mark.parametrize("verb", ["create", "swap", "delete"])
@virtual
async def test_cancelled_at_every_turn(verb):
    """Cancelled anywhere, the write has happened once or not at all, and nothing is left running."""
    for moment in range(60):
        inner = MemoryStore()
        old = None if verb == "create" else await inner.set("k", b"old")
        store = Scripted(ConnectionFailed("no"), None, lost(ConnectionFailed("no")), inner=inner)
        ours = around(store, rand=lambda: 0.0)
        if verb == "delete":
            task = asyncio.create_task(ours.delete("k", if_version=old))
        else:
            task = asyncio.create_task(ours.set("k", b"new", create=verb == "create", if_version=old))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        value = await inner.get("k")
        assert value in (b"old" if old else None, None if verb == "delete" else b"new")
        assert len(asyncio.all_tasks()) == 1
        if not task.cancelled():
            error = task.exception()
            assert isinstance(error, OutcomeUnknown) if verb == "delete" else error is None
            return
    raise AssertionError("it never ended")
