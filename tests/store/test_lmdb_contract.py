"""LMDB keeps every promise of the contract suite, with each durability, and when its map has to grow all the time."""

from __future__ import annotations

import pytest

from asynczarr.store import LMDBStore
from asynczarr.testing import StoreContract


class TestLMDB(StoreContract):
    @pytest.fixture(params=["full", "data", "none"])
    async def store(self, request, tmp_path):
        async with LMDBStore(tmp_path / "root", durability=request.param) as store:
            yield store


class TestGrowingLMDB(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path):
        async with LMDBStore(tmp_path / "root", durability="none", map_size=1 << 16) as store:
            yield store
