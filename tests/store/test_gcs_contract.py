"""The contract of stores, on fake-gcs-server."""

from __future__ import annotations

from itertools import count

import pytest

from asynczarr.errors import ConnectionFailed, PreconditionFailed
from asynczarr.store import GCSStore
from asynczarr.testing import StoreContract

pytestmark = pytest.mark.xdist_group("fake_gcs")
_numbers = count()


class OnEmulator(GCSStore):
    """fake-gcs-server ends the connection after status 416 and does not say so: the next read may find it broken."""

    async def _fetch(self, key, byte_range, version):
        return await insist(lambda: super(OnEmulator, self)._fetch(key, byte_range, version))

    async def _head(self, key):
        return await insist(lambda: super(OnEmulator, self)._head(key))


async def insist(read):
    for _ in range(5):
        try:
            return await read()
        except ConnectionFailed:
            continue
    raise AssertionError("broken connections only")


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
