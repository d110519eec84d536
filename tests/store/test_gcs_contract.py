"""The contract of stores, on fake-gcs-server."""

from __future__ import annotations

from itertools import count

import pytest

from asynczarr.errors import ConnectionFailed, IntegrityError, PreconditionFailed
from asynczarr.store import GCSStore
from asynczarr.testing import StoreContract

from ..servers.fake_gcs import FakeGCSServer
from .on_servers import kill_and_go_on, run_example, use_in_loops_threads_and_forks

pytestmark = pytest.mark.xdist_group("fake_gcs")
_numbers = count()


class OnEmulator(GCSStore):
    """What fake-gcs-server gets wrong, and one more read cures.

    It ends the connection after status 416 and does not say so: the next read may find it broken. And while an object
    is replaced, it may send the new bytes with the checksum of the old ones.
    """

    async def _fetch(self, key, byte_range, version):
        return await insist(lambda: super(OnEmulator, self)._fetch(key, byte_range, version))

    async def _head(self, key):
        return await insist(lambda: super(OnEmulator, self)._head(key))


async def insist(read):
    for _ in range(5):
        try:
            return await read()
        except (ConnectionFailed, IntegrityError):
            continue
    raise AssertionError("nothing but failures")


class TestGCS(StoreContract):
    pytestmark = pytest.mark.xdist_group("fake_gcs")

    @pytest.fixture
    async def store(self, fake_gcs_server):
        prefix = f"contract/{next(_numbers)}"
        async with OnEmulator(
            fake_gcs_server.bucket, prefix, api_root=fake_gcs_server.address, anonymous=True
        ) as store:
            yield store

    async def test_conditions_on_what_is_not_so(self, store):
        # Without the conditional deletes of the original: fake-gcs-server does not look at their condition.
        # test_gcs_errors.py shows that it is sent and that its refusal is understood.
        old = await store.set("k", b"old")
        new = await store.set("k", b"new")
        with pytest.raises(PreconditionFailed):
            await store.set("k", b"x", if_version=old)
        assert bytes(await store.get("k")) == b"new"
        await store.delete("k", if_version=new)
        with pytest.raises(PreconditionFailed):
            await store.set("k", b"x", if_version=new)
        with pytest.raises(PreconditionFailed):
            await store.delete("k", if_version=new)
        assert await store.get("k") is None


async def test_loops_threads_and_forks(fake_gcs_server, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", fake_gcs_server.address)
    await use_in_loops_threads_and_forks(f"gs://{fake_gcs_server.bucket}/forks")


async def test_a_server_that_is_killed(own_server):
    with own_server(FakeGCSServer) as server:
        async with GCSStore(server.bucket, api_root=server.address, anonymous=True) as store:
            await kill_and_go_on(server, store, idle=0)


async def test_the_example(fake_gcs_server, tmp_path):
    where = {"GCS_URL": f"gs://{fake_gcs_server.bucket}/example", "STORAGE_EMULATOR_HOST": fake_gcs_server.address}
    for _ in range(2):
        assert "The lock is taken." in await run_example("gcs.py", tmp_path, **where)
