"""The contract of stores, on Azurite."""

from __future__ import annotations

from itertools import count

import pytest
from azure.storage.blob.aio import ContainerClient

from asynczarr.store import AzureStore
from asynczarr.testing import StoreContract

from ..servers.azurite import AzuriteServer
from .on_servers import kill_and_go_on, run_example, use_in_loops_threads_and_forks

pytestmark = pytest.mark.xdist_group("azurite")
_numbers = count()


@pytest.fixture
async def container(azurite_server):
    name = f"contract-{next(_numbers)}"
    async with ContainerClient.from_connection_string(azurite_server.connection_string, name) as client:
        await client.create_container()
    return name


class TestAzure(StoreContract):
    pytestmark = pytest.mark.xdist_group("azurite")

    @pytest.fixture
    async def store(self, azurite_server, container):
        connection = azurite_server.connection_string
        async with AzureStore(container, "some/folder", connection_string=connection) as store:
            yield store


async def test_a_whole_container(azurite_server, container):
    async with AzureStore(container, connection_string=azurite_server.connection_string) as store:
        await store.set("a/b", b"x")
        assert await store.get("a/b") == b"x"
        assert [key async for key in store.list()] == ["a/b"]
        assert [name async for name in store.list_dir()] == ["a/"]
        await store.delete_many(["a/b"])
        assert await store.head("a/b") is None


async def test_loops_threads_and_forks(azurite_server, container):
    await use_in_loops_threads_and_forks(f"az://{container}/forks", connection_string=azurite_server.connection_string)


async def test_a_server_that_is_killed(own_server):
    with own_server(AzuriteServer) as server:
        async with ContainerClient.from_connection_string(server.connection_string, "killed") as client:
            await client.create_container()
        async with AzureStore("killed", connection_string=server.connection_string) as store:
            await kill_and_go_on(server, store, idle=6)  # Azurite saves what it knows of blobs every 5 seconds


async def test_the_example(azurite_server, container, tmp_path):
    where = {"AZURE_URL": f"az://{container}/x", "AZURE_STORAGE_CONNECTION_STRING": azurite_server.connection_string}
    assert "8 writers" in await run_example("azure_blob.py", tmp_path, **where)
