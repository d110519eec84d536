"""C1: a store in the default stack, with faults below it, against a dictionary.

What is acknowledged is read; what failed is the old value or the new one; nothing else is ever seen.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import asynczarr as az
from asynczarr.store.base import Store
from asynczarr.store.lmdb import LMDBStore
from asynczarr.testing import Fault, FaultyStore
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import seed
from asynczarr.types import ByteRange, Version

from .stores import bare, wrapped

T = TypeVar("T")
KEYS = st.sampled_from(["zarr.json", "a/zarr.json", "a/c/0", "a/c/1"])
VALUES = st.binary(max_size=20)
MISSING = None

FAULTS = [
    Fault("before", probability=0.1, times=None),
    Fault("after", probability=0.15, times=None),
    Fault("duplicate", probability=0.05, times=None),
    Fault("late", verbs=("set", "delete"), probability=0.05, times=None),
    Fault("cut", probability=0.1, times=None),
    Fault("throttle", probability=0.05, times=None),
    Fault("delay", probability=0.05, times=None),
]


class Model(RuleBasedStateMachine):
    """One client; `possible` is what a key may hold, of which there is more than one after an unknown outcome."""

    backend = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.mkdtemp()
        self.possible: dict[str, set[bytes | None]] = {}
        self.versions: dict[str, Version | None] = {}
        self.server: FaultServer | None = None
        self.faulty: FaultyStore | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it, and see that nothing was sent without a reason: a call or two, and for each fault three more."""
        before = self.sent()
        answer = self.runner.run(work)
        calls, faults = (after - first for after, first in zip(self.sent(), before, strict=True))
        assert calls <= 2 + 3 * faults
        return answer

    def sent(self) -> tuple[int, int]:
        """Calls that reached the faulty store, and faults that they have met there."""
        if self.faulty is None:
            return 0, 0
        return sum(self.faulty.calls.values()), sum(self.faulty.injected.values())

    @initialize(salt=st.integers(0, 2**16))
    def start(self, salt: int) -> None:
        self.run(self.open(salt))

    async def open(self, salt: int) -> None:
        if self.backend == "s3":
            self.server = FaultServer()
            await self.server.start()
        inner: Store = {
            "memory": lambda: az.MemoryStore(),
            "filesystem": lambda: az.FilesystemStore(self.folder + "/f", durability="none"),
            "lmdb": lambda: LMDBStore(self.folder + "/l"),
            "s3": lambda: bare(self.server),  # type: ignore[arg-type]
        }[self.backend]()
        # Without metadata nothing tells a write from its duplicate; nor has a file system a transport that sends twice.
        faults = [fault for fault in FAULTS if fault.kind != "duplicate" or inner.capabilities.metadata]
        self.faulty = FaultyStore(inner, faults, seed=seed() + salt)
        self.store = wrapped(self.faulty)

    def teardown(self) -> None:
        async def end() -> None:
            await self.store.aclose()
            if self.server is not None:
                await self.server.stop()

        self.run(end())
        self.runner.close()
        shutil.rmtree(self.folder)

    def may_be(self, key: str) -> set[bytes | None]:
        return self.possible.get(key, {MISSING})

    async def outcome(self, key: str, work: Coroutine[Any, Any, T], new: bytes | None) -> tuple[str, T | None]:
        """Do a write; afterwards `possible` is what it may have left."""
        try:
            answer = await work
        except (az.AlreadyExists, az.PreconditionFailed):
            return "refused", None
        except az.Unsupported:
            return "unsupported", None
        except az.StoreError:
            self.possible[key] = self.may_be(key) | {new}
            self.versions.pop(key, None)
            return "unknown", None
        finally:
            await self.faulty.settle()
        self.possible[key] = {new}
        return "done", answer

    @rule(key=KEYS, value=VALUES)
    def set(self, key: str, value: bytes) -> None:
        async def work() -> None:
            done, _ = await self.outcome(key, self.store.set(key, value), value)
            assert done in ("done", "unknown")
            self.versions[key] = None  # a late duplicate may have given it another one

        self.run(work())

    @rule(key=KEYS, value=VALUES)
    def create(self, key: str, value: bytes) -> None:
        async def work() -> None:
            before = self.may_be(key)
            done, version = await self.outcome(key, self.store.set(key, value, create=True), value)
            if done == "refused":
                assert before != {MISSING}, "a false conflict"
                self.possible[key] = self.may_be(key) - {MISSING}
            elif done == "done":
                assert MISSING in before, "created over a value"
                self.versions[key] = version

        self.run(work())

    @rule(key=KEYS, value=VALUES)
    def swap(self, key: str, value: bytes) -> None:
        async def work() -> None:
            version = self.versions.get(key)
            if version is None:
                return
            before = self.may_be(key)
            done, after = await self.outcome(key, self.store.set(key, value, if_version=version), value)
            if done == "refused":
                raise AssertionError("a false conflict: nobody else has written")
            if done == "done":
                assert before != {MISSING}
                self.versions[key] = after

        self.run(work())

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        async def work() -> None:
            await self.outcome(key, self.store.delete(key), MISSING)
            self.versions.pop(key, None)

        self.run(work())

    @rule(key=KEYS, start=st.integers(0, 20), length=st.integers(0, 20))
    def read(self, key: str, start: int, length: int) -> None:
        async def work() -> None:
            part = ByteRange(start, start + length)
            try:
                parts = await self.store.get_ranges(key, [ByteRange(), part, ByteRange(-3)])
            except az.StoreError:
                return
            seen = MISSING if parts is None else bytes(parts.data[0])
            assert seen in self.may_be(key)
            self.possible[key] = {seen}
            if parts is not None:
                assert [bytes(data) for data in parts.data[1:]] == [bytes(part.of(seen)), seen[-3:]]
                self.versions[key] = parts.version

        self.run(work())

    @rule(key=KEYS)
    def get_and_head(self, key: str) -> None:
        async def work() -> None:
            try:
                value = await self.store.get(key)
                info = await self.store.head(key)
            except az.StoreError:
                return
            seen = MISSING if value is None else bytes(value)
            assert seen in self.may_be(key)
            assert (info is None) == (seen is None)
            assert info is None or info.size == len(seen)
            self.possible[key] = {seen}

        self.run(work())

    @rule()
    def list(self) -> None:
        async def work() -> None:
            try:
                keys = [key async for key in self.store.list()]
            except az.StoreError:
                return
            assert len(set(keys)) == len(keys)
            for key in {*keys, *self.possible}:
                assert (self.may_be(key) != {MISSING}) if key in keys else (MISSING in self.may_be(key))

        self.run(work())


@pytest.mark.parametrize("backend", ["memory", "filesystem", "lmdb", "s3"])
def test_model(backend: str, scale: Any) -> None:
    machine = type(f"Model_{backend}", (Model,), {"backend": backend})
    examples = scale(6, 1000, 10_000)
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None, database=None)
    )
