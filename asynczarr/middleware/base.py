"""What every middleware is: a store around a store, with one seam through which each call passes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar

from ..store.base import Capabilities, Store, StoreBase, discard
from ..store.remade import Remade
from ..types import ByteRange, BytesLike, ObjectInfo, Parts, Version

__all__ = ["Request", "Verb", "Wrapper"]

T = TypeVar("T")

Verb: TypeAlias = Literal["get", "get_many", "get_ranges", "head", "set", "delete", "delete_many", "list", "list_dir"]


@dataclass(slots=True)
class Request:
    """One call of a store, as policies look at it. Nobody changes it; to freeze it would cost a microsecond a layer.

    Attributes:
        verb: name of the method.
        key: its key; of ``delete_many`` the first, of ``list`` and ``list_dir`` the prefix.
        ranges: byte ranges that are read.
        size: bytes that are written.
        count: keys that are deleted by ``delete_many``.
        conditional: the outcome depends on what is stored (``create`` or ``if_version``).
    """

    verb: Verb
    key: str
    ranges: tuple[ByteRange, ...] = ()
    size: int = 0
    conditional: bool = False
    count: int = 1

    @property
    def writes(self) -> bool:
        """Whether it changes what is stored."""
        return self.verb in ("set", "delete", "delete_many")


class Wrapper(StoreBase, Remade):
    """Passes every call on through :meth:`around`; a middleware overrides that, or single verbs, or both.

    Args:
        inner: the store that is wrapped; closed with this one.
    """

    def __init__(self, inner: Store) -> None:
        self.inner: Store = inner
        self._passes = type(self).around is Wrapper.around
        self._own: tuple[Capabilities, Capabilities] | None = None

    async def around(self, request: Request, send: Callable[[], Awaitable[T]]) -> T:
        """Do one call; ``await send()`` once for each attempt. A page of a listing is a call of its own."""
        return await send()

    @property
    def limited(self) -> bool:
        """Whether this, or what it wraps, bounds the requests in flight: then nobody else needs to."""
        return isinstance(self.inner, Wrapper) and self.inner.limited

    def forget(self, key: str) -> None:
        """Do not use what is kept of a key: it has turned out to be wrong, or somebody else has changed it."""
        if isinstance(self.inner, Wrapper):
            self.inner.forget(key)

    @property
    def url(self) -> str:
        """That of the wrapped store."""
        return self.inner.url

    @property
    def service(self) -> str:
        """That of the wrapped store."""
        return getattr(self.inner, "service", "")

    @property
    def capabilities(self) -> Capabilities:
        """Those of the wrapped store, without its blocking half: policies wait."""
        theirs = self.inner.capabilities
        if self._own is None or self._own[0] is not theirs:
            self._own = theirs, replace(theirs, sync=False, many=False)
        return self._own[1]

    # Reads hand on the coroutine of `around` instead of awaiting it: one frame less in each layer of a stack.

    def get(self, key: str, byte_range: ByteRange | None = None) -> Coroutine[Any, Any, BytesLike | None]:
        """See ``Store.get``."""
        if self._passes:
            return self.inner.get(key, byte_range)
        ranges = () if byte_range is None else (byte_range,)
        return self.around(Request("get", key, ranges), partial(self.inner.get, key, byte_range))

    def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Coroutine[Any, Any, Parts | None]:
        """See ``Store.get_ranges``."""
        if self._passes:
            return self.inner.get_ranges(key, ranges, if_version=if_version)
        request = Request("get_ranges", key, tuple(ranges), conditional=if_version is not None)
        return self.around(request, partial(self.inner.get_ranges, key, ranges, if_version=if_version))

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        return await self.around(Request("head", key), lambda: self.inner.head(key))

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
        request = Request("set", key, size=memoryview(value).nbytes, conditional=create or if_version is not None)
        return await self.around(
            request, lambda: self.inner.set(key, value, create=create, if_version=if_version, metadata=metadata)
        )

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        request = Request("delete", key, conditional=if_version is not None)
        await self.around(request, lambda: self.inner.delete(key, if_version=if_version))

    async def delete_many(self, keys: Sequence[str]) -> None:
        """See ``Store.delete_many``."""
        if keys:
            request = Request("delete_many", keys[0], count=len(keys))
            await self.around(request, lambda: self.inner.delete_many(keys))

    def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``."""
        return self._listed(Request("list", prefix), self.inner.list(prefix))

    def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``."""
        return self._listed(Request("list_dir", prefix), self.inner.list_dir(prefix))

    def _listed(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:
        return names

    async def aclose(self) -> None:
        """Close the wrapped store."""
        await self.inner.aclose()

    async def discard(self) -> None:
        """Close the wrapped store after a failure, see ``StoreBase.discard``."""
        await discard(self.inner)
        await self.aclose()  # what is kept up here; of the wrapped store a second close is none
