"""Conditional writes whose outcome is known, also when an answer is lost."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..errors import AlreadyExists, OutcomeUnknown, PreconditionFailed, StoreError, Throttled, Unavailable
from ..store.base import Store
from ..types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from .base import Request, Wrapper
from .lineage import LINEAGE, WRITE_ID, Mark, trace
from .policy import Attempts, RetryPolicy, may_pass, unsent

__all__ = ["LINEAGE", "WRITE_ID", "Idempotency"]

T = TypeVar("T")

SEEN = 1024
"""Values whose metadata is remembered, to be the past of those that replace them."""


class Idempotency(Wrapper):
    """Makes ``set(create=True)``, ``set(if_version=...)`` and ``delete(if_version=...)`` happen once, and know it.

    A conditional write carries a random id in its metadata, the same in all attempts, and the ids and versions of the
    last values that it follows. Whenever the answer is lost or is a conflict, also the first one, since transports send
    again by themselves, the metadata is read back:

    - ours, or ours is among the values before: the write has succeeded;
    - someone else's: ``AlreadyExists`` or ``PreconditionFailed``, which is then the truth;
    - not readable: the error of the reading, never a guessed conflict.

    If an answer was lost and nothing can be proven, because the value has been replaced since by writers that leave no
    such trace, or no attempt is left, it is ``OutcomeUnknown`` with the id. To go on after that, repeat the call with
    that id as ``asynczarr_write_id`` in the metadata.

    Put it around :class:`~asynczarr.middleware.retry.Retry`, which leaves conditional writes to it and repeats the
    reading. A store that keeps no metadata gets one attempt.

    Args:
        inner: the store that is wrapped.
        policy: how often and when to try again; the default is :class:`RetryPolicy`.
        new_id: makes ids.
    """

    def __init__(
        self,
        inner: Store,
        *,
        policy: RetryPolicy | None = None,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        super().__init__(inner)
        self._attempts = Attempts(policy, inner)
        self._new_id = new_id
        self._seen: OrderedDict[str, tuple[Version | None, Mapping[str, str]]] = OrderedDict()

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``."""
        parts = await self.inner.get_ranges(key, ranges, if_version=if_version)
        if parts is not None and parts.metadata is not None:
            self._saw(key, parts.version, parts.metadata)
        return parts

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        info = await self.inner.head(key)
        if info is not None:
            self._saw(key, info.version, info.metadata)
        return info

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``.

        Raises:
            OutcomeUnknown: the write may or may not have happened.
        """
        if not create and if_version is None:
            return await self.inner.set(key, value, metadata=metadata)
        if not self.capabilities.metadata:
            return await self._once(
                key, lambda: self.inner.set(key, value, create=create, if_version=if_version, metadata=metadata)
            )
        given = metadata or {}
        write = _Write(key, Mark(given.get(WRITE_ID) or self._new_id(), if_version))
        seen, marks = self._seen.get(key, (None, None))
        stamped = {**given, **write.mark.stamps(marks if seen == if_version else None)}

        async def attempt() -> Version | None:
            try:
                return await self.inner.set(key, value, create=create, if_version=if_version, metadata=stamped)
            except StoreError as error:
                return await self._resolve(write, error)

        request = Request("set", key, size=memoryview(value).nbytes, conditional=True)
        version = await self._repeat(write, request, attempt)
        self._saw(key, version, stamped)
        return version

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``.

        Raises:
            OutcomeUnknown: with `if_version`: the key may have been deleted by this call, or not.
        """
        if if_version is None:
            await self.inner.delete(key)
            return
        write = _Write(key, Mark(None, if_version))

        async def attempt() -> None:
            try:
                await self.inner.delete(key, if_version=if_version)
            except PreconditionFailed as conflict:
                if not write.lost:
                    raise
                await self._resolve(write, conflict)
            except StoreError as error:
                await self._resolve(write, error)

        await self._repeat(write, Request("delete", key, conditional=True), attempt)

    async def _repeat(self, write: _Write, request: Request, attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._attempts.run(request, attempt, resend=True)
        except (AlreadyExists, PreconditionFailed, OutcomeUnknown):
            raise
        except StoreError as error:
            if not write.lost:
                raise
            raise self._unknown(write.key, write.mark.id, error, "no attempt was answered") from error

    async def _once(self, key: str, send: Callable[[], Awaitable[T]]) -> T:
        try:
            return await send()
        except StoreError as error:
            if not may_pass(error) or unsent(error):
                raise
            raise self._unknown(key, None, error, "the store keeps no metadata to read back") from error

    async def _resolve(self, write: _Write, error: StoreError) -> Version | None:
        """After a conflict or no answer: the version if the write has succeeded, else the error to go on with."""
        conflict = isinstance(error, (AlreadyExists, PreconditionFailed))
        if isinstance(error, OutcomeUnknown):
            error.write_id = error.write_id or write.mark.id
        if not conflict and (not may_pass(error) or unsent(error)):
            raise error
        write.lost = write.lost or not conflict
        if isinstance(error, Throttled):
            raise error  # most likely not done, and another request is not what the store asked for
        try:
            info = await self.inner.head(write.key)
        except StoreError as unread:
            if conflict:
                raise unread from error
            error.attempts = (error.attempts or 1) + (unread.attempts or 1)
            raise error from unread
        found = None if info is None else trace(write.mark, info)
        if found is not None and found.done:
            return found.version
        if (None if info is None else info.version) == write.mark.if_version:  # it is still possible
            if conflict:
                raise Unavailable("the store reported a conflict, and read back there is none") from error
            raise error
        if conflict and (found is not None or not write.lost):
            raise error
        if found is not None:
            kind = AlreadyExists if write.mark.if_version is None else PreconditionFailed
            raise kind("another writer came first", store=self.url, key=write.key) from error
        why = "the value was replaced before it could be read back"
        raise self._unknown(write.key, write.mark.id, error, why) from error

    def _saw(self, key: str, version: Version | None, metadata: Mapping[str, str]) -> None:
        self._seen[key] = (version, metadata)
        self._seen.move_to_end(key)
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)

    def _unknown(self, key: str, write_id: str | None, error: StoreError, why: str) -> OutcomeUnknown:
        unknown = OutcomeUnknown(f"this may have happened or not: {why}", write_id=write_id, store=self.url, key=key)
        unknown.attempts, unknown.elapsed = error.attempts, error.elapsed
        return unknown


@dataclass(slots=True)
class _Write:
    """A logical write under way.

    Attributes:
        key: where.
        mark: which.
        lost: an attempt was not answered, so it may have been done, or may be done later.
    """

    key: str
    mark: Mark
    lost: bool = False
