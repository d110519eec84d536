"""Read by mypy and pyright, never run: the types that users see are the types that are promised."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import assert_type

import asynczarr as az
from asynczarr.store import Capabilities
from asynczarr.types import BytesLike, Version


class Own:
    """A store without any base class of ours."""

    url = "own://"
    capabilities = Capabilities(write=False)

    async def get(self, key: str, byte_range: az.ByteRange | None = None) -> BytesLike | None:
        return (byte_range or az.ByteRange()).of(key.encode())

    async def get_ranges(
        self, key: str, ranges: Sequence[az.ByteRange], *, if_version: Version | None = None
    ) -> az.Parts | None:
        return az.Parts([one.of(key.encode()) for one in ranges], if_version, len(key))

    async def head(self, key: str) -> az.ObjectInfo | None:
        return az.ObjectInfo(len(key))

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        raise az.Forbidden("read-only", store=self.url, key=key)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        raise az.Forbidden("read-only", store=self.url, key=key)

    async def delete_many(self, keys: Sequence[str]) -> None:
        raise az.Forbidden("read-only", store=self.url)

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        yield prefix

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        yield prefix

    async def aclose(self) -> None:
        return None


async def stores(store: az.Store) -> None:
    assert_type(await store.get("key", az.ByteRange(-16)), bytes | bytearray | memoryview | None)
    assert_type(await store.set("key", b"", create=True), str | None)
    assert_type(await store.head("key"), az.ObjectInfo | None)
    assert_type([key async for key in store.list()], list[str])


async def any_object_with_the_methods_is_a_store() -> None:
    await stores(Own())


def errors(error: az.AsyncZarrError) -> None:
    assert_type(error.at(key="c/0", chunk=(0,)), az.AsyncZarrError)
    assert_type(error.chunk, tuple[int, ...] | None)
    if isinstance(error, az.Throttled):
        assert_type(error.retry_after, float | None)
    both: tuple[FileNotFoundError, IndexError] = az.NotFound("gone"), az.SelectionError("too far")
    raise both[0]


assert_type(az.__version__, str)
