"""Every built-in store keeps every promise of the public contract suite."""

from __future__ import annotations

import pytest

from asynczarr.store import FilesystemStore, MemoryStore, ZipStore
from asynczarr.testing import StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    async def store(self):
        async with MemoryStore() as store:
            yield store


class TestFilesystem(StoreContract):
    @pytest.fixture(params=["full", "data", "none"])
    async def store(self, request, tmp_path):
        async with FilesystemStore(tmp_path / "root", durability=request.param) as store:
            yield store
        left = [path for path in tmp_path.rglob("*.tmp") if path.name.startswith(".asynczarr.") and len(path.name) > 20]
        assert left == []


class TestZip(StoreContract):
    @pytest.fixture(params=["w", "a", "x", "deflated"])
    async def store(self, request, tmp_path):
        path = tmp_path / "store.zip"
        mode = "w" if request.param == "deflated" else request.param
        if mode == "a":
            async with ZipStore(path, mode="w") as empty:
                assert [key async for key in empty.list()] == []
        compression = "deflated" if request.param == "deflated" else "stored"
        async with ZipStore(path, mode=mode, compression=compression) as store:
            yield store
        assert [path.name for path in tmp_path.iterdir()] == ["store.zip"]
