"""Faults of Azure Blob Storage, on a script that plays its part."""

from __future__ import annotations

import asyncio
import logging
import sys
import time

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from asynczarr import errors
from asynczarr.store import AzureStore, open_store
from asynczarr.types import ByteRange

from .bucket_scripts import Azure, error
from .remote_faults import VALUE, VERBS, Cloud, RemoteFaults, certified, everything_about
from .scripted_http import Reply, ScriptedServer

KEY = "c2VjcmV0LWtleQ=="
SIGNATURE = "c2VjcmV0LXNpZ25hdHVyZQ%3D%3D"


class TestFaults(RemoteFaults):
    @pytest.fixture
    def cloud(self):
        def make(address, **options):
            sas = f"?sv=2024-11-04&sig={SIGNATURE}"
            return AzureStore("bucket", endpoint=f"{address}/account", sas_token=sas, **options)

        return Cloud(make, Azure(), SIGNATURE, '"999"')


@pytest.fixture
async def server():
    async with ScriptedServer(Azure()) as server:
        yield server


def store_on(server, **options):
    return AzureStore("bucket", endpoint=f"{server.url}/account", anonymous=True, **options)


async def test_what_is_sent(server):
    async with store_on(server, prefix="data/x.zarr") as store:
        await store.set("c/0", VALUE, create=True, metadata={"writer": "7"})
        assert await store.get("c/0", ByteRange(-5)) == VALUE[-5:]
    put, head, get = server.requests
    assert (put.method, put.target, put.body) == ("PUT", "/account/bucket/data/x.zarr/c/0", VALUE)
    assert (put.headers["if-none-match"], put.headers["x-ms-meta-writer"]) == ("*", "7")
    assert head.method == "HEAD"
    assert (get.headers["x-ms-range"], get.headers["if-match"]) == ("bytes=95-99", '"1001"')
    assert {request.headers["accept-encoding"] for request in server.requests} == {"identity"}
    assert not any("authorization" in request.headers for request in server.requests)


async def test_a_large_value_is_sent_in_blocks(server, monkeypatch):
    from asynczarr.store.azure import store as azure

    monkeypatch.setattr(azure, "_BLOCK", 1000)
    value = bytes(range(250)) * 20
    async with store_on(server, single_put_size=2000) as store:
        first = await store.set("k", value, create=True, metadata={"writer": "7"})
        assert await store.get("k") == value
        assert (await store.head("k")).metadata == {"writer": "7"}
        puts = [request for request in server.requests if request.method == "PUT"]
        assert [len(request.body) for request in puts[:5]] == [1000] * 5
        assert ["comp=blocklist" in request.target for request in puts] == [False] * 5 + [True]
        with pytest.raises(errors.AlreadyExists):
            await store.set("k", value, create=True)
        second = await store.set("k", value[1:], if_version=first)
        with pytest.raises(errors.PreconditionFailed):
            await store.set("k", value, if_version=first)
        assert (await store.head("k")).version == second
        server.requests.clear()
        server.fault = lambda reply: setattr(reply, "reset", len(server.requests) > 1)
        with pytest.raises(errors.ConnectionFailed):
            await store.set("k", value)
        assert not any("comp=blocklist" in request.target for request in server.requests)
        server.fault = None
        assert await store.get("k") == value[1:]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AuthenticationFailed", errors.Unauthenticated),
        (403, "AuthorizationFailure", errors.Forbidden),
        (409, "ContainerBeingDeleted", errors.Unavailable),
        (409, "SnapshotsPresent", errors.Forbidden),
        (412, "LeaseIdMissing", errors.Forbidden),
        (503, "ServerBusy", errors.Throttled),
        (500, "OperationTimedOut", errors.Unavailable),
        (400, "InvalidMetadata", errors.StoreError),
    ],
)
async def test_codes(status, code, kind):
    async with ScriptedServer(lambda _: error(status, code)) as server, store_on(server) as store:
        for verb in ("get", "set", "delete", "list", "head"):
            with pytest.raises(errors.StoreError, match=code) as caught:
                await VERBS[verb](store)
            assert type(caught.value) is kind
        assert len(server.requests) == 5


