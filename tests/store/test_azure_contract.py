"""The contract of stores, on Azurite."""

from __future__ import annotations

from itertools import count

import pytest
from azure.storage.blob.aio import ContainerClient

from asynczarr.store import AzureStore
from asynczarr.testing import StoreContract

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

    @pytest.fixture(params=["", "some/folder"], ids=["container", "folder"])
    async def store(self, request, azurite_server, container):
        connection = azurite_server.connection_string
        async with AzureStore(container, request.param, connection_string=connection) as store:
            yield store
