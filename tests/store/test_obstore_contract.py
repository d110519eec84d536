"""The public contract on stores of obstore."""

from __future__ import annotations

import pytest
from obstore.store import LocalStore, MemoryStore

from asynczarr.store import ObstoreStore
from asynczarr.testing import StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    async def store(self):
        async with ObstoreStore(MemoryStore()) as store:
            yield store


class TestLocal(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path):
        async with ObstoreStore(LocalStore(tmp_path / "root", mkdir=True)) as store:
            yield store