async def test_metadata_that_azure_would_not_keep_is_refused_before_anything_is_sent(server):
    bad = ({"Upper": "x"}, {"a-b": "x"}, {"a b": "x"}, {"7a": "x"}, {"": "x"}, {"é": "x"})
    bad += ({"k": "a\nb"}, {"k": " x"}, {"k": "x "}, {"k": "é"}, {"k": "\x7f"})
    async with store_on(server, single_put_size=10) as store:
        for metadata in bad:
            for value in (b"x", VALUE):  # by one request, and by blocks
                with pytest.raises(errors.Unsupported):
                    await store.set("k", value, metadata=metadata)
        assert server.requests == []
        kept = {"_a7": "b  c!~", "empty": ""}
        await store.set("k", b"x", metadata=kept)
        assert (await store.head("k")).metadata == kept


async def test_metadata_is_the_same_whoever_tells_it(server):
    """Others may write names in upper case, which is none in a header."""
    async with store_on(server) as store:
        await store.set("k", VALUE)
        server.fault = lambda reply: reply.headers.update({"x-ms-meta-Writer": "7", "X-MS-Meta-TWO": "8"})
        parts = await store.get_ranges("k", [ByteRange(0, 5)])
        assert parts.metadata == (await store.head("k")).metadata == {"writer": "7", "two": "8"}


async def test_milliseconds_to_wait():
    reply = Reply(503, headers={"x-ms-retry-after-ms": "1500", "Retry-After": "9"})
    async with ScriptedServer([reply]) as server, store_on(server) as store:
        with pytest.raises(errors.Throttled) as caught:
            await store.get("k")
    assert caught.value.retry_after == 1.5


@pytest.mark.parametrize("name", ["ETag", "Last-Modified", "Content-Length"])
@pytest.mark.parametrize("value", [None, "nonsense"])
async def test_a_description_that_is_none(server, name, value):
    async with store_on(server) as store:
        await store.set("k", VALUE)
        server.fault = lambda reply: reply.headers.update({name: value})
        if (name, value) == ("ETag", "nonsense"):
            assert (await store.head("k")).version == value
            return
        with pytest.raises(errors.Unavailable):
            await store.head("k")


async def test_answers_without_a_version(server):
    async with store_on(server) as store:
        await store.set("k", VALUE)
        server.fault = lambda reply: reply.headers.update({"ETag": None})
        with pytest.raises(errors.IntegrityError, match="no version"):
            await store.get_ranges("k", [ByteRange(5, 9), ByteRange(20, 30)])
        with pytest.raises(errors.Unavailable, match="stored"):
            await store.set("k", VALUE)


async def test_pages_with_blobs_that_have_no_name():
    for blob in ("<Blob/>", "<Blob><Name/></Blob>", "<Blob><Properties/></Blob>"):
        body = f"<EnumerationResults><Blobs>{blob}</Blobs><NextMarker/></EnumerationResults>".encode()
        reply = Reply(200, body, {"Content-Type": "application/xml"})
        async with ScriptedServer(lambda _, reply=reply: reply) as server, store_on(server) as store:
            for verb in ("list", "list_dir"):
                with pytest.raises(errors.Unavailable):
                    await VERBS[verb](store)


@pytest.mark.parametrize("verb", VERBS)
async def test_a_container_that_is_missing_is_no_missing_key(verb):
    async with ScriptedServer(lambda _: error(404, "ContainerNotFound")) as server, store_on(server) as store:
        with pytest.raises(errors.NotFound, match="container"):
            await VERBS[verb](store)


async def test_a_range_without_bytes_is_looked_into(server):
    async with store_on(server) as store:
        await store.set("k", VALUE)

        def empty(reply):
            if reply.status == 206:
                reply.body, reply.headers = b"", {"ETag": '"1001"', "Content-Range": "bytes 5-4/100"}

        server.fault = empty
        with pytest.raises(errors.Truncated):
            await store.get("k", ByteRange(5, 50))
        assert [request.method for request in server.requests] == ["PUT", "GET", "HEAD"]


