"""A store that fails as networks do: around any store, in the process, and the same again for the same seed.

::

    from asynczarr.testing import Fault, FaultyStore

    storm = Fault("throttle", during=(0, 60), retry_after=1.0, times=None)
    lost = Fault("after", verbs=("set",), probability=0.2, times=None)
    async with FaultyStore(MemoryStore(), [storm, lost], seed=7) as store:
        ...
        assert store.calls["set"] == 100
        assert store.injected["after"] > 0
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar, cast

from ..clock import Clock, SystemClock
from ..errors import AttemptTimeout, ConnectionFailed, StoreError, Throttled, Truncated
from ..middleware.base import Request, Verb, Wrapper
from ..store.base import Store
from ..store.fileio import frozen
from ..types import BytesLike, Parts, Version
from .faults import READS, Fault, FaultKind, Injected
from .stale import Changes

__all__ = ["FaultyStore"]

T = TypeVar("T")


class FaultyStore(Wrapper):
    """A store around `inner` where calls meet faults, the first in the schedule that fits.

    Which calls are met depends on the seed, the verb, the key and how often this verb and key were called, but not on
    how concurrent calls of different keys happen to interleave.

    Args:
        inner: the store that does the work.
        schedule: the faults.
        seed: of all chances; without it the environment variable ``ASYNCZARR_SEED``, or a random one.
        clock: for delays, late writes and ``during``.

    Attributes:
        seed: the seed in use.
        calls: how often each verb was called.
        sent: how often each verb reached `inner`.
        injected: how often each kind of fault happened.
        history: the faults that happened, in order.
    """

    def __init__(
        self, inner: Store, schedule: Sequence[Fault] = (), *, seed: int | None = None, clock: Clock | None = None
    ) -> None:
        super().__init__(inner)
        given = os.environ.get("ASYNCZARR_SEED")
        self.seed: int = seed if seed is not None else int(given) if given else random.getrandbits(32)
        self.calls: Counter[Verb] = Counter()
        self.sent: Counter[Verb] = Counter()
        self.injected: Counter[FaultKind] = Counter()
        self.history: list[Injected] = []
        self._schedule = tuple(schedule)
        self._let_through: Counter[int] = Counter()
        self._met: Counter[int] = Counter()
        self._numbers: Counter[tuple[Verb, str]] = Counter()
        self._clock = clock or SystemClock()
        self._born = self._clock.now()
        self._late: set[asyncio.Task[None]] = set()
        self._changes = Changes() if any(fault.kind == "stale" for fault in schedule) else None

    async def around(self, request: Request, send: Callable[[], Awaitable[T]]) -> T:
        """Do one call, or what the schedule makes of it."""
        fault, chance = self._draw(request)

        async def reach() -> T:
            self.sent[request.verb] += 1
            return await send()

        if fault is None:
            return await reach()
        match fault.kind:
            case "before" | "throttle":
                raise self._error(fault, request)
            case "delay":
                await self._clock.sleep(fault.seconds)
            case "duplicate":
                with suppress(StoreError):  # the answer to the first is the one that nobody gets
                    await reach()
            case "late":
                task = asyncio.create_task(self._do_late(fault.seconds, reach))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
                raise self._error(fault, request)
            case _:
                pass
        answer = await reach()
        if fault.kind == "after":
            raise self._error(fault, request)
        if fault.kind == "cut":
            raise await self._cut(fault, request, answer, chance)
        if fault.kind in ("truncate", "flip"):
            return cast("T", _spoiled(answer, _truncated if fault.kind == "truncate" else _flipped, chance))
        return answer

    async def settle(self) -> None:
        """Return when every late write has been done, or has failed."""
        while self._late:
            await asyncio.wait(self._late)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``."""
        value = frozen(value)  # a late write must not see what the caller does with its buffer meanwhile
        if self._changes is not None:
            await self._changes.note(self.inner, [key], present=True)
        return await super().set(key, value, create=create, if_version=if_version, metadata=metadata)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        if self._changes is not None:
            await self._changes.note(self.inner, [key], present=False)
        await super().delete(key, if_version=if_version)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """See ``Store.delete_many``."""
        if self._changes is not None:
            await self._changes.note(self.inner, keys, present=False)
        await super().delete_many(keys)

    async def _listed(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:
        fault, chance = self._draw(request)
        if fault is not None and fault.kind in ("before", "throttle"):
            raise self._error(fault, request)
        if fault is not None and fault.kind == "delay":
            await self._clock.sleep(fault.seconds)
        self.sent[request.verb] += 1
        if fault is not None and fault.kind == "stale" and self._changes is not None:
            names = self._changes.undone(self.inner, request, fault.writes)
        if fault is None or fault.kind not in ("after", "cut"):
            async for name in names:
                yield name
            return
        known = [name async for name in names]
        for name in known[: int(chance.random() * len(known)) if fault.kind == "cut" else 0]:
            yield name
        raise self._error(fault, request)

    async def aclose(self) -> None:
        """Close the wrapped store. Late writes that are still on their way are lost."""
        late = list(self._late)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        await super().aclose()

    def __repr__(self) -> str:
        return f"FaultyStore({self.url!r}, seed={self.seed})"

    def _draw(self, request: Request) -> tuple[Fault | None, random.Random]:
        self.calls[request.verb] += 1
        number = self._numbers[request.verb, request.key]
        self._numbers[request.verb, request.key] += 1
        chance = random.Random(f"{self.seed}/{request.verb}/{request.key!r}/{number}")
        age = self._clock.now() - self._born
        for place, fault in enumerate(self._schedule):
            drawn = chance.random()  # drawn for each fault, so that one that is over changes nothing for the others
            if not fault.fits(request, age) or (fault.times is not None and self._met[place] >= fault.times):
                continue
            if self._let_through[place] < fault.after:
                self._let_through[place] += 1
                continue
            if drawn < fault.probability:
                self._met[place] += 1
                self.injected[fault.kind] += 1
                self.history.append(Injected(request.verb, request.key, number, fault.kind))
                return fault, chance
        return None, chance

    def _error(self, fault: Fault, request: Request) -> StoreError:
        if fault.error is not None:
            error = fault.error()
        elif fault.kind == "throttle":
            error = Throttled("injected: slow down", retry_after=fault.retry_after)
        elif fault.kind == "late":
            error = AttemptTimeout("injected: no answer in time")
        elif fault.kind == "cut" and request.verb in READS:
            error = Truncated("injected: the answer broke off")
        else:
            error = ConnectionFailed("injected: the connection broke")
        return error.at(store=self.url, key=request.key)

    async def _cut(self, fault: Fault, request: Request, answer: object, chance: random.Random) -> StoreError:
        error = self._error(fault, request)
        if not isinstance(error, Truncated) or not self.capabilities.versions:
            return error
        if isinstance(answer, Parts):
            data, version = answer.data[0] if len(answer.data) == 1 else b"", answer.version
        else:
            data, info = cast("BytesLike", answer or b""), await self.inner.head(request.key)
            version = None if info is None else info.version
        return error.keep(bytes(data[: int(chance.random() * len(data))]), version)

    async def _do_late(self, seconds: float, reach: Callable[[], Awaitable[object]]) -> None:
        await self._clock.sleep(seconds)
        with suppress(StoreError):  # nobody waits for the outcome
            await reach()


def _spoiled(answer: object, spoil: Callable[[BytesLike, random.Random], BytesLike], chance: random.Random) -> object:
    if isinstance(answer, Parts):
        full = [number for number, data in enumerate(answer.data) if len(data)]
        data = list(answer.data)
        if full:
            chosen = chance.choice(full)
            data[chosen] = spoil(data[chosen], chance)
        return replace(answer, data=data)
    return spoil(answer, chance) if isinstance(answer, bytes | bytearray | memoryview) and len(answer) else answer


def _truncated(data: BytesLike, chance: random.Random) -> BytesLike:
    return memoryview(data)[: chance.randrange(len(data))]


def _flipped(data: BytesLike, chance: random.Random) -> BytesLike:
    wrong = bytearray(data)
    wrong[chance.randrange(len(wrong))] ^= 1 << chance.randrange(8)
    return bytes(wrong)
