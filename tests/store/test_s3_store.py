"""What S3Store promises beyond the contract: loops and processes, cancellation, credentials, trust."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap

import pytest

from asynczarr.errors import ConnectionFailed, Unauthenticated, Unsupported
from asynczarr.store import S3Store, open_store
from asynczarr.types import ByteRange

from .scripted_http import HANG, ScriptedServer, answer

KEYS = {"access_key_id": "key", "secret_access_key": "secret"}
PAGE = (
    "<ListBucketResult><IsTruncated>{more}</IsTruncated><NextContinuationToken>{more}</NextContinuationToken>"
    "<Contents><Key>k</Key></Contents></ListBucketResult>"
)


def service(request):
    """A little S3: it answers everything well."""
    if request.method == "GET" and "list-type" in request.target:
        more = "false" if "continuation-token" in request.target else "true"
        return answer(200, PAGE.format(more=more).encode())
    if request.method == "GET" and "range" in request.headers:
        first, last = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
        return answer(206, b"x" * (last + 1 - first), Content_Range=f"bytes {first}-{last}/100", ETag='"v"')
    if request.method == "POST":
        return answer(200, b"<DeleteResult/>")
    return answer(204 if request.method == "DELETE" else 200, b"" if request.method == "HEAD" else b"value", ETag='"v"')


@pytest.fixture
async def server():
    async with ScriptedServer() as server:
        server.script = service
        yield server


def run(script, *, good=True):
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


async def test_every_loop_thread_and_fork_has_its_own_connections(server):
    """In a process of its own, with warnings as errors: a loop that ends without ``aclose`` leaves nothing open."""
    script = f"""
        import asyncio, os
        from concurrent.futures import ThreadPoolExecutor
        from asynczarr.store import S3Store

        store = S3Store("bucket", endpoint_url={server.url!r}, **{KEYS!r})

        async def read(close=False):
            assert await asyncio.gather(*(store.get("k") for _ in range(10))) == [b"value"] * 10
            if close:
                await store.aclose()

        asyncio.run(read())
        asyncio.run(read())
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda _: asyncio.run(read()), range(3)))
        loop = asyncio.new_event_loop()
        loop.run_until_complete(read())
        if (child := os.fork()) == 0:
            asyncio.new_event_loop().run_until_complete(read(close=True))
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        loop.run_until_complete(read(close=True))
        loop.close()
    """
    await asyncio.to_thread(run, script)
    assert len(server.requests) == 80


CALLS = {
    "get": lambda store: store.get("k"),
    "get a range": lambda store: store.get("k", ByteRange(0, 4)),
    "get_ranges": lambda store: store.get_ranges("k", [ByteRange(n, n + 4) for n in range(4)]),
    "head": lambda store: store.head("k"),
    "set": lambda store: store.set("k", b"x" * 1000),
    "set a large value": lambda store: store.set("k", b"x" * (1 << 20)),
    "delete": lambda store: store.delete("k"),
    "delete_many": lambda store: store.delete_many(["k"]),
    "list": lambda store: drain(store.list()),
    "list_dir": lambda store: drain(store.list_dir()),
}


async def drain(names):
    return [name async for name in names]


def moments():
    """Turns of the loop: each at first, then ever further apart, since a wait for the network takes any number."""
    moment = 0
    while moment < 1_000_000:
        yield moment
        moment += 1 + moment // 50


@pytest.mark.every_loop
@pytest.mark.parametrize("verb", CALLS)
async def test_cancelled_at_every_await(server, verb):
    """Nothing is left: no task, no connection in use, and the store goes on working."""
    async with S3Store("bucket", endpoint_url=server.url, **KEYS) as store:
        await store.get("k")
        client = await store._clients.get()
        mine = asyncio.all_tasks()
        cancelled = 0
        for moment in moments():
            task = asyncio.ensure_future(CALLS[verb](store))
            for _ in range(moment):
                await asyncio.sleep(0)
            done = task.done()
            task.cancel()
            await asyncio.wait([task])
            cancelled += task.cancelled()
            left = [repr(task) for task in asyncio.all_tasks() - mine]
            assert not [task for task in left if "asynczarr/store" in task or "aiohttp/" in task]
            assert not client._session.http.connector._acquired
            if done:
                break
        else:
            pytest.fail("it never ended")
        assert cancelled > 3
        assert await store.get("k") == b"value"


async def test_cancelled_while_it_looks_for_credentials(server):
    """The others who wait for the same client get it."""
    async with S3Store("bucket", endpoint_url=server.url, **KEYS) as store:
        first, second = asyncio.ensure_future(store.get("k")), asyncio.ensure_future(store.get("k"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == b"value"
        assert first.cancelled()


async def test_closing_ends_what_is_under_way(server):
    server.script = lambda request: HANG
    store = S3Store("bucket", endpoint_url=server.url, **KEYS)
    call = asyncio.ensure_future(store.get("k"))
    while not server.requests:
        await asyncio.sleep(0.01)
    await store.aclose()
    with pytest.raises(ConnectionFailed):
        await call


@pytest.mark.parametrize("missing", ["aiohttp", "botocore"])
def test_a_missing_extra_is_named_with_its_line(missing):
    out = run(f"""
        import sys
        sys.modules[{missing!r}] = None
        from asynczarr.store import open_store
        try:
            open_store("s3://bucket")
        except Exception as error:
            print(type(error).__name__, error)
    """)
    assert out.startswith("Unsupported ")
    assert "pip install 'asynczarr[s3]'" in out


def test_the_package_loads_no_sdk():
    assert run("import sys, asynczarr.store; print({'aiohttp', 'botocore'} & set(sys.modules))") == "set()\n"


async def test_options_that_make_no_sense(server):
    with pytest.raises(ValueError, match="go together"):
        S3Store("bucket", access_key_id="key")
    with pytest.raises(ValueError, match="5242880"):
        S3Store("bucket", part_size=1)
    for options in ({"endpoint_url": "nonsense"}, {"profile": "nobody"}, {"bucket": "b b"}):
        async with S3Store(**{"bucket": "bucket", "region": "eu-north-1", **options}) as store:
            with pytest.raises(Unsupported, match="botocore refuses"):
                await store.get("k")
    assert server.requests == []


ADDRESSES = {
    "path, because the host is a number": ({}, "/bucket/root/a%20b"),
    "path": ({"addressing_style": "path"}, "/bucket/root/a%20b"),
    "another bucket": ({"bucket": "other.bucket"}, "/other.bucket/root/a%20b"),
}


@pytest.mark.parametrize("name", ADDRESSES)
async def test_how_a_key_is_addressed(server, name):
    options, target = ADDRESSES[name]
    options = {"bucket": "bucket", "prefix": "root", "endpoint_url": server.url, **KEYS, **options}
    async with S3Store(**options) as store:
        assert await store.get("a b") == b"value"
        assert await drain(store.list()) == [], "what the script names does not lie below root/"
    bucket = target.removesuffix("root/a%20b")
    assert [request.target.partition("?")[0] for request in server.requests] == [target, bucket, bucket]


async def test_urls(server):
    store = open_store("s3a://bucket/a%20b/c/", endpoint_url=server.url, **KEYS)
    assert (store.url, store.capabilities.write) == ("s3://bucket/a b/c", True)
    assert await store.get("k") == b"value"
    assert server.requests[0].target == "/bucket/a%20b/c/k"
    await store.aclose()


async def test_headers_of_the_caller_are_signed(server):
    headers = {"x-amz-request-payer": "requester"}
    async with S3Store("bucket", endpoint_url=server.url, headers=headers, **KEYS) as store:
        await store.get("k")
    (request,) = server.requests
    assert request.headers["x-amz-request-payer"] == "requester"
    assert "x-amz-request-payer" in request.headers["authorization"]


async def test_the_checksum_is_crc32c(server):
    async with S3Store("bucket", endpoint_url=server.url, **KEYS) as store:
        await store.set("k", b"123456789")
    assert server.requests[0].headers["x-amz-checksum-crc32c"] == "4waSgw==", (
        "E3069283, the test value of the algorithm"
    )


async def test_large_values_are_sent_in_pieces_with_their_length_and_checksums(server):
    value = bytes(range(256)) * (1 << 14)
    async with S3Store("bucket", endpoint_url=server.url, **KEYS) as store:
        await store.set("k", memoryview(value), metadata={"write_id": "7"})
    (request,) = server.requests
    assert request.body == value
    assert "transfer-encoding" not in request.headers
    assert request.headers["x-amz-meta-write-id"] == "7", "underscores do not pass through everything"
    assert len(request.headers["x-amz-content-sha256"]) == 64
    assert request.headers["x-amz-checksum-crc32c"] == "dJIlAA=="


@pytest.fixture
def no_aws(monkeypatch, tmp_path):
    """A home without credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path


