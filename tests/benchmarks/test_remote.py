"""The CPU time of a GET is measured for all clients, and ours is a fraction of aiobotocore's."""

from __future__ import annotations

import pytest

from benchmarks.remote.clients import CLIENTS
from benchmarks.remote.cpu_per_get import measure, serving


@pytest.mark.allow_blocking("the clients of others load their descriptions of S3 when they are made")
async def test_cpu_per_get():
    with serving() as url:
        found = await measure(url, reads=300, rounds=3)
    assert found.keys() == CLIENTS.keys()
    best = {name: min(times) for name, times in found.items()}
    assert best["aiohttp, unsigned"] < best["asynczarr S3Store.get"] < 0.5 * best["aiobotocore get_object"]
