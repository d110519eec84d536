"""Who shares limits, rates and budgets: stores of one service, whatever their buckets, and nobody else."""

from __future__ import annotations

import pytest

import asynczarr as az
from asynczarr.errors import BudgetExhausted, Unavailable
from asynczarr.middleware import Checksum, Limit, Retry, RetryBudget, RetryPolicy, Throttle
from asynczarr.middleware.endpoint import endpoint
from asynczarr.store.azure import AzureStore
from asynczarr.store.gcs import GCSStore
from asynczarr.store.s3 import S3Store
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Scripted, WireFault

pytest.importorskip("asynczarr.store.s3.client")  # reads files when it is imported: here, and not on an event loop

KEY = "AccountName=acc;AccountKey=c2VjcmV0"
STORES = {
    "s3://one": lambda: S3Store("one", "a", anonymous=True),
    "http://host:9000": lambda: S3Store("one", anonymous=True, endpoint_url="http://user:secret@host:9000/"),
    "gs://one": lambda: GCSStore("one", "a", anonymous=True),
    "http://host:4443": lambda: GCSStore("one", anonymous=True, api_root="http://host:4443"),
    "https://acc.blob.core.windows.net": lambda: AzureStore("one", "a", account="acc", anonymous=True),
    "https://acc.blob.core.usgovcloudapi.net": lambda: AzureStore(
        "one", connection_string=f"{KEY};EndpointSuffix=core.usgovcloudapi.net"
    ),
    "http://127.0.0.1:1": lambda: AzureStore("one", connection_string=f"{KEY};BlobEndpoint=http://127.0.0.1:1/acc"),
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST", "AZURE_STORAGE_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", STORES)
async def test_the_service_of_a_store(name):
    async with az.stack(STORES[name]()) as store:
        assert endpoint(store) == name
        assert "secret" not in store.service


async def test_the_service_of_a_variable(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://host:9000")
    assert endpoint(S3Store("one", anonymous=True)) == "http://host:9000"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "host:4443")
    assert endpoint(GCSStore("one")) == "http://host:4443"


async def test_the_service_of_a_store_of_obstore():
    obstore = pytest.importorskip("obstore.store")
    known = {"region": "x", "skip_signature": True}
    assert endpoint(az.store.ObstoreStore(obstore.S3Store("one", **known))) == "s3://one"
    elsewhere = obstore.S3Store("one", endpoint="http://host:9000", **known)
    assert endpoint(az.store.ObstoreStore(elsewhere)) == "http://host:9000"
    azure = obstore.AzureStore("one", account_name="acc", skip_signature=True)
    assert endpoint(az.store.ObstoreStore(azure)) == "https://acc.blob.core.windows.net"


def _bucket(server, name):
    return S3Store(name, endpoint_url=server.address, region="us-east-1", anonymous=True, addressing_style="path")


async def test_two_buckets_of_one_service_share_its_budget_and_those_of_two_do_not():
    policy = RetryPolicy(rand=lambda: 0.0, attempts=100)
    async with FaultServer() as one, FaultServer() as other:
        stores = [Retry(_bucket(one, "a"), policy=policy), Retry(_bucket(one, "b"), policy=policy)]
        stores.append(Retry(_bucket(other, "a"), policy=policy))
        assert len({id(RetryBudget.of(store)) for store in stores}) == 2
        for server in (one, other):
            server.faults = Scripted(WireFault(status=500), always=True)
        for store in stores:
            with pytest.raises(BudgetExhausted) as caught:
                await store.head("k")
            assert isinstance(caught.value.__cause__, Unavailable)
        assert len(one.requests) == 1 + 500 // 14 + 1  # the second bucket has no retry left
        assert len(other.requests) == 1 + 500 // 14
        for store in stores:
            await store.aclose()


async def test_a_layer_below_another_finds_the_service_too():
    store = S3Store("one", anonymous=True, endpoint_url="http://host:9000")
    same = S3Store("two", anonymous=True, endpoint_url="http://host:9000")
    assert Limit(Checksum(store))._gate() is Limit(same)._gate()
    assert Throttle(Checksum(store))._pace() is Throttle(same)._pace()
