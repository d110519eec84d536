"""The public contract on stores of obstore."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from obstore.store import LocalStore, MemoryStore

from asynczarr.errors import Unsupported
from asynczarr.store import GCSStore, ObstoreStore, S3Store, open_store
from asynczarr.testing import StoreContract

from .split_store import SplitStore
from .test_gcs_contract import insist
from .test_s3_contract import Patient


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


@pytest.fixture(scope="class")
def bucket(request):
    """A fresh bucket of the server of the class, where it wants one."""
    return request.cls.make_bucket(request.getfixturevalue(request.cls.server_name))


class OnServer(StoreContract):
    """Each test has a fresh prefix. The retries of obstore are off, ours are not there: one call, one request."""

    @pytest.fixture
    async def store(self, request, bucket):
        server = request.getfixturevalue(self.server_name)
        url = f"{self.scheme}://{bucket}/run/{secrets.token_hex(8)}"
        async with open_store(url, engine="obstore", **self.options(server)) as store:
            yield store


class OnS3(OnServer):
    scheme = "s3"

    @staticmethod
    def make_bucket(server):
        return server.create_bucket(f"obstore-{secrets.token_hex(4)}")

    @staticmethod
    def options(server):
        keys = server.options
        return {"endpoint": keys["endpoint_url"], **{name: keys[name] for name in keys if name != "endpoint_url"}}

    async def test_what_the_other_engine_has_written(self, store, request, bucket):
        server = request.getfixturevalue(self.server_name)
        prefix = store.url.partition(f"{bucket}/")[2]
        async with S3Store(bucket, prefix, addressing_style="path", **server.options) as other:
            for writer, reader in ((store, other), (other, store)):
                await writer.set("k", b"x", metadata={"write_id": "7"})
                assert dict((await reader.head("k")).metadata) == {"write_id": "7"}
            await asyncio.to_thread(server.client().put_object, Bucket=bucket, Key=f"{prefix}/folder/", Body=b"")
            await store.set("empty", b"")
            assert sorted([key async for key in store.list()]) == ["empty", "k"]
            assert [name async for name in store.list_dir("folder/")] == []


@pytest.mark.xdist_group("moto")
class TestMoto(OnS3):
    server_name = "moto_server"


@pytest.mark.xdist_group("ceph")
class TestCeph(OnS3):
    server_name = "ceph_server"

    @pytest.fixture
    async def store(self, request, bucket):
        server = request.getfixturevalue(self.server_name)
        url = f"s3://{bucket}/run/{secrets.token_hex(8)}"
        store = open_store(url, engine="obstore", **self.options(server))
        races = ("test_compare_and_swap_loses_no_update", "test_readers_see_old_or_new")
        async with Patient(store) if request.node.name in races else store as store:
            yield store


class WrittenByGCS(SplitStore):
    """fake-gcs-server does not understand the uploads of obstore, which are those of the XML interface.

    It also ends the connection after status 416 and does not say so: the next read may find it broken.
    """

    async def get(self, key, byte_range=None):
        return await insist(lambda: self.reader.get(key, byte_range))

    async def get_ranges(self, key, ranges, *, if_version=None):
        return await insist(lambda: super(WrittenByGCS, self).get_ranges(key, ranges, if_version=if_version))

    async def delete(self, key, *, if_version=None):
        if if_version:
            raise Unsupported("plain writes only", key=key)
        await self.reader.delete(key)

    async def delete_many(self, keys):
        await self.reader.delete_many(keys)


@pytest.mark.xdist_group("fake_gcs")
class TestFakeGCS(StoreContract):
    @pytest.fixture
    async def store(self, fake_gcs_server):
        folder = f"obstore/{secrets.token_hex(8)}"
        reader = open_store(
            f"gs://{fake_gcs_server.bucket}/{folder}",
            engine="obstore",
            base_url=fake_gcs_server.address,
            # Not anonymous: deletes of obstore ask for a token then as well.
            credential_provider=lambda: {"token": "any", "expires_at": None},
        )
        writer = GCSStore(fake_gcs_server.bucket, folder, api_root=fake_gcs_server.address, anonymous=True)
        async with WrittenByGCS(reader, writer) as store:
            yield store


@pytest.mark.xdist_group("azurite")
class TestAzurite(OnServer):
    scheme, server_name = "az", "azurite_server"

    @staticmethod
    def make_bucket(server):
        from azure.storage.blob import BlobServiceClient

        name = f"obstore-{secrets.token_hex(4)}"
        with BlobServiceClient.from_connection_string(server.connection_string) as client:
            client.create_container(name)
        return name

    @staticmethod
    def options(server):
        return {"account_name": server.account, "account_key": server.key, "endpoint": server.address}
