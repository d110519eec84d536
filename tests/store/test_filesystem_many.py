"""Several files at once: whole or not at all each, nothing left behind, and never out of the root."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

import asynczarr as az
from asynczarr.errors import Forbidden, QuotaExceeded, Unsupported
from asynczarr.store import FilesystemStore


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


def failing_at(function, number):
    """`function`, which fails with "no space" at its call of that number."""
    calls = iter(range(1, number + 1))

    def call(*args, **options):
        if next(calls, 0) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return function(*args, **options)

    return call


@pytest.mark.parametrize("function", ["open", "pwrite", "utime", "fsync", "rename"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_failure_leaves_whole_files_and_no_temporary_ones(root, monkeypatch, function, number):
    store = FilesystemStore(root)
    store.set_many_sync([(f"a/{n}", b"old") for n in range(3)])
    calls = 1 if function == "open" else 0  # the folder is opened first
    monkeypatch.setattr(os, function, failing_at(getattr(os, function), number + calls))
    with pytest.raises(QuotaExceeded):
        store.set_many_sync([(f"a/{n}", b"new") for n in range(3)])
    monkeypatch.undo()
    assert sorted(os.listdir(root / "a")) == ["0", "1", "2"]
    assert set(store.get_many_sync(["a/0", "a/1", "a/2"])) <= {b"old", b"new"}


async def test_an_array_names_the_chunk_that_could_not_be_written(root, monkeypatch):
    array = await az.create_array(root, shape=(64,), chunks=(8,), dtype="u1")
    rename = os.rename

    def refuse(source, target, **options):
        if target == "5":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rename(source, target, **options)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(QuotaExceeded) as caught:
        await array.write(np.arange(64, dtype="u1"))
    assert (caught.value.key, caught.value.chunk) == ("c/5", (5,))
    monkeypatch.undo()
    assert not [path.name for path in root.rglob("*.tmp")]
    await array.write(np.arange(64, dtype="u1"))
    np.testing.assert_array_equal(await array.read(), np.arange(64))


def test_links_out_of_the_root_are_refused_and_others_followed(root, tmp_path):
    store = FilesystemStore(root)
    store.set_many_sync([("a/0", b"zero"), ("a/1", b"one")])
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "a" / "2").symlink_to("0")
    assert store.get_many_sync(["a/0", "a/2"]) == [b"zero", b"zero"]
    (root / "a" / "3").symlink_to(tmp_path / "secret")
    with pytest.raises(Forbidden):
        store.get_many_sync(["a/0", "a/3"])
    (root / "b").symlink_to(tmp_path)
    with pytest.raises(Forbidden):
        store.get_many_sync(["b/secret", "b/other"])
    with pytest.raises(Forbidden):
        store.set_many_sync([("b/secret", b"x"), ("b/other", b"x")])
    assert (tmp_path / "secret").read_bytes() == b"secret"
    os.mkfifo(root / "a" / "4")
    with pytest.raises(Forbidden):
        store.get_many_sync(["a/0", "a/4"])


def test_read_only(root):
    with pytest.raises(Unsupported):
        FilesystemStore(root, read_only=True).set_many_sync([("a/0", b"x"), ("a/1", b"x")])
    assert not root.exists()


def test_one_folder_is_synced_once(root, monkeypatch):
    store, synced, fsync = FilesystemStore(root), [], os.fsync
    store.set_many_sync([("a/0", b"x")])

    def count(fd):
        synced.append(fd)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", count)
    store.set_many_sync([(f"a/{n}", b"new") for n in range(10)])
    assert len(synced) == 11, "each file, and the folder once"
