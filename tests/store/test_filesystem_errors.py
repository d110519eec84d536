"""The filesystem store when things go wrong, end early, or happen at once."""

from __future__ import annotations

import asyncio
import errno
import os
import time

import pytest

from asynczarr.errors import (
    AlreadyExists,
    Forbidden,
    KeyInvalid,
    OutcomeUnknown,
    PreconditionFailed,
    QuotaExceeded,
    Truncated,
    Unavailable,
    Unsupported,
)
from asynczarr.store import FilesystemStore


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def store(root):
    return FilesystemStore(root)


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(b"secret")
    return folder


async def names(listing):
    return sorted([name async for name in listing])


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def fail(number):
    def call(*args, **options):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize(
    ("function", "number", "error"),
    [
        ("pwrite", errno.ENOSPC, QuotaExceeded),
        ("pwrite", errno.EDQUOT, QuotaExceeded),
        ("fsync", errno.EIO, Unavailable),
        ("rename", errno.EACCES, Forbidden),
        ("rename", errno.EROFS, Forbidden),
        ("utime", errno.EPERM, Forbidden),
    ],
)
async def test_a_failed_write_leaves_the_old_value_and_no_file(store, root, monkeypatch, function, number, error):
    await store.set("a/k", b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail(number))
        with pytest.raises(error) as caught:
            await store.set("a/k", b"new")
    assert (caught.value.key, caught.value.store) == ("a/k", store.url)
    assert isinstance(caught.value.__cause__, OSError)
    assert bytes(await store.get("a/k")) == b"old"
    assert everything_below(root) == ["a", "a/k"]


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.EMFILE, Unavailable),
        (errno.EIO, Unavailable),
        (errno.EACCES, Forbidden),
        (errno.ENAMETOOLONG, KeyInvalid),
    ],
)
async def test_a_failed_read_is_never_missing(store, monkeypatch, number, error):
    await store.set("k", b"x")
    monkeypatch.setattr(os, "open", fail(number))
    for call in (store.get("k"), store.head("k"), names(store.list())):
        with pytest.raises(error):
            await call


async def test_a_name_longer_than_the_file_system_takes(store, root):
    root.mkdir()
    for call in (store.get("n" * 300), store.set("n" * 300, b"x")):
        with pytest.raises(KeyInvalid):
            await call
    assert everything_below(root) == []


async def test_what_the_user_may_not_read(store, root):
    """Real permissions; as root, by giving up root for the moment."""
    await store.set("closed/k", b"x")
    (root / "closed").chmod(0)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        for call in (store.get("closed/k"), store.head("closed/k"), store.set("closed/k", b"y")):
            with pytest.raises(Forbidden):
                await call
    finally:
        if was_root:
            os.seteuid(0)
        (root / "closed").chmod(0o755)
    assert bytes(await store.get("closed/k")) == b"x"


async def test_a_folder_that_cannot_be_synced_leaves_the_outcome_open(store, monkeypatch):
    await store.set("k", b"old")
    real, calls = os.fsync, []

    def fsync(fd):
        calls.append(fd)
        return fail(errno.EIO)() if len(calls) == 2 else real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutcomeUnknown):
        await store.set("k", b"new")
    assert bytes(await store.get("k")) == b"new"


@pytest.mark.parametrize(("durability", "expected"), [("full", 5), ("data", 1), ("none", 0)])
async def test_what_is_synced(tmp_path, monkeypatch, durability, expected):
    store = FilesystemStore(tmp_path / "root", durability=durability)
    calls, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(fd), real(fd)))
    await store.set("a/b/k", b"x")  # three new folders, the value, its name
    assert len(calls) == expected


async def test_a_file_that_shrinks_while_it_is_read(store, root, monkeypatch):
    await store.set("k", b"0123456789")
    real = os.fstat

    def fstat(fd):
        status = real(fd)
        os.truncate(root / "k", 4)
        return status

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(Truncated):
        await store.get("k")


async def test_no_hard_links_means_no_create(store, monkeypatch, root):
    monkeypatch.setattr(os, "link", fail(errno.EOPNOTSUPP))
    with pytest.raises(Unsupported, match="hard links"):
        await store.set("k", b"x", create=True)
    assert everything_below(root) == []


async def test_no_locks_means_no_compare_and_swap(store, monkeypatch):
    import fcntl

    version = await store.set("k", b"x")
    monkeypatch.setattr(fcntl, "flock", fail(errno.ENOLCK))
    with pytest.raises(Unsupported, match="flock"):
        await store.set("k", b"y", if_version=version)
    await store.set("k", b"z")
    assert bytes(await store.get("k")) == b"z"


async def test_a_lock_that_is_never_given_back(store, root, monkeypatch):
    import fcntl

    from asynczarr.store import file_write

    version = await store.set("k", b"x")
    monkeypatch.setattr(file_write, "_LOCK_SECONDS", 0.05)
    folder = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="locked the folder"):
            await store.set("k", b"y", if_version=version)
    finally:
        os.close(folder)
    assert everything_below(root) == ["k"]


