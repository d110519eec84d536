"""What clients do to a store while it goes wrong, and what they must never see."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asynczarr as az
from asynczarr.store.base import Store
from asynczarr.types import ByteRange, Version

__all__ = ["Tally", "count_alone", "count_together"]


@dataclass(slots=True)
class Tally:
    """What came of conditional writes.

    Attributes:
        writes: how many were asked for.
        succeeded: how many were acknowledged.
        conflicts: how many were refused because of another writer.
        false_conflicts: refusals where there was no other writer.
        unknown: ``OutcomeUnknown``, which was then looked up.
        failed: other errors, which were then looked up.
        lost_updates: acknowledged writes of which nothing was left.
    """

    writes: int = 0
    succeeded: int = 0
    conflicts: int = 0
    false_conflicts: int = 0
    unknown: int = 0
    failed: int = 0
    lost_updates: int = 0


async def count_alone(store: Store, writes: int, *, clients: int = 8, prefix: str = "alone") -> Tally:
    """Each client counts up keys of its own by create and compare-and-swap: no refusal would be true."""
    tally = Tally()
    length = min(50, writes // clients)

    async def client(number: int) -> None:
        for key in range(writes // clients // length):
            await _chain(store, f"{prefix}/{number}/{key}", length, tally)

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(client(number))
    return tally


async def _chain(store: Store, key: str, length: int, tally: Tally) -> None:
    version: Version | None = None
    for count in range(length):
        tally.writes += 1
        try:
            version = await store.set(key, b"%d" % count, create=version is None, if_version=version)
            tally.succeeded += 1
        except (az.AlreadyExists, az.PreconditionFailed):
            tally.false_conflicts += 1
            return
        except az.StoreError as error:
            tally.unknown += isinstance(error, az.OutcomeUnknown)
            tally.failed += not isinstance(error, az.OutcomeUnknown)
            found, version = await _look(store, key)
            if found not in (count, count - 1 if count else None):
                tally.lost_updates += 1
                return
            if found != count:
                version = await _again(store, key, count, version)
    found, _ = await _look(store, key)
    tally.lost_updates += found != length - 1
    await _patient(lambda: store.delete(key))


async def _again(store: Store, key: str, count: int, version: Version | None) -> Version | None:
    """Write what was not written; here a conflict may be our own earlier attempt that has landed late."""
    while True:
        try:
            return await store.set(key, b"%d" % count, create=version is None, if_version=version)
        except az.StoreError:
            found, version = await _look(store, key)
            if found == count:
                return version


async def _look(store: Store, key: str) -> tuple[int | None, Version | None]:
    parts = await _patient(lambda: store.get_ranges(key, [ByteRange()]))
    return (None, None) if parts is None else (int(bytes(parts.data[0])), parts.version)


async def _patient(call):
    while True:
        try:
            return await call()
        except az.StoreError:
            await asyncio.sleep(0.01)


async def count_together(store: Store, increments: int, *, clients: int = 8, key: str = "together") -> Tally:
    """All clients count up one key: what it holds in the end is how often somebody was told that it was counted."""
    tally = Tally()
    await _patient(lambda: store.set(key, b"0"))
    landed: list[int] = []

    async def client() -> None:
        for _ in range(increments // clients):
            while True:
                found, version = await _look(store, key)
                assert found is not None
                tally.writes += 1
                try:
                    await store.set(key, b"%d" % (found + 1), if_version=version)
                    tally.succeeded += 1
                    landed.append(found + 1)
                    break
                except az.PreconditionFailed:
                    tally.conflicts += 1
                except az.OutcomeUnknown:
                    tally.unknown += 1
                except az.StoreError:
                    tally.failed += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    found, _ = await _look(store, key)
    assert found is not None
    assert found <= tally.succeeded + tally.unknown + tally.failed, "something was counted twice"
    told_twice = len(landed) - len(set(landed))  # two writers were told that the same count is theirs
    tally.lost_updates = max(told_twice, tally.succeeded - found)
    return tally
