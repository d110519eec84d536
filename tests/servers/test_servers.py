"""Servers start, can be killed and started again on the same data, and leave nothing behind."""

from __future__ import annotations

import pytest

from .redis import RedisServer

pytestmark = pytest.mark.xdist_group("redis")


async def test_a_server_comes_back_with_what_it_acknowledged(own_server):
    redis = pytest.importorskip("redis.asyncio")
    with own_server(RedisServer) as server:
        for value in (b"1", b"2"):
            async with redis.from_url(server.address) as client:
                assert await client.get("k") == (None if value == b"1" else b"1")
                await client.set("k", value)
            server.kill()
            with pytest.raises(OSError, match="refused"):
                server.listens()
            server.start()
        folder = server.folder
    assert not folder.exists()