@pytest.mark.parametrize("options", [{"durability": "maybe"}, {"follow_symlinks": "never"}, {"max_threads": 0}])
def test_wrong_options(root, options):
    with pytest.raises(ValueError, match=r"unknown|at least"):
        FilesystemStore(root, **options)


def test_conditions_exclude_each_other(store):
    with pytest.raises(ValueError, match="exclude each other"):
        store.set_sync("k", b"x", create=True, if_version="1")


async def test_read_only(root, store):
    await store.set("k", b"x")
    reader = FilesystemStore(root, read_only=True)
    assert not reader.capabilities.write
    assert bytes(await reader.get("k")) == b"x"
    for call in (reader.set("k", b"y"), reader.delete("k"), reader.delete_many(["k"]), reader.sweep()):
        with pytest.raises(Unsupported):
            await call
    assert bytes(await store.get("k")) == b"x"


# Versions, conditions, ends.


async def test_versions_differ_though_the_clock_stands_still(store, monkeypatch):
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    seen = set()
    for _ in range(20):
        seen.add(await store.set("k", b"same"))
        await store.delete("k")  # which frees the inode for the next
    assert len(seen) == 20


async def test_an_unconditional_write_is_seen_by_a_conditional_one(store):
    version = await store.set("k", b"1")
    await FilesystemStore(store.root).set("k", b"2")
    with pytest.raises(PreconditionFailed):
        await store.set("k", b"3", if_version=version)
    with pytest.raises(AlreadyExists):
        await store.set("k", b"3", create=True)
    with pytest.raises(PreconditionFailed):
        await store.delete("nowhere/k", if_version=version)


@pytest.mark.parametrize("moment", [0, 0.01, 0.03])
async def test_a_cancelled_write_is_over_when_the_caller_hears_of_it(store, root, monkeypatch, moment):
    await store.set("k", b"old")
    real = os.fsync

    def slow(fd):
        time.sleep(0.02)
        real(fd)

    monkeypatch.setattr(os, "fsync", slow)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(moment):
            await store.set("k", b"new")
    seen = bytes(await store.get("k"))
    assert everything_below(root) == ["k"]
    await asyncio.sleep(0.06)
    assert bytes(await store.get("k")) == seen


async def test_leaving_a_listing_closes_its_folders(store, root):
    for number in range(1100):
        (root / f"{number % 3}").mkdir(parents=True, exist_ok=True)
        (root / f"{number % 3}" / f"{number}").write_bytes(b"")
    before = len(os.listdir("/proc/self/fd"))
    listing = store.list()
    async for _ in listing:
        break
    assert len(os.listdir("/proc/self/fd")) > before
    await listing.aclose()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_listing_goes_page_by_page(store, root, monkeypatch):
    root.mkdir()
    for number in range(2100):
        (root / f"{number}").write_bytes(b"")
    hops = []
    real = store._threads.run
    monkeypatch.setattr(store._threads, "run", lambda *args: (hops.append(args), real(*args))[1])
    listing = store.list()
    await anext(listing)
    assert len(hops) == 1
    assert len([name async for name in listing]) == 2099
    assert len(hops) == 4


async def test_all_folders_above_the_root_are_made(tmp_path):
    store = FilesystemStore(tmp_path / "new" / "above" / "root")
    await store.set("k", b"x")
    assert (tmp_path / "new" / "above" / "root" / "k").read_bytes() == b"x"


async def test_without_proc_links_are_refused_too(store, root, outside, monkeypatch):
    await store.set("k", b"x")
    (root / "file").symlink_to(outside / "secret")
    monkeypatch.setattr(os, "readlink", fail(errno.ENOENT))
    monkeypatch.setattr(
        os.path, "realpath", lambda path, real=os.path.realpath: str(outside) if "file" in path else path
    )
    assert bytes(await store.get("k")) == b"x"
    with pytest.raises(Forbidden):
        await store.get("file")


@pytest.mark.parametrize("function", ["unlink", "flock"])
async def test_a_failed_delete_is_an_error(store, monkeypatch, function):
    import fcntl

    await store.set("a/k", b"x")
    with monkeypatch.context() as patch:
        patch.setattr(fcntl if function == "flock" else os, function, fail(errno.EIO))
        with pytest.raises(Unavailable):
            await store.delete("a/k")
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", fail(errno.EPERM))
        with pytest.raises(Forbidden):
            await store.delete("a/k")
        await store.delete("a")  # a folder is no key; some systems say EPERM of it
    assert bytes(await store.get("a/k")) == b"x"


async def test_a_folder_that_vanishes_all_the_time(store, monkeypatch):
    await store.set("a/k", b"x")
    real = os.open

    def vanish(path, flags, *args, **options):
        if flags & os.O_EXCL:
            fail(errno.ENOENT)()
        return real(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", vanish)
    with pytest.raises(Unavailable, match="vanished"):
        await store.set("a/k", b"y")
