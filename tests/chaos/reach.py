"""The backends on real servers, directly or through the fault proxy."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from asynczarr.store.base import Store

__all__ = ["REACH", "Reach", "on"]


# Servers end with the thread that started them, which must therefore outlive the event loop of a test.
_starter = ThreadPoolExecutor(1)


@dataclass(frozen=True, slots=True)
class Reach:
    """How a store comes to a server.

    Attributes:
        backend: name of the store.
        store: makes a fresh, empty one, of the server and the port under which it is reached.
        kill: ends what can be restarted, by SIGKILL.
        start: starts that again.
        handshake: commands that open a connection; nothing is lost while it is made.
    """

    backend: str
    store: Callable[[Any, int], Any]
    kill: Callable[[Any], None] = lambda server: server.kill()
    start: Callable[[Any], None] = lambda server: server.start()
    handshake: tuple[str, ...] = ()

    async def end(self, server: Any) -> None:
        """Kill it."""
        await asyncio.get_running_loop().run_in_executor(_starter, self.kill, server)

    async def restart(self, server: Any) -> None:
        """Kill it and start it again."""
        await self.end(server)
        await self.begin(server)

    async def begin(self, server: Any) -> None:
        """Start it again, and return when it answers."""
        await asyncio.get_running_loop().run_in_executor(_starter, self.start, server)

    async def open(self, server: Any, port: int | None = None) -> Store:
        """A store of its own on the server."""
        made: Store = await self.store(server, port or server.port)
        return made


async def _s3(server: Any, port: int) -> Store:
    from asynczarr.store.s3 import S3Store

    bucket = f"chaos-{secrets.token_hex(4)}"
    await asyncio.to_thread(server.create_bucket, bucket)
    return S3Store(bucket, **{**server.options, "endpoint_url": f"http://127.0.0.1:{port}"})


async def _gcs(server: Any, port: int) -> Store:
    from asynczarr.store.gcs import GCSStore

    return GCSStore(server.bucket, f"chaos-{secrets.token_hex(4)}", api_root=f"http://127.0.0.1:{port}", anonymous=True)


async def _azure(server: Any, port: int) -> Store:
    from azure.storage.blob.aio import ContainerClient

    from asynczarr.store.azure import AzureStore

    container = f"chaos-{secrets.token_hex(4)}"
    async with ContainerClient.from_connection_string(server.connection_string, container) as client:
        await client.create_container()
    through = server.connection_string.replace(f":{server.port}/", f":{port}/")
    return AzureStore(container, connection_string=through)


async def _redis(server: Any, port: int) -> Store:
    from asynczarr.store.redis import RedisStore

    return RedisStore(f"redis://127.0.0.1:{port}/3/{secrets.token_hex(4)}")


async def _mongodb(server: Any, port: int) -> Store:
    from asynczarr.store.mongodb import MongoStore

    return MongoStore(f"mongodb://127.0.0.1:{port}/chaos{secrets.token_hex(4)}?directConnection=true")


REACH: dict[str, Reach] = {
    "moto": Reach("S3", _s3),
    "ceph": Reach("S3", _s3, lambda server: server.kill_gateway(), lambda server: server.start_gateway()),
    "fake_gcs": Reach("GCS", _gcs),
    "azurite": Reach("Azure", _azure),
    "redis": Reach("Redis", _redis, handshake=("HELLO", "AUTH", "CLIENT", "SELECT")),
    "secantusdb": Reach("MongoDB", _mongodb),
}


def on(*names: str) -> pytest.MarkDecorator:
    """Parametrise a test by servers; each runs in the worker process of its server."""
    marked = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in names]
    return pytest.mark.parametrize("server_name", marked)
