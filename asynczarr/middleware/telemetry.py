"""Emit events of every request to a store; put it outermost to see calls, innermost to see what is on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from ..store.base import Capabilities, ManyStore, Store, SyncStore
from ..telemetry import events, hooks
from ..telemetry.address import public
from ..telemetry.spans import Span, current
from ..types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from .base import Request, Wrapper

__all__ = ["Telemetry"]

T = TypeVar("T")


class Telemetry(Wrapper):
    """Emits ``RequestStart`` and one of ``RequestStop`` and ``RequestFailed`` for every call of a store.

    While nobody listens a call costs one look more than without it. It never waits, so what the store offers to worker
    threads stays usable through it.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._flying: set[int] = set()

    @property
    def capabilities(self) -> Capabilities:
        """Those of the wrapped store, its blocking half included."""
        return self.inner.capabilities

    @contextmanager
    def _watch(self, request: Request) -> Iterator[Span]:
        with self._begin(request) as span:
            try:
                yield span
            finally:
                self._flying.discard(span.id)

    def _begin(self, request: Request) -> Span:
        span = Span(
            events.REQUEST,
            store=public(self.inner.url),
            verb=request.verb,
            key=request.key,
            ranges=len(request.ranges),
            size=request.size,
            queue_depth=len(self._flying),
        )
        self._flying.add(span.id)
        return span

    async def around(self, request: Request, send: Callable[[], Awaitable[T]]) -> T:
        """See :meth:`Wrapper.around`."""
        if not hooks.active:
            return await send()
        with self._watch(request) as span:
            result = await send()
            span.note(**_outcome(request, result))
            return result

    # What is called often passes straight through while nobody listens: not even the request is put into words.

    def get(self, key: str, byte_range: ByteRange | None = None) -> Coroutine[Any, Any, BytesLike | None]:
        """See ``Store.get``."""
        return super().get(key, byte_range) if hooks.active else self.inner.get(key, byte_range)

    def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Coroutine[Any, Any, Parts | None]:
        """See ``Store.get_ranges``."""
        get_ranges = super().get_ranges if hooks.active else self.inner.get_ranges
        return get_ranges(key, ranges, if_version=if_version)

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        if hooks.active:
            return await super().head(key)
        return await self.inner.head(key)

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
        if hooks.active:
            return await super().set(key, value, create=create, if_version=if_version, metadata=metadata)
        return await self.inner.set(key, value, create=create, if_version=if_version, metadata=metadata)

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``."""
        return self._names(Request("list", prefix), self.inner.list)

    def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``."""
        return self._names(Request("list_dir", prefix), self.inner.list_dir)

    def _names(self, request: Request, listing: Callable[[str], AsyncIterator[str]]) -> AsyncIterator[str]:
        names = listing(request.key)
        return self._watch_names(request, names) if hooks.active else names

    async def _watch_names(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:
        span, count = self._begin(request), 0
        try:
            while True:
                # A generator may be resumed in another context each time, so the span is only current while it works.
                token = current.set(span)
                try:
                    name = await anext(names)
                finally:
                    current.reset(token)
                count += 1
                yield name
        except StopAsyncIteration:
            span.stop(nbytes=count)
        except GeneratorExit:  # left early by its reader
            span.stop(nbytes=count)
            raise
        except BaseException as error:
            span.fail(error)
            raise
        finally:
            self._flying.discard(span.id)
            close = getattr(names, "aclose", None)
            if close is not None:
                await close()

    def _here(self, request: Request, call: Callable[[], T]) -> T:
        """Like :meth:`around`, for the blocking half."""
        if not hooks.active:
            return call()
        with self._watch(request) as span:
            result = call()
            span.note(**_outcome(request, result))
            return result

    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``SyncStore.get_sync``."""
        ranges, inner = () if byte_range is None else (byte_range,), cast("SyncStore", self.inner)
        return self._here(Request("get", key, ranges), lambda: inner.get_sync(key, byte_range))

    def get_many_sync(self, keys: Sequence[str], byte_range: ByteRange | None = None) -> Sequence[BytesLike | None]:
        """See ``ManyStore.get_many_sync``."""
        ranges, inner = () if byte_range is None else (byte_range,), cast("ManyStore", self.inner)
        request = Request("get_many", keys[0] if keys else "", ranges)
        return self._here(request, lambda: inner.get_many_sync(keys, byte_range))

    def get_ranges_sync(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``SyncStore.get_ranges_sync``."""
        request, inner = Request("get_ranges", key, tuple(ranges)), cast("SyncStore", self.inner)
        return self._here(request, lambda: inner.get_ranges_sync(key, ranges, if_version=if_version))

    def set_sync(
        self, key: str, value: BytesLike, *, create: bool = False, if_version: Version | None = None
    ) -> Version | None:
        """See ``SyncStore.set_sync``."""
        request, inner = Request("set", key, size=memoryview(value).nbytes), cast("SyncStore", self.inner)
        return self._here(request, lambda: inner.set_sync(key, value, create=create, if_version=if_version))

    def set_many_sync(self, items: Sequence[tuple[str, BytesLike]]) -> None:
        """See ``ManyStore.set_many_sync``; while somebody listens, each value is a request of its own."""
        if not hooks.active:
            cast("ManyStore", self.inner).set_many_sync(items)
            return
        for key, value in items:
            self.set_sync(key, value)

    def delete_sync(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``SyncStore.delete_sync``."""
        inner = cast("SyncStore", self.inner)
        self._here(Request("delete", key), lambda: inner.delete_sync(key, if_version=if_version))


def _outcome(request: Request, result: Any) -> dict[str, Any]:
    """What the stop event tells of a result."""
    if request.verb == "set":
        return {"nbytes": request.size}
    if request.verb == "get_many":
        return {"found": any(part is not None for part in result), "nbytes": sum(len(part or b"") for part in result)}
    if request.verb in ("get", "get_ranges", "head"):
        parts = result.data if isinstance(result, Parts) else [result] if request.verb == "get" and result else []
        return {"found": result is not None, "nbytes": sum(map(len, parts))}
    return {}
