"""Try again what may be tried again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from ..errors import IntegrityError, PreconditionFailed, StoreError, Unavailable
from ..store.answer import watching_parts
from ..store.base import Store
from ..types import ByteRange, BytesLike, Parts, Version
from .base import Request, Wrapper
from .listing import closing
from .policy import Attempts, RetryPolicy, may_pass

__all__ = ["Retry"]

T = TypeVar("T")

BATCH = 1000
"""Keys that are deleted by one call of the wrapped store."""


class Retry(Wrapper):
    """Repeats requests that failed for a reason that may pass.

    Reads, plain writes and deletes are repeated: the same bytes twice are the same as once. A conditional write or
    delete is repeated only if it is proven that the first never arrived; the rest is the work of
    :class:`~asynczarr.middleware.idempotency.Idempotency`, which goes around this. Bytes that fail their checksum are
    read once more. Of several ranges only those are asked for again that have not arrived, where the store tells
    (:func:`~asynczarr.store.answer.part_arrives`), and on the condition that the value is still the same.

    A listing that breaks goes on after what it has given out: no name twice, and none lost that was there all the time.

    Args:
        inner: the store that is wrapped.
        policy: how often and when; the default is :class:`RetryPolicy`.
        remember: names of a listing that are remembered as given out. Beyond them a broken listing is repeated from
            the start and compared by count and hash, so it only goes on if nothing in that part has changed.
    """

    def __init__(self, inner: Store, *, policy: RetryPolicy | None = None, remember: int = 100_000) -> None:
        super().__init__(inner)
        self._attempts = Attempts(policy, inner)
        self._remember = remember

    async def around(self, request: Request, send: Callable[[], Awaitable[T]]) -> T:
        """See :meth:`Wrapper.around`."""
        return await self._attempts.run(request, send, resend=not (request.writes and request.conditional))

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``."""
        if len(ranges) < 2:
            return await super().get_ranges(key, ranges, if_version=if_version)
        arrived = _Arrived()

        async def send() -> Parts | None:
            have, pin = dict(arrived.data), if_version or arrived.version
            left = arrived.asked = [part for part in ranges if part not in have]
            try:
                parts = await self.inner.get_ranges(key, left, if_version=pin)
            except IntegrityError:
                arrived.forget()  # nobody knows which of them
                raise
            except PreconditionFailed:
                if pin == if_version:
                    raise
                arrived.forget()
                arrived.asked = ranges
                return await self.inner.get_ranges(key, ranges)
            if parts is None or not have:
                return parts
            have.update(zip(left, parts.data, strict=True))
            return replace(parts, data=[have[part] for part in ranges])

        token = watching_parts.set(arrived.take)
        try:
            request = Request("get_ranges", key, tuple(ranges), conditional=if_version is not None)
            return await self.around(request, send)
        finally:
            watching_parts.reset(token)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """See ``Store.delete_many``. After a failure smaller batches are tried: some stores delete key by key."""
        left, size = list(keys), BATCH

        async def send() -> int:
            nonlocal size
            batch = left[:size]
            size = max(1, len(batch) // 8)
            await self.inner.delete_many(batch)
            return len(batch)

        while left:
            done = await self.around(Request("delete_many", left[0], count=min(size, len(left))), send)
            del left[:done]
            size = min(BATCH, 2 * done)

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``."""
        return self._complete(Request("list", prefix), lambda: self.inner.list(prefix))

    def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``."""
        return self._complete(Request("list_dir", prefix), lambda: self.inner.list_dir(prefix))

    async def _complete(self, request: Request, start: Callable[[], AsyncIterator[str]]) -> AsyncIterator[str]:
        given = _Given(self._remember)
        names = start()

        async def restart() -> str | None:
            nonlocal names
            async with closing(names):  # what broke holds no connection while the next begins
                names = given.without(start(), self.url, request.key)
            return await anext(names, None)

        try:
            while True:
                try:
                    name = await anext(names, None)
                except StoreError as error:
                    if not may_pass(error):
                        raise
                    name = await self._attempts.go_on(error, request, restart, resend=True)
                if name is None:
                    return
                given.add(name)
                yield name
        finally:
            async with closing(names):
                pass


class _Arrived:
    """Ranges of one version of a value that were there when the rest of them failed."""

    def __init__(self) -> None:
        self.asked: Sequence[ByteRange] = ()
        self.forget()

    def forget(self) -> None:
        self.version: Version | None = None
        self.data: dict[ByteRange, BytesLike] = {}

    def take(self, ranges: Sequence[ByteRange], number: int, part: Parts) -> None:
        wanted, data = ranges[number], part.data[0]
        start, stop = wanted.resolve(part.size)
        if ranges is not self.asked or part.version is None or len(data) != stop - start:
            return
        if part.version != self.version:
            self.forget()
            self.version = part.version
        self.data[wanted] = data


class _Given:
    """The names that a listing has given out: the first ones by name, the others by number and sum of hashes."""

    def __init__(self, remember: int) -> None:
        self._remember = remember
        self._names: set[str] = set()
        self._more = 0
        self._sum = 0

    def add(self, name: str) -> None:
        if len(self._names) < self._remember:
            self._names.add(name)
        else:
            self._more += 1
            self._sum += hash(name)

    async def without(self, names: AsyncIterator[str], store: str, key: str) -> AsyncIterator[str]:
        """The rest of a listing that was begun anew."""
        repeated, found = 0, 0
        more, expected = self._more, self._sum
        async with closing(names):
            async for name in names:
                if name in self._names:
                    continue
                if repeated < more:
                    repeated, found = repeated + 1, found + hash(name)
                    if repeated == more and found != expected:
                        raise _changed(store, key)
                    continue
                yield name
        if repeated < more:
            raise _changed(store, key)


def _changed(store: str, key: str) -> StoreError:
    return Unavailable("a listing broke, and what it had given out has changed since", store=store, key=key)
