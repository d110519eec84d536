"""Writing of zip archives, and reading of the kinds that exist in the wild."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import subprocess
import sys
import tarfile
import time
import warnings
import zipfile
from pathlib import Path

import pytest

from asynczarr.errors import AlreadyExists, NotFound, PreconditionFailed, QuotaExceeded, Unsupported
from asynczarr.store import ZipStore
from asynczarr.types import ByteRange

SHARED = Path(__file__).resolve().parents[2].parent / "shared/data"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.zip"


async def fill(path, mode="w", **values):
    async with ZipStore(path, mode=mode) as store:
        for key, value in values.items():
            await store.set(key, value)


async def contents(path, **options):
    async with ZipStore(path, **options) as store:
        return {key: bytes(await store.get(key)) async for key in store.list()}


def files(path):
    return sorted(os.listdir(path.parent))


# Writing.


async def test_zipfile_reads_what_was_written(path):
    await fill(path, **{"zarr.json": b"{}", "c/0": bytes(1000), "é": b"", "empty": b""})
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == await contents(path)
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


async def test_deflated(path):
    async with ZipStore(path, mode="w", compression="deflated") as store:
        await store.set("zeros", bytes(100_000))
        await store.set("noise", noise := os.urandom(1000))
        assert bytes(await store.get("zeros", ByteRange(5, 10))) == bytes(5)
    assert path.stat().st_size < 2000
    assert await contents(path) == {"zeros": bytes(100_000), "noise": noise}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.getinfo("noise").compress_type == zipfile.ZIP_STORED  # deflate made it longer


async def test_overwritten_and_deleted_values_are_gone_from_the_file(path, tmp_path):
    async with ZipStore(path, mode="w") as store:
        for number in range(20):
            await store.set("k", bytes([number]) * 10_000)
        await store.set("gone", bytes(10_000))
        await store.delete("gone")
    await fill(tmp_path / "plain.zip", k=bytes([19]) * 10_000)
    assert path.stat().st_size == (tmp_path / "plain.zip").stat().st_size
    assert await contents(path) == {"k": bytes([19]) * 10_000}
    assert files(path) == ["plain.zip", "store.zip"]


async def test_append_keeps_what_others_wrote(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"about"
        archive.writestr("in/old", b"old")
        archive.writestr("in/changed", b"before", compress_type=zipfile.ZIP_DEFLATED)
        archive.writestr("beside", b"kept" * 100, compress_type=zipfile.ZIP_DEFLATED)
        archive.writestr("bz2", b"kept too" * 100, compress_type=zipfile.ZIP_BZIP2)
    async with ZipStore(path, mode="a", root="in") as store:
        await store.set("changed", b"after")
        await store.set("new", b"new")
        await store.delete("old")
        assert sorted([key async for key in store.list()]) == ["changed", "new"]
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.comment == b"about"
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "in/changed": b"after",
            "in/new": b"new",
            "beside": b"kept" * 100,
            "bz2": b"kept too" * 100,
        }


async def test_append_keeps_names_in_the_old_encoding(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xyz", b"value")
    path.write_bytes(path.read_bytes().replace(b"xyz", b"x\x82z"))  # cp437 for é, without the flag for UTF-8
    await fill(path, mode="a", new=b"x")
    assert await contents(path) == {"xéz": b"value", "new": b"x"}


async def test_append_without_a_change_touches_nothing(path):
    await fill(path, k=b"x")
    before = path.stat()
    async with ZipStore(path, mode="a") as store:
        assert bytes(await store.get("k")) == b"x"
        await store.delete("missing")
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_append_begins_a_missing_archive(tmp_path):
    path = tmp_path / "new/folder/store.zip"
    await fill(path, mode="a", k=b"x")
    assert await contents(path) == {"k": b"x"}


async def test_write_begins_anew_but_only_on_close(path):
    await fill(path, old=b"x")
    store = ZipStore(path, mode="w")
    await store.set("new", b"y")
    assert await store.get("old") is None
    assert await contents(path) == {"old": b"x"}
    await store.aclose()
    assert await contents(path) == {"new": b"y"}
    await ZipStore(path, mode="w").aclose()
    assert await contents(path) == {}


async def test_exclusive(path):
    await fill(path, mode="x", k=b"x")
    with pytest.raises(AlreadyExists):
        await ZipStore(path, mode="x").get("k")
    path.unlink()
    store = ZipStore(path, mode="x")
    await store.set("k", b"mine")
    await fill(path, k=b"theirs")
    with pytest.raises(AlreadyExists):
        await store.aclose()
    assert await contents(path) == {"k": b"theirs"}
    assert files(path) == ["store.zip"]


async def test_an_archive_replaced_meanwhile_is_not_overwritten(path):
    await fill(path, k=b"old")
    store = ZipStore(path, mode="a")
    await store.set("k", b"mine")
    await fill(path, k=b"theirs")
    with pytest.raises(PreconditionFailed, match="somebody else"):
        await store.aclose()
    assert await contents(path) == {"k": b"theirs"}
    assert files(path) == ["store.zip"]


@pytest.mark.parametrize("mode", ["w", "a"])
async def test_an_error_in_the_block_discards_the_writes(path, mode):
    await fill(path, k=b"old")

    async def fail():
        async with ZipStore(path, mode=mode) as store:
            await store.set("k", b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await contents(path) == {"k": b"old"}
    assert files(path) == ["store.zip"]


async def test_a_cancelled_close_publishes_or_discards(path):
    async def work(closing):
        async with ZipStore(path, mode="a") as store:
            await store.set("k", b"new")
            closing.set()

    for steps in range(10):
        await fill(path, k=b"old")
        closing = asyncio.Event()
        task = asyncio.create_task(work(closing))
        await closing.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await contents(path) in ({"k": b"old"}, {"k": b"new"})
        assert files(path) == ["store.zip"]


@pytest.mark.parametrize("function", ["pwrite", "fsync", "ftruncate", "replace"])
async def test_no_space_left_on_close(path, monkeypatch, function):
    await fill(path, k=b"old", other=bytes(10))
    store = ZipStore(path, mode="a")
    await store.set("k", b"new")

    def fail(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(QuotaExceeded):
        await store.aclose()
    monkeypatch.undo()
    assert await contents(path) == {"k": b"old", "other": bytes(10)}
    assert files(path) == ["store.zip"]


async def test_after_a_failed_write_the_next_one_is_right(path, monkeypatch):
    store = ZipStore(path, mode="w")
    await store.set("a", b"a" * 100)
    real = os.pwrite

    def half(fd, data, offset):
        if len(data) < 1000:
            return real(fd, data, offset)
        real(fd, data[:500], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(QuotaExceeded) as caught:
        await store.set("b", b"b" * 1000)
    assert caught.value.key == "b"
    await store.set("c", b"c" * 100)
    await store.aclose()
    assert await contents(path) == {"a": b"a" * 100, "c": b"c" * 100}


@pytest.mark.allow_blocking("the garbage collector removes the temporary file where it happens to run")
async def test_a_writer_that_was_never_closed_says_so(path):
    store = ZipStore(path, mode="w")
    await store.set("k", b"x")
    with pytest.warns(ResourceWarning, match="not closed"):
        del store
    assert files(path) == []
    await fill(path, k=b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = ZipStore(path)
        await store.get("k")
        del store  # a reader loses nothing


FORKS = """
import asyncio, gc, os, sys, threading
from asynczarr.errors import Unsupported
from asynczarr.store import ZipStore
from asynczarr.store.zip_write import ZipWriter