def key_of(request):
    return request.headers["authorization"].partition("Credential=")[2].partition("/")[0]


async def test_credentials_of_the_environment(server, no_aws, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    async with S3Store("bucket", endpoint_url=server.url) as store:
        await store.get("k")
    assert key_of(server.requests[0]) == "of-environment"
    assert server.requests[0].headers["x-amz-security-token"] == "token"


async def test_credentials_and_address_of_a_profile(server, no_aws):
    (no_aws / "credentials").write_text("[work]\naws_access_key_id = of-profile\naws_secret_access_key = secret\n")
    (no_aws / "config").write_text(f"[profile work]\nregion = eu-north-1\nendpoint_url = {server.url}\n")
    async with S3Store("bucket", profile="work") as store:
        await store.get("k")
    assert key_of(server.requests[0]) == "of-profile"
    assert "/eu-north-1/s3/" in server.requests[0].headers["authorization"]


def issuing(folder, lifetime):
    """A profile whose keys come from a program; each run of it gives others."""
    program = folder / "issue.py"
    program.write_text(
        textwrap.dedent(f"""
            import datetime, json, pathlib
            runs = pathlib.Path({str(folder / "runs")!r})
            number = len(runs.read_text()) + 1 if runs.exists() else 1
            runs.write_text("x" * number)
            end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds={lifetime})
            print(json.dumps(dict(Version=1, AccessKeyId=f"key-{{number}}", SecretAccessKey="secret",
                                  SessionToken="token", Expiration=end.isoformat())))
        """)
    )
    (folder / "config").write_text(f"[default]\ncredential_process = {sys.executable} {program}\n")


async def test_credentials_are_fetched_again_before_they_expire(server, no_aws):
    issuing(no_aws, lifetime=30)
    async with S3Store("bucket", endpoint_url=server.url) as store:
        for _ in range(3):
            await store.get("k")
    keys = [key_of(request) for request in server.requests]
    assert len(set(keys)) == 3


async def test_while_credentials_are_fetched_the_old_ones_are_used(server, no_aws):
    issuing(no_aws, lifetime=12 * 60)  # botocore begins to fetch new ones 15 minutes before the end
    async with S3Store("bucket", endpoint_url=server.url) as store:
        await store.get("k")
        before = len((no_aws / "runs").read_text())
        await asyncio.gather(*(store.get("k") for _ in range(20)))
        assert len((no_aws / "runs").read_text()) == before + 1
    keys = [key_of(request) for request in server.requests[1:]]
    assert len(set(keys)) == 2
    assert keys.count(key_of(server.requests[0])) == 19


async def test_credentials_that_last_are_not_fetched_again(server, no_aws):
    issuing(no_aws, lifetime=3600)
    async with S3Store("bucket", endpoint_url=server.url) as store:
        for _ in range(3):
            await store.get("k")
    assert (no_aws / "runs").read_text() == "x"


async def test_credentials_that_cannot_be_fetched(server, no_aws):
    (no_aws / "config").write_text(f"[default]\ncredential_process = {sys.executable} -c 'import sys; sys.exit(3)'\n")
    async with S3Store("bucket", endpoint_url=server.url) as store:
        with pytest.raises(Unauthenticated):
            await store.get("k")
    assert server.requests == []