async def test_folders_of_a_hierarchical_namespace_are_no_keys():
    kind = "<Properties><BlobType>BlockBlob</BlobType></Properties>"
    folder = f"<Blob><Name>a</Name>{kind}<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob>"
    blobs = f"<Blobs>{folder}<Blob><Name>a/k</Name>{kind}</Blob></Blobs>"
    body = f"<EnumerationResults>{blobs}<NextMarker/></EnumerationResults>".encode()
    reply = Reply(200, body, {"Content-Type": "application/xml"})
    async with ScriptedServer(lambda _: reply) as server, store_on(server) as store:
        assert [key async for key in store.list()] == ["a/k"]
        assert "include=metadata" in server.requests[0].target


async def test_one_of_a_batch_that_fails(server):
    async with store_on(server) as store:
        for key in "kl":
            await store.set(key, b"x")
        service = server.script

        def refuse(request):
            if request.method == "POST":
                return Reply(202, service(request).body.replace(b"202 X", b"403 X", 1), {"Content-Type": BATCH})
            return service(request)

        server.script = refuse
        with pytest.raises(errors.Forbidden) as caught:
            await store.delete_many(["k", "l"])
        assert caught.value.key == "k"
        assert await store.get("l") is None


BATCH = "multipart/mixed; boundary=b"


async def test_600_keys_are_deleted_by_3_requests(server):
    async with store_on(server) as store:
        await store.delete_many([f"k{number}" for number in range(600)])
    assert [request.method for request in server.requests] == ["POST"] * 3


async def test_a_compressed_blob_is_read_as_it_is_stored(server):
    async with store_on(server) as store:
        await store.set("k", VALUE)
        server.fault = lambda reply: reply.headers.update({"Content-Encoding": "gzip"})
        assert await store.get("k") == VALUE
        assert await store.get("k", ByteRange(5, 9)) == VALUE[5:9]


@pytest.fixture
def no_environment(monkeypatch):
    for name in ("CONNECTION_STRING", "ACCOUNT", "KEY", "SAS_TOKEN"):
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)


async def signed_how(server, store):
    async with store:
        await store.set("k", VALUE)
    request = server.requests[-1]
    if "sig=" in request.target:
        return "sas"
    return request.headers.get("authorization", "nothing").partition(":")[0]


@pytest.mark.usefixtures("no_environment")
async def test_credentials(server, monkeypatch):
    endpoint = f"{server.url}/account"
    string = f"AccountName=account;AccountKey={KEY};BlobEndpoint={endpoint}"
    assert await signed_how(server, AzureStore("bucket", connection_string=string)) == "SharedKey account"
    assert await signed_how(server, AzureStore("bucket", endpoint=endpoint, account_key=KEY)) == "SharedKey account"
    assert await signed_how(server, AzureStore("bucket", endpoint=endpoint, sas_token=f"sig={SIGNATURE}")) == "sas"
    assert await signed_how(server, AzureStore("bucket", endpoint=endpoint, anonymous=True)) == "nothing"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", string)
    assert await signed_how(server, open_store("az://bucket/x")) == "SharedKey account"
    assert await signed_how(server, AzureStore("bucket", endpoint=endpoint, anonymous=True)) == "nothing"


class Identity:
    def __init__(self):
        self.asked = 0

    async def get_token(self, *scopes, **_):
        self.asked += 1
        await asyncio.sleep(0)
        return AccessToken("secret-token", int(time.time()) + 3600)


async def test_tokens_of_an_identity(tmp_path):
    context, certificate = await asyncio.to_thread(certified, tmp_path)
    identity = Identity()
    async with ScriptedServer(Azure(), context) as server:
        endpoint = f"{server.url}/account"
        async with AzureStore("bucket", endpoint=endpoint, credential=identity, verify=str(certificate)) as store:
            await store.set("k", VALUE)
            assert await store.get("k") == VALUE
        assert {request.headers["authorization"] for request in server.requests} == {"Bearer secret-token"}
        assert (identity.asked, len(server.requests)) == (1, 2)
        server.script = lambda _: Reply(401, headers={"WWW-Authenticate": "Bearer"})
        async with AzureStore("bucket", endpoint=endpoint, credential=identity, verify=str(certificate)) as store:
            with pytest.raises(errors.Unauthenticated) as caught:
                await store.get("k")
        assert "secret" not in everything_about(caught.value)
        assert len(server.requests) == 3


