"""The clients of S3 that are compared: each gives a function that reads one value."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

__all__ = ["CLIENTS", "Read"]

Read: TypeAlias = Callable[[], Awaitable[int]]
"""Reads the value and returns its size."""

_BUCKET, _KEY, _REGION = "bucket", "c/0/0", "us-east-1"
_ID, _SECRET = "AKIDEXAMPLE", "secret"


@asynccontextmanager
async def _ours(url: str, connections: int) -> AsyncIterator[Read]:
    from asynczarr.store import S3Store

    async with S3Store(
        _BUCKET,
        endpoint_url=url,
        region=_REGION,
        access_key_id=_ID,
        secret_access_key=_SECRET,
        max_connections=connections,
    ) as store:

        async def read() -> int:
            value = await store.get(_KEY)
            assert value is not None
            return len(value)

        yield read


@asynccontextmanager
async def _aiobotocore(url: str, connections: int) -> AsyncIterator[Read]:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    async with get_session().create_client(
        "s3",
        endpoint_url=url,
        region_name=_REGION,
        aws_access_key_id=_ID,
        aws_secret_access_key=_SECRET,
        config=AioConfig(max_pool_connections=connections),
    ) as client:

        async def read() -> int:
            answer = await client.get_object(Bucket=_BUCKET, Key=_KEY)
            async with answer["Body"] as body:
                return len(await body.read())

        yield read


@asynccontextmanager
async def _obstore(url: str, connections: int) -> AsyncIterator[Read]:
    from obstore.store import S3Store

    store = S3Store(
        _BUCKET,
        endpoint=url,
        region=_REGION,
        access_key_id=_ID,
        secret_access_key=_SECRET,
        client_options={"allow_http": True, "pool_max_idle_per_host": str(connections)},
    )

    async def read() -> int:
        answer = await store.get_async(_KEY)
        return len(await answer.bytes_async())

    yield read


@asynccontextmanager
async def _our_obstore(url: str, connections: int) -> AsyncIterator[Read]:
    from asynczarr.store import open_store

    async with open_store(
        f"s3://{_BUCKET}",
        engine="obstore",
        endpoint=url,
        region=_REGION,
        access_key_id=_ID,
        secret_access_key=_SECRET,
        client_options={"pool_max_idle_per_host": str(connections)},
    ) as store:

        async def read() -> int:
            value = await store.get(_KEY)
            assert value is not None
            return len(value)

        yield read


@asynccontextmanager
async def _aiohttp(url: str, connections: int) -> AsyncIterator[Read]:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def read() -> int:
            async with session.get(f"{url}/{_BUCKET}/{_KEY}") as answer:
                return len(await answer.read())

        yield read


CLIENTS: Mapping[str, Callable[[str, int], AbstractAsyncContextManager[Read]]] = {
    "asynczarr S3Store.get": _ours,
    "aiobotocore get_object": _aiobotocore,
    "asynczarr ObstoreStore.get": _our_obstore,
    "obstore get_async": _obstore,
    "aiohttp, unsigned": _aiohttp,
}
