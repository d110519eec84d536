"""The public contract on two S3 services: moto, which enforces every condition, and Ceph, which people run."""

from __future__ import annotations

import secrets

import pytest

from asynczarr.store import S3Store
from asynczarr.testing import StoreContract


@pytest.fixture(scope="class")
def server(request):
    return request.getfixturevalue(request.cls.server_name)


@pytest.fixture(scope="class")
def bucket(server):
    return server.create_bucket(f"contract-{secrets.token_hex(4)}")


class OnS3(StoreContract):
    """Each test has a fresh prefix."""

    options = {}

    @pytest.fixture
    async def store(self, server, bucket):
        async with S3Store(bucket, f"run/{secrets.token_hex(8)}", **server.options, **self.options) as store:
            yield store


@pytest.mark.xdist_group("moto")
class TestMoto(OnS3):
    server_name = "moto_server"
    options = {"conditional_delete": True}


@pytest.mark.xdist_group("ceph")
class TestCeph(OnS3):
    server_name = "ceph_server"
