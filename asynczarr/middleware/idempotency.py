"""Conditional writes whose outcome is known, also when an answer is lost."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ..errors import AlreadyExists, OutcomeUnknown, PreconditionFailed, StoreError, Throttled, Unavailable
from ..store.base import Store
from ..types import BytesLike, ObjectInfo, Version
from .base import Request, Wrapper
from .policy import Attempts, RetryPolicy, may_pass, unsent

__all__ = ["REPLACES", "WRITE_ID", "Idempotency"]

T = TypeVar("T")

WRITE_ID = "asynczarr_write_id"
"""Metadata that says which logical write a value comes from. Underscores: Azure wants names like those of C#."""

REPLACES = "asynczarr_replaces"
"""Metadata that says which version a value has replaced; empty if there was none."""


class Idempotency(Wrapper):
    """Makes ``set(create=True)``, ``set(if_version=...)`` and ``delete(if_version=...)`` happen once, and know it.

    A conditional write carries a random id in its metadata, the same in all attempts. Whenever the answer is lost or is
    a conflict, also the first one, since transports send again by themselves, the metadata is read back:

    - ours: the write has succeeded;
    - someone else's: ``AlreadyExists`` or ``PreconditionFailed``, which is then the truth;
    - not readable: the error of the reading, never a guessed conflict.

    If an answer was lost and nothing can be proven, because the value has been replaced since or no attempt is left,
    it is ``OutcomeUnknown`` with the id. To go on after that, repeat the call with that id as ``asynczarr_write_id``
    in the metadata.

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
        self._attempts = Attempts(policy, inner.url)
        self._new_id = new_id

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
        request = Request("set", key, size=memoryview(value).nbytes, conditional=True)
        if not self.capabilities.metadata:
            return await self._once(
                _Write(key, None, if_version),
                lambda: self.inner.set(key, value, create=create, if_version=if_version, metadata=metadata),
            )
        given = metadata or {}
        write_id = given.get(WRITE_ID) or self._new_id()
        stamps = {**given, WRITE_ID: write_id, REPLACES: if_version or ""}
        write = _Write(key, write_id, if_version)

        async def attempt() -> Version | None:
            try:
                return await self.inner.set(key, value, create=create, if_version=if_version, metadata=stamps)
            except StoreError as error:
                return await self._resolve(write, error)

        return await self._repeat(write, request, attempt)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``.

        Raises:
            OutcomeUnknown: with `if_version`: the key may have been deleted by this call, or not.
        """
        if if_version is None:
            await self.inner.delete(key)
            return
        write = _Write(key, None, if_version)

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
            raise self._unknown(write, error, "no attempt was answered") from error

    async def _once(self, write: _Write, send: Callable[[], Awaitable[T]]) -> T:
        try:
            return await send()
        except StoreError as error:
            if not may_pass(error) or unsent(error):
                raise
            raise self._unknown(write, error, "the store keeps no metadata to read back") from error

    async def _resolve(self, write: _Write, error: StoreError) -> Version | None:
        """After a conflict or no answer: the version if the write has succeeded, else the error to go on with."""
        conflict = isinstance(error, (AlreadyExists, PreconditionFailed))
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
        if info is not None and write.id is not None and info.metadata.get(WRITE_ID) == write.id:
            return info.version
        if write.is_possible(info):
            if conflict:
                raise Unavailable("the store reported a conflict, and read back there is none") from error
            raise error
        if conflict and not write.lost:
            raise error
        if info is not None and info.metadata.get(REPLACES) == (write.if_version or ""):
            # What is there took the place that this write wanted: it came first, and this one can come no more.
            if conflict:
                raise error
            kind = AlreadyExists if write.if_version is None else PreconditionFailed
            raise kind("another writer came first", store=self.url, key=write.key) from error
        raise self._unknown(write, error, "the value was replaced before it could be read back") from error

    def _unknown(self, write: _Write, error: StoreError, why: str) -> OutcomeUnknown:
        unknown = OutcomeUnknown(
            f"this may have happened or not: {why}", write_id=write.id, store=self.url, key=write.key
        )
        unknown.attempts, unknown.elapsed = error.attempts, error.elapsed
        return unknown


@dataclass(slots=True)
class _Write:
    """One logical write.

    Attributes:
        key: where.
        id: what its value is marked with; ``None`` for a delete and where the store keeps no metadata.
        if_version: the version to be replaced, ``None`` to create.
        lost: an attempt was not answered, so it may have been done, or may be done later.
    """

    key: str
    id: str | None
    if_version: Version | None
    lost: bool = False

    def is_possible(self, info: ObjectInfo | None) -> bool:
        """Whether the condition holds for what is stored."""
        return (None if info is None else info.version) == self.if_version