folder, mode, append = *sys.argv[1:], ZipWriter.append
begun, go_on = threading.Event(), threading.Event()

def run(call):
    return asyncio.run(call)

def refused(call):
    try:
        run(call)
    except Unsupported as error:
        assert "fork" in str(error), error
    else:
        raise AssertionError("not refused")

async def names():
    return [name async for name in store.list()]

def slow(*args, **options):
    begun.set()
    go_on.wait()
    return append(*args, **options)

for how in ("unused", "left", "collected", "closed", "discarded", "used", "busy"):
    store = ZipStore(f"{folder}/{how}.zip", mode=mode)
    if how != "unused":
        run(store.set("k", b"value"))
    if how == "busy":  # another thread writes while this one forks, and holds the locks
        ZipWriter.append = slow
        writing = threading.Thread(target=run, args=(store.set("k2", b"value"),))
        writing.start()
        begun.wait()
    if not (child := os.fork()):
        print("in the child:", how, file=sys.stderr)
        if how == "collected":
            del store
            gc.collect()
        elif how == "closed" or (how, mode) == ("unused", "w"):
            refused(store.aclose())
        elif how == "discarded":
            run(store.discard())
        elif how in ("used", "busy"):
            assert run(store.get("k")) == b"value"
            assert run(names()) == ["k"]
            assert not store.capabilities.write
            refused(store.set("k2", b"not mine"))
            refused(store.delete("k"))
        sys.exit(0)  # the interpreter ends, and collects what is left
    assert os.waitpid(child, 0)[1] == 0, how
    if how == "busy":
        go_on.set()
        writing.join()
    run(store.set("k", b"value"))
    run(store.set("k2", b"value2"))
    run(store.aclose())
