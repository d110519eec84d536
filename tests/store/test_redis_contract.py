"""Redis keeps every promise of the contract suite, over TCP and over a Unix socket."""

from __future__ import annotations

import secrets

import pytest

from asynczarr.store import RedisStore
from asynczarr.testing import StoreContract

pytestmark = pytest.mark.xdist_group("redis")


class TestRedis(StoreContract):
    @pytest.fixture
    async def store(self, redis_server):
        async with RedisStore(f"{redis_server.address}/1/{secrets.token_hex(4)}/a*[b]") as store:
            yield store


class TestRedisByUnixSocket(StoreContract):
    @pytest.fixture
    async def store(self, redis_server):
        async with RedisStore(f"unix://{redis_server.socket}?db=2&prefix={secrets.token_hex(4)}") as store:
            yield store
