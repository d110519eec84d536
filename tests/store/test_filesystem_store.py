"""What the filesystem store promises beyond the contract: folders, links, odd files."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading

import pytest

from asynczarr.errors import (
    Forbidden,
    KeyInvalid,
    Unsupported,
)
from asynczarr.store import FilesystemStore
from asynczarr.store.keys import temporary_name
from asynczarr.types import ByteRange


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


# Folders.


async def test_nothing_is_made_before_the_first_write(store, root):
    assert await store.get("a/b") is None
    assert await names(store.list()) == []
    await store.delete("a/b")
    await store.delete_many(["a/b"])
    assert await store.sweep() == 0
    assert not root.exists()
    await store.set("a/b", b"x")
    assert everything_below(root) == ["a", "a/b"]


async def test_deleting_removes_empty_folders_but_not_the_root(store, root):
    for key in ("a/b/c/d", "a/x"):
        await store.set(key, b"x")
    await store.delete("a/b/c/d")
    assert everything_below(root) == ["a", "a/x"]
    await store.delete_many(["a/x"])
    assert everything_below(root) == []
    assert root.is_dir()


async def test_empty_folders_are_no_prefixes(store, root):
    (root / "empty" / "deep").mkdir(parents=True)
    (root / "litter").mkdir()
    (root / "litter" / temporary_name()).write_bytes(b"x")
    await store.set("full/deep/k", b"x")
    assert await names(store.list_dir()) == ["full/"]
    assert await names(store.list()) == ["full/deep/k"]


async def test_a_key_cannot_be_a_prefix_too(store):
    await store.set("a/b", b"x")
    with pytest.raises(Unsupported):
        await store.set("a", b"y")
    with pytest.raises(Unsupported):
        await store.set("a/b/c", b"y")
    with pytest.raises(Forbidden, match="regular"):
        await store.get("a")
    assert await store.get("a/b/c") is None
    await store.delete("a")
    assert await names(store.list()) == ["a/b"]


async def test_writers_and_deleters_of_one_folder(root):
    store = FilesystemStore(root, durability="none")

    async def work(number):
        for _ in range(40):
            await store.set(f"a/b/{number}", b"x")
            await store.delete(f"a/b/{number}")

    await asyncio.gather(*(work(number) for number in range(6)))
    assert everything_below(root) == []


async def test_relative_paths_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = FilesystemStore("rel/../data é")
    monkeypatch.chdir("/")
    await store.set("k", b"x")
    assert (tmp_path / "data é" / "k").read_bytes() == b"x"
    assert store.url == (tmp_path / "data é").as_uri()
    assert "%C3%A9" in repr(store)


# Links.


@pytest.mark.parametrize("target", ["absolute", "relative"])
async def test_links_inside_the_root_are_followed(store, root, target):
    await store.set("real/c/0", b"x")
    base = str(root) if target == "absolute" else "."
    (root / "folder").symlink_to(f"{base}/real")
    (root / "file").symlink_to(f"{base}/real/c/0")
    assert bytes(await store.get("folder/c/0")) == b"x"
    assert bytes(await store.get("file")) == b"x"
    assert await names(store.list()) == ["file", "folder/c/0", "real/c/0"]
    assert await names(store.list_dir()) == ["file", "folder/", "real/"]
    await store.set("folder/c/1", b"y")
    assert bytes(await store.get("real/c/1")) == b"y"


async def test_a_write_replaces_a_link(store, root, outside):
    root.mkdir()
    (root / "k").symlink_to(outside / "secret")
    await store.set("k", b"mine")
    assert (outside / "secret").read_bytes() == b"secret"
    assert bytes(await store.get("k")) == b"mine"
    (root / "l").symlink_to(outside / "secret")
    await store.delete("l")
    assert (outside / "secret").read_bytes() == b"secret"


async def test_links_out_of_the_root_are_refused(store, root, outside):
    root.mkdir()
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    (root / "up").symlink_to("..")
    for key in ("file", "folder/secret", "up/outside/secret"):
        for call in (store.get(key), store.get_ranges(key, [ByteRange()]), store.head(key)):
            with pytest.raises(Forbidden, match="leads out of the root") as caught:
                await call
            assert caught.value.key == key
    for call in (store.set("folder/new", b"x"), store.delete("folder/secret"), store.set("folder/a/b", b"x")):
        with pytest.raises(Forbidden):
            await call
    with pytest.raises(Forbidden):
        await names(store.list_dir("folder/"))
    assert await names(store.list()) == ["file", "folder", "up"]  # seen, so that reading them says why not
    assert everything_below(outside) == ["secret"]


async def test_links_may_lead_anywhere_if_told_so(root, outside):
    root.mkdir()
    (root / "folder").symlink_to(outside)
    (root / "endless").symlink_to("/dev/zero")
    store = FilesystemStore(root, follow_symlinks="anywhere")
    assert bytes(await store.get("folder/secret")) == b"secret"
    assert await names(store.list("folder/")) == ["folder/secret"]
    with pytest.raises(Forbidden, match="regular"):
        await store.get("endless")


async def test_the_root_may_be_a_link(tmp_path, outside):
    (tmp_path / "link").symlink_to(outside)
    store = FilesystemStore(tmp_path / "link")
    assert bytes(await store.get("secret")) == b"secret"
    await store.set("a/b", b"x")
    assert await names(store.list()) == ["a/b", "secret"]


async def test_a_neighbour_whose_name_begins_like_the_root_is_outside(root, tmp_path):
    neighbour = tmp_path / "root2"
    neighbour.mkdir()
    (neighbour / "k").write_bytes(b"secret")
    root.mkdir()
    (root / "k").symlink_to(neighbour / "k")
    with pytest.raises(Forbidden):
        await FilesystemStore(root).get("k")


async def test_links_in_circles_and_to_nowhere(store, root):
    await store.set("a/k", b"x")
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "here").symlink_to(".")
    (root / "nowhere").symlink_to("missing")
    (root / "self").symlink_to("self")
    assert await store.get("nowhere") is None
    with pytest.raises(Forbidden):
        await store.get("self")
    assert await names(store.list()) == ["a/k", "self"]


async def test_a_link_that_changes_all_the_time_never_leads_out(root, outside):
    store = FilesystemStore(root, durability="none")
    await store.set("real/secret", b"mine!!")
    (root / "link").symlink_to("real")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for target in (outside, root / "real"):
                (root / "next").symlink_to(target)
                os.rename(root / "next", root / "link")

    swapper = threading.Thread(target=swap)
    swapper.start()
    outcomes = []
    try:
        for _ in range(400):
            for call in (store.get("link/secret"), store.set("link/new", b"x"), names(store.list("link/"))):
                try:
                    outcomes.append(await call)
                except Forbidden:
                    outcomes.append(Forbidden)
    finally:
        stop.set()
        swapper.join()
    assert everything_below(outside) == ["secret"]
    assert b"secret" not in outcomes
    assert {Forbidden, b"mine!!"} <= {outcome for outcome in outcomes if not isinstance(outcome, list)}


# What is no regular file.


async def test_fifos_sockets_and_devices_are_refused_at_once(store, root):
    root.mkdir()
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        async with asyncio.timeout(5):
            for key in ("fifo", "socket"):
                with pytest.raises(Forbidden, match="regular"):
                    await store.get(key)
                with pytest.raises(Forbidden):
                    await store.head(key)
    assert await names(store.list()) == ["fifo", "socket"]
    await store.set("fifo", b"x")
    assert bytes(await store.get("fifo")) == b"x"


async def test_names_that_are_no_keys_are_not_listed(store, root):
    await store.set("a/k", b"x")
    (root / "a" / "back\\slash").write_bytes(b"")
    (root / "a" / "new\nline").write_bytes(b"")
    (root / "C:").mkdir()
    (root / "C:" / "k").write_bytes(b"")
    os.close(os.open(os.fsencode(root) + b"/a/not-utf8-\xff", os.O_CREAT))
    assert await names(store.list()) == ["a/k"]
    assert await names(store.list_dir()) == ["a/"]
    assert await names(store.list_dir("a/")) == ["k"]


async def test_temporary_files_are_hidden_until_swept(store, root):
    await store.set("a/k", b"x")
    old, young = root / "a" / temporary_name(), root / temporary_name()
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert await names(store.list()) == ["a/k"]
    assert await names(store.list_dir("a/")) == ["k"]
    with pytest.raises(KeyInvalid):
        await store.get(f"a/{old.name}")
    assert await store.sweep() == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert await store.sweep(older_than=-1) == 1
    assert everything_below(root) == ["a", "a/k"]


FORK = """
import os, sys
from asynczarr.store import FilesystemStore, file_write, fileio

store = FilesystemStore(sys.argv[1])
with file_write._clock, fileio.turn():  # as another thread may hold them
    child = os.fork()
    if not child:
        store.set_sync("k", b"in the child")
        assert store.get_many_sync(["k"]) == [b"in the child"]
        assert fileio._turn.acquire(blocking=False)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


async def test_a_forked_child_waits_for_no_thread_that_it_has_not(store, root):
    command = [sys.executable, "-c", FORK, str(root)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert await store.get("k") == b"in the child"