async def test_an_identity_that_fails(server):
    class Nobody:
        async def get_token(self, *_, **__):
            raise ClientAuthenticationError("nobody is logged in")

    async with AzureStore("bucket", endpoint="https://account.blob.core.windows.net", credential=Nobody()) as store:
        with pytest.raises(errors.Unauthenticated, match="nobody is logged in"):
            await store.get("k")


@pytest.mark.usefixtures("no_environment")
async def test_the_default_identity_is_made_and_closed(monkeypatch):
    aio = pytest.importorskip("azure.identity.aio")
    made = []

    class Recorded(Identity):
        closed = False

        async def close(self):
            self.closed = True

    monkeypatch.setattr(aio, "DefaultAzureCredential", lambda: made.append(Recorded()) or made[-1])
    async with open_store("abfs://container@account.dfs.core.windows.net") as store:
        await store._clients.get()
        (identity,) = made
        assert not identity.closed
    assert identity.closed


async def test_malformed_credentials():
    for options in ({"connection_string": "AccountKey=secret"}, {"endpoint": "http://h", "account_key": "secret"}):
        async with AzureStore("bucket", **options) as store:
            with pytest.raises(errors.Unauthenticated) as caught:
                await store.get("k")
            assert "secret" not in everything_about(caught.value)


@pytest.mark.usefixtures("no_environment")
async def test_keys_of_one_account_are_not_shown_to_another(monkeypatch):
    from asynczarr.store.azure.account import Credentials, find_account

    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "mine")
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    found = find_account(None, None, Credentials(), store="az://c")
    assert (found.url, found.credential["account_key"]) == ("https://mine.blob.core.windows.net", KEY)
    for account, endpoint in (("other", None), (None, "https://other.blob.core.windows.net")):
        found = find_account(account, endpoint, Credentials(), store="az://c")
        assert (found.credential, found.identity) == (None, True)
    assert KEY not in repr(find_account("mine", None, Credentials(), store="az://c"))


@pytest.mark.usefixtures("no_environment")
async def test_without_any_account_or_credentials(monkeypatch):
    with pytest.raises(errors.KeyInvalid, match="which account"):
        open_store("az://container")
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(errors.Unauthenticated, match="pip install azure-identity"):
        open_store("abfs://container@account.dfs.core.windows.net/x")


def test_urls():
    store = open_store("abfs://container@account.dfs.core.windows.net/some/folder", anonymous=True, mode="r")
    assert (type(store), store.url, store.capabilities.write) == (AzureStore, "az://container/some/folder", False)
    assert open_store("abfss://container@account.blob.core.windows.net", anonymous=True).url == "az://container"
    bad = (
        "az://",
        "az:///x",
        "az://c/x?sig=secret",
        "az://c@evil.com/x",
        "az://c:secret@account.dfs.y/x",
        "az://c/../x",
    )
    for url in bad:
        with pytest.raises(errors.KeyInvalid) as caught:
            open_store(url, account="account", anonymous=True)
        assert "secret" not in str(caught.value)


async def test_nothing_secret_is_logged(server, caplog):
    caplog.set_level(logging.DEBUG)
    endpoint = f"{server.url}/account"
    for options in ({"sas_token": f"sig={SIGNATURE}"}, {"account_key": KEY}):
        async with AzureStore("bucket", endpoint=endpoint, **options) as store:
            await store.set("k", VALUE)
            assert KEY not in repr(vars(store))
    assert SIGNATURE not in caplog.text
    assert KEY not in caplog.text


def test_without_azure_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.storage.blob.aio", None)
    for module in ("client", "transport"):
        monkeypatch.delitem(sys.modules, f"asynczarr.store.azure.{module}", raising=False)
        monkeypatch.delattr(f"asynczarr.store.azure.{module}", raising=False)
    with pytest.raises(errors.Unsupported, match=r"pip install 'asynczarr\[azure\]'"):
        open_store("az://container", anonymous=True)
