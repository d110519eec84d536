"""Stores that count, wait, fail and invent, and the question whether anything was left behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import asynczarr as az
from asynczarr.store.base import Capabilities, Store, StoreBase
from asynczarr.types import ByteRange, BytesLike, ObjectInfo, Parts, Version

Script = Callable[["Request"], "Awaitable[None] | None"]


@dataclass(frozen=True, slots=True)
class Request:
    """One call that reached a store: get, get_ranges, set, delete or head."""

    verb: str
    key: str
    ranges: tuple[ByteRange, ...] = ()
    if_version: Version | None = None


class SpyStore(StoreBase):
    """An asynchronous store around a blocking one that notes each request for a chunk, then does as its script says.

    Args:
        inner: holds the values.
        script: called, and awaited if need be, before each request for a chunk; may wait or raise.
        capabilities: changes to those of `inner`.

    Attributes:
        requests: all of them, in order.
        in_flight: requests that have begun and not ended.
        peak: the most that were in flight at once.
    """

    def __init__(self, inner: Any = None, script: Script | None = None, **capabilities: bool) -> None:
        self.name = "spy"
        self.inner = az.MemoryStore() if inner is None else inner
        self.script = script
        self.requests: list[Request] = []
        self.in_flight = 0
        self.peak = 0
        self._capabilities = replace(self.inner.capabilities, **{"sync": False, **capabilities})

    @property
    def url(self) -> str:
        return f"{self.name}+{self.inner.url}"

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def of(self, *verbs: str) -> list[Request]:
        """The requests of these verbs."""
        return [request for request in self.requests if request.verb in verbs]

    def count(self, *verbs: str) -> int:
        """How many requests of these verbs there were."""
        return len(self.of(*verbs))

    def forget(self) -> None:
        """Start counting anew."""
        self.requests.clear()
        self.peak = 0

    @asynccontextmanager
    async def _request(self, request: Request) -> AsyncIterator[None]:
        if request.key.endswith(("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")):
            yield
            return
        self._begin(request)
        try:
            if self.script is not None:
                answer = self.script(request)
                if inspect.isawaitable(answer):
                    await answer
            yield
        finally:
            self.in_flight -= 1

    def _begin(self, request: Request) -> None:
        self.requests.append(request)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        async with self._request(Request("get", key, () if byte_range is None else (byte_range,))):
            return self.inner.get_sync(key, byte_range)

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        async with self._request(Request("get_ranges", key, tuple(ranges), if_version)):
            parts = self.inner.get_ranges_sync(key, ranges, if_version=if_version)
            return replace(parts, version=None) if parts and not self._capabilities.versions else parts

    async def head(self, key: str) -> ObjectInfo | None:
        async with self._request(Request("head", key)):
            return await self.inner.head(key)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Any = None,
    ) -> Version | None:
        async with self._request(Request("set", key, (), if_version)):
            return self.inner.set_sync(key, value, create=create, if_version=if_version)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        async with self._request(Request("delete", key, (), if_version)):
            self.inner.delete_sync(key, if_version=if_version)

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        async for key in self.inner.list(prefix):
            yield key

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        async for name in self.inner.list_dir(prefix):
            yield name

    async def aclose(self) -> None:
        await self.inner.aclose()


class SyncSpyStore(SpyStore):
    """Like :class:`SpyStore`, with the blocking half that embedded stores have; its script must not be a coroutine."""

    def __init__(self, inner: Any = None, script: Script | None = None, **capabilities: bool) -> None:
        super().__init__(inner, script, **{"sync": True, "blocking": True, **capabilities})
        self._lock = threading.Lock()

    @contextmanager
    def _blocking(self, request: Request) -> Any:
        with self._lock:
            self._begin(request)
        try:
            if self.script is not None:
                self.script(request)
            yield
        finally:
            with self._lock:
                self.in_flight -= 1

    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        with self._blocking(Request("get", key, () if byte_range is None else (byte_range,))):
            return self.inner.get_sync(key, byte_range)

    def get_ranges_sync(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        with self._blocking(Request("get_ranges", key, tuple(ranges), if_version)):
            return self.inner.get_ranges_sync(key, ranges, if_version=if_version)

    def set_sync(
        self, key: str, value: BytesLike, *, create: bool = False, if_version: Version | None = None
    ) -> Version | None:
        with self._blocking(Request("set", key, (), if_version)):
            return self.inner.set_sync(key, value, create=create, if_version=if_version)

    def delete_sync(self, key: str, *, if_version: Version | None = None) -> None:
        with self._blocking(Request("delete", key, (), if_version)):
            self.inner.delete_sync(key, if_version=if_version)


class VirtualStore(az.MemoryStore):
    """Has one value under every key that starts with ``c/``."""

    def __init__(self, value: bytes = b"") -> None:
        super().__init__()
        self.value = value

    def get_sync(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        if not key.startswith("c/"):
            return super().get_sync(key, byte_range)
        return self.value if byte_range is None else byte_range.of(self.value)


def sleeping(seconds: float) -> Script:
    """A script that waits before every request."""
    return lambda request: asyncio.sleep(seconds)


def blocking(seconds: float) -> Script:
    """The same for the blocking half."""
    return lambda request: time.sleep(seconds)


STORES: dict[str, Callable[[], Store]] = {
    "memory": az.MemoryStore,  # decodes small chunks on the loop
    "blocking": lambda: SyncSpyStore(script=blocking(0.0002)),
    "async": lambda: SpyStore(script=sleeping(0.0005)),
}
"""The three ways in which the engine talks to a store."""


async def filled(store: Store, shape: Any = (16, 16), chunks: Any = (4, 4), dtype: str = "i4", **spec: Any) -> az.Array:
    """An array that counts up, in a store that has forgotten the writing of it."""
    array = await az.create_array(store, shape=shape, chunks=chunks, dtype=dtype, **spec)
    await array.write(counting(array.shape, dtype))
    if isinstance(store, SpyStore):
        store.forget()
    return array


def counting(shape: tuple[int, ...], dtype: str = "i4") -> np.ndarray[Any, Any]:
    """0, 1, 2, ..."""
    return np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)


def chunk_key(*coords: int) -> str:
    """Key of a chunk of an array at the root (v3, default encoding)."""
    return "/".join(["c", *map(str, coords)])


@asynccontextmanager
async def nothing_left(seconds: float = 0.0) -> AsyncIterator[None]:
    """Fail if the body leaves tasks behind, is cancelled by what it used, or if an error was never retrieved.

    Args:
        seconds: how long tasks may take to end, when nothing waited for them.
    """
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    old = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    before = asyncio.all_tasks()
    try:
        yield
        deadline = loop.time() + seconds
        while (left := asyncio.all_tasks() - before) and loop.time() < deadline:
            await asyncio.sleep(0.001)
        assert not left
        gc.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)  # a caller that was cancelled from within would notice here
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert not complaints
    finally:
        loop.set_exception_handler(old)