"""


@pytest.mark.parametrize("mode", ["w", "a"])
async def test_a_forked_child_leaves_the_archive_to_its_parent(tmp_path, mode):
    # "-W error": in the child, nothing was lost that could be warned of. Python itself warns of a fork with threads.
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKS, tmp_path, mode]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    assert all(line.startswith("in the child: ") for line in told), done.stderr
    assert sorted(os.listdir(tmp_path)) == sorted(f"{line.rpartition(' ')[2]}.zip" for line in told)
    for path in tmp_path.iterdir():
        assert await contents(path) == {"k": b"value", "k2": b"value2"}


@pytest.mark.parametrize("year", [1970, 2150])
async def test_a_clock_that_zip_cannot_tell(path, year, monkeypatch):
    monkeypatch.setattr(time, "localtime", lambda *_: time.struct_time((year, 1, 1, 0, 5, 0, 3, 1, 0)))
    await fill(path, k=b"value")
    await fill(path, mode="a", new=b"x")
    assert await contents(path) == {"k": b"value", "new": b"x"}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {info.date_time[0] for info in archive.infolist()} == {min(max(year, 1980), 2107)}


async def test_read_mode_refuses_writes_and_missing_archives(path):
    with pytest.raises(NotFound):
        await ZipStore(path).get("k")
    await fill(path, k=b"x")
    async with ZipStore(path) as store:
        assert not store.capabilities.write
        for call in (store.set("k", b"y"), store.delete("k"), store.delete_many(["k"])):
            with pytest.raises(Unsupported):
                await call


async def test_versions_of_another_archive_do_not_match(path):
    await fill(path, k=b"one")
    async with ZipStore(path) as store:
        version = (await store.head("k")).version
    await fill(path, k=b"two")
    async with ZipStore(path) as store:
        with pytest.raises(PreconditionFailed):
            await store.get_ranges("k", [ByteRange()], if_version=version)


@pytest.mark.parametrize("options", [{"mode": "rw"}, {"compression": "lzma"}, {"root": "../x"}])
def test_wrong_options(path, options):
    with pytest.raises(ValueError, match=r"unknown|segments"):
        ZipStore(path, **options)


# Reading of what others write.


class Unseekable(io.BytesIO):
    """Makes zipfile write data descriptors after the values."""

    def seekable(self):
        return False

    def tell(self):
        raise OSError

    def seek(self, *args):
        raise OSError


async def test_data_descriptors(path):
    stream = Unseekable()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("stored", b"0123456789")
        archive.writestr("deflated", b"0123456789" * 50, compress_type=zipfile.ZIP_DEFLATED)
    path.write_bytes(stream.getvalue())
    wanted = {"stored": b"0123456789", "deflated": b"0123456789" * 50}
    assert await contents(path) == wanted
    await fill(path, mode="a", new=b"x")
    assert await contents(path) == wanted | {"new": b"x"}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


async def test_zip64(path):
    with zipfile.ZipFile(path, "w") as archive, archive.open("k", "w", force_zip64=True) as entry:
        entry.write(b"0123456789")
    assert await contents(path) == {"k": b"0123456789"}
    await fill(path, mode="a", new=b"x")
    assert await contents(path) == {"k": b"0123456789", "new": b"x"}


def at_zero(name):
    info = zipfile.ZipInfo(name)
    info.header_offset = info.CRC = info.compress_size = info.file_size = 0
    return info


async def test_more_entries_than_16_bits_count(path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("last", b"x")
        # In the directory alone, which takes a hundredth of the time.
        archive.filelist[:0] = [at_zero(f"c/{number}") for number in range(66_000)]
    path.write_bytes(stream.getvalue())
    async with ZipStore(path) as store:
        assert len([key async for key in store.list("c/")]) == 66_000
        assert await store.get("last") == b"x"


async def test_something_before_the_archive(path):
    await fill(path, k=b"value")
    path.write_bytes(b"#!/bin/sh\n" * 10 + path.read_bytes())
    assert await contents(path) == {"k": b"value"}
    await fill(path, mode="a", new=b"x")
    assert await contents(path) == {"k": b"value", "new": b"x"}


async def test_of_duplicates_the_last_counts(path):
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("k", b"first")
        archive.writestr("k", b"last")
    assert await contents(path) == {"k": b"last"}
    await fill(path, mode="a", new=b"x")
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["k", "new"]


@pytest.mark.parametrize(
    ("names", "root"),
    [
        (["zarr.json", "a/zarr.json"], ""),
        (["data.zarr/zarr.json", "data.zarr/a/zarr.json"], "data.zarr"),
        (["x/y/.zgroup", "x/y/a/.zarray", "__MACOSX/x/._y"], "x/y"),
        (["one/zarr.json", "two/zarr.json"], ""),
        (["readme.txt", "data.zarr/zarr.json"], ""),
        ([], ""),
    ],
)
async def test_the_root_is_found(path, names, root):
    await fill(path, **dict.fromkeys(names, b"{}"))
    async with ZipStore(path, root=None) as store:
        found = sorted([key async for key in store.list()])
    prefix = f"{root}/" if root else ""
    assert found == sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))
    if root:
        assert await contents(path, root=root) == await contents(path, root=None)


@pytest.mark.parametrize("name", ["pizzarr", "zarrita-v2", "zarrita-v3"])
async def test_archives_of_other_programs(name, tmp_path):
    if not SHARED.is_dir():
        pytest.skip("the shared data sets are not beside the repository")
    with tarfile.open(SHARED / f"{name}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    archives = sorted(path for path in tmp_path.rglob("*.zip") if path.stat().st_size)
    assert archives
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            wanted = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        assert await contents(path) == wanted
        found = await contents(path, root=None)
        assert {"zarr.json", ".zgroup", ".zarray"} & found.keys(), path
        folder = path.with_name(path.name.split(".zipped")[0] + ".zarr")
        if folder.is_dir() and "uncompressed" not in path.name:
            files = [file for file in folder.rglob("*") if file.is_file()]
            unzipped = {str(file.relative_to(folder)): file.read_bytes() for file in files}
            assert {key: value for key, value in found.items() if key in unzipped} == unzipped
