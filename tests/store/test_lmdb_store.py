"""LMDB: processes that compete or are killed, maps that grow, long keys, forks, and what is no database."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from asynczarr.errors import AsyncZarrError, IntegrityError, KeyInvalid, PreconditionFailed, StoreClosed, Unsupported
from asynczarr.store import LMDBStore
from asynczarr.types import ByteRange

sys.path.insert(0, str(Path(__file__).parent))
import lmdb_writers
from crash_writers import KEYS, SIZE, kill_at_random, start

lmdb = pytest.importorskip("lmdb")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table"


# Processes.


async def test_three_processes_count_together(path):
    """3 x 100 increments by compare-and-swap, and none is lost."""
    async with LMDBStore(path, durability="none") as store:
        await store.set("counter", b"0")
        workers = [start(lmdb_writers.count_up, str(path), 100) for _ in range(3)]
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        assert bytes(await store.get("counter")) == b"300"


async def test_three_processes_create_each_key_once(path):
    async with LMDBStore(path, durability="none") as store:
        workers = [start(lmdb_writers.create_keys, str(path), name, 200) for name in "abc"]
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        winners = {number: bytes(await store.get(f"c/{number}")).decode() for number in range(200)}
        claims = sorted([key async for key in store.list("won/")])
        assert claims == sorted(f"won/{name}/{number}" for number, name in winners.items())


async def test_killed_writers(path):
    """20 rounds: each value is old or new and whole, the next writer goes on, and no reader is in the way for ever."""
    async with LMDBStore(path, durability="none", map_size=1 << 20) as store:
        chance, seen = random.Random(7), set()
        for generation in range(20):
            writer = start(lmdb_writers.overwrite, str(path), generation)
            kill_at_random(writer, chance, 0.03)
            values = [await store.get(key) for key in KEYS]
            for value in values:
                assert value is None or (len(value) == SIZE and value == value[:1] * len(value))
            seen |= {bytes(value[:1]) for value in values if value is not None}
            assert {key async for key in store.list()} <= {*KEYS}
            await asyncio.wait_for(store.set("zarr.json", b"A" * SIZE), 60)
    assert len(seen) > 1, "no writer got to write anything: the test has tested nothing"


async def test_a_map_that_another_process_has_made_larger(path):
    """Reader and writer find out by themselves."""
    async with LMDBStore(path, durability="none", map_size=1 << 16) as store:
        await store.set("k", b"x")
        writer = start(lmdb_writers.fill, str(path), 4 << 20)
        writer.join()
        assert writer.exitcode == 0
        assert len(await store.get("filled")) == 4 << 20
        await store.set("k", bytes(1 << 20))
        assert len(await store.get("k")) == 1 << 20


def test_readers_are_not_cut_off_when_the_map_grows(path):
    """Four threads read while writes double the map again and again."""
    store = LMDBStore(path, durability="none", map_size=1 << 16)
    store.set_sync("k", b"k" * 5000)
    over, reads = threading.Event(), [0] * 4

    def read(number):
        while not over.wait(0.0002):  # threads that only read would leave the writer few turns of the interpreter
            assert store.get_sync("k") == b"k" * 5000
            reads[number] += 1

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read, number) for number in range(4)]
        try:
            for number in range(40):
                store.set_sync(f"c/{number}", bytes(200_000))
            while min(reads) < 10 and not any(reader.done() for reader in readers):
                time.sleep(0.001)
        finally:
            over.set()
        for reader in readers:
            reader.result()
    asyncio.run(store.aclose())


# Sharing within the process.


async def test_stores_of_one_process_share_the_environment(path, tmp_path):
    os.symlink(tmp_path, tmp_path / "link")
    async with LMDBStore(path) as one:
        await one.set("k", b"x")
        async with LMDBStore(tmp_path / "link" / "table") as two:
            assert bytes(await two.get("k")) == b"x"
        with pytest.raises(StoreClosed):
            await two.get("k")
        assert bytes(await one.get("k")) == b"x"
        with pytest.raises(Unsupported, match="durability='full'"):
            await LMDBStore(path, durability="none").get("k")
    async with LMDBStore(path, durability="none") as three:
        assert bytes(await three.get("k")) == b"x"


async def test_closing_waits_for_calls_under_way(path):
    """And a call that comes too late is told, instead of reading from what is no longer mapped."""
    for _ in range(20):
        store = LMDBStore(path, durability="none")
        await store.set("k", bytes(1 << 20))
        calls = [asyncio.create_task(store.get("k")) for _ in range(8)]
        await asyncio.sleep(0)
        await store.aclose()
        for result in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(result, StoreClosed) or len(result) == 1 << 20


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_in_the_middle_of_a_call_is_refused_in_the_child(path):
    from asynczarr.store.lmdb.environment import acquire

    store = LMDBStore(path)
    store.set_sync("k", b"x")
    environment = acquire(str(path), "full", 1 << 20)

    def fork(table):
        child = os.fork()
        if not child:
            status = 1
            with suppress(BaseException):
                with pytest.raises(Unsupported, match="forked"):
                    store.get_sync("k")
                with pytest.raises(Unsupported, match="forked"):
                    LMDBStore(path).get_sync("k")
                status = 0
            os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert environment.read(fork, None) == 0
    assert store.get_sync("k") == b"x"
    store.set_sync("k", b"y")
    environment.release()
    asyncio.run(store.aclose())


# Keys.


async def test_long_keys_and_prefixes(path):
    """Up to 1024 bytes, where LMDB takes 511; the order of the names that listings cut from them does not matter."""
    deep = "/".join(["d" * 50] * 15)
    ends = ("1", "2", "3/x", "3/y", "é" * 50)
    keys = [f"{'n' * length}" for length in (477, 478, 479, 510, 511, 512, 1024)]
    keys += [f"{'é' * 239}{end}" for end in ("", "a", "é", "é/x")]
    keys += [f"{deep}/{end}" for end in ends] + [f"{'p' * 470}/{'q' * 20}/{number}" for number in range(30)]
    async with LMDBStore(path, durability="none") as store:
        for number, key in enumerate(keys):
            await store.set(key, b"%d" % number)
        assert [bytes(await store.get(key)) for key in keys] == [b"%d" % number for number in range(len(keys))]
        assert sorted([key async for key in store.list()]) == sorted(keys)
        for prefix in (f"{deep}/", f"{deep}/3/", f"{'p' * 470}/", f"{'p' * 470}/{'q' * 20}/", f"{'é' * 240}/"):
            below = [key[len(prefix) :] for key in keys if key.startswith(prefix)]
            assert sorted([key async for key in store.list(prefix)]) == sorted(prefix + rest for rest in below)
            names = sorted({rest.partition("/")[0] + rest.partition("/")[1] for rest in below})
            assert sorted([name async for name in store.list_dir(prefix)]) == names
        await store.delete_many(keys)
        assert [key async for key in store.list()] == []


async def test_a_folder_is_listed_without_its_subtrees(path):
    """2,500 subtrees of two keys, then the subtree that is left out of one that is large."""
    async with LMDBStore(path, durability="none") as store:
        keys = [f"t/{number}/{end}" for number in range(2500) for end in "ab"]
        await asyncio.to_thread(lambda: [store.set_sync(key, b"") for key in keys])
        assert sorted([name async for name in store.list_dir("t/")]) == sorted(f"{number}/" for number in range(2500))
        assert [name async for name in store.list_dir()] == ["t/"]
        assert len([key async for key in store.list("t/")]) == 5000


def test_many_at_once(path):
    """As one by one, from one state of the table, and missing where they are."""
    store = LMDBStore(path, durability="none")
    assert store.get_many_sync(["a", "b"]) == [None, None]
    for key in ("a", "c", "n" * 600):
        store.set_sync(key, key.encode() * 3)
    keys = ["a", "b", "n" * 600, "c", "a"]
    for part in (None, ByteRange(1, 2), ByteRange(-2), ByteRange(5000)):
        assert store.get_many_sync(keys, part) == [store.get_sync(key, part) for key in keys]
    assert store.get_many_sync([]) == []
    with pytest.raises(KeyInvalid):
        store.get_many_sync(["a", "../b"])
    asyncio.run(store.aclose())
    with pytest.raises(StoreClosed):
        store.get_many_sync(["a"])


# What is there, and what is not.


async def test_reading_makes_no_folder(path):
    async with LMDBStore(path) as store:
        assert await store.get("k") is None
        assert await store.head("k") is None
        assert [key async for key in store.list()] == []
        assert not path.exists()
        with pytest.raises(PreconditionFailed):
            await store.delete("k", if_version="0" * 32)
        await store.set("k", b"x")
    assert sorted(os.listdir(path)) == ["data.mdb", "lock.mdb"]


async def test_what_is_no_database(path):
    path.mkdir()
    (path / "data.mdb").write_bytes(b"junk" * 4096)
    async with LMDBStore(path) as store:
        for call in (store.get("k"), store.set("k", b"x")):
            with pytest.raises(IntegrityError) as caught:
                await call
            assert (caught.value.store, caught.value.key) == (store.url, "k")
            assert isinstance(caught.value.__cause__, lmdb.Error)
    (path / "plain").write_bytes(b"")
    async with LMDBStore(path / "plain") as store:
        with pytest.raises(AsyncZarrError):
            await store.set("k", b"x")


async def test_records_of_somebody_else(path):
    async with LMDBStore(path) as store:
        await store.set("k", b"x")
    with lmdb.open(str(path), max_dbs=2) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"k", b"not ours", db=environment.open_db(b"values", txn=transaction))
    async with LMDBStore(path) as store:
        for call in (store.get("k"), store.head("k")):
            with pytest.raises(IntegrityError, match="not written by asynczarr"):
                await call


def test_no_space_left(path):
    """In the middle of a write, an I/O error to LMDB: nothing is changed, and what fits is written afterwards."""
    program = f"""
import resource, signal
from asynczarr.errors import QuotaExceeded, Unavailable
from asynczarr.store import LMDBStore
from asynczarr.types import ByteRange
store = LMDBStore({str(path)!r})
store.set_sync("k", b"old")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
try:
    store.set_sync("k", bytes(4 << 20))
except (QuotaExceeded, Unavailable) as error:
    assert error.key == "k", error
    assert store.get_sync("k") == b"old"
    store.set_sync("k", b"new")
    print(store.get_sync("k"))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "b'new'\n", done.stderr


async def test_cancelled_writes_are_finished_or_never_begun(path):
    async with LMDBStore(path, durability="none") as store:
        version = await store.set("k", b"0")
        for steps in itertools.chain(range(12), range(12)):
            task = asyncio.create_task(store.set("k", b"%d" % steps, if_version=version))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            now = (await store.head("k")).version
            time.sleep(0.002)
            assert (await store.head("k")).version == now, "the write has landed after it was cancelled"
            version = now


@pytest.mark.parametrize("options", [{"durability": "some"}])
def test_options_are_checked(path, options):
    with pytest.raises(ValueError, match="some"):
        LMDBStore(path, **options)
