"""Killed writers and competing processes: every value is old or new, and no update is lost."""

from __future__ import annotations

import random
import sys
import zipfile
from pathlib import Path

import pytest

from asynczarr.store import FilesystemStore, ZipStore

sys.path.insert(0, str(Path(__file__).parent))
import crash_writers
from crash_writers import KEYS, SIZE

pytestmark = pytest.mark.timeout(120)


async def test_killed_filesystem_writers(tmp_path):
    """30 rounds: whole values, nothing odd listed, and what was left behind can be swept."""
    store = FilesystemStore(tmp_path / "root")
    for key in KEYS:
        await store.set(key, b"A" * SIZE)
    chance = random.Random(7)
    left = 0
    for generation in range(30):
        writer = crash_writers.start(crash_writers.overwrite_files, store.root, generation)
        crash_writers.kill_at_random(writer, chance, 0.02)
        for key in KEYS:
            value = bytes(await store.get(key))
            assert value == value[:1] * SIZE
        listed = {key async for key in store.list()}
        assert {key for key in listed if not key.startswith("new/")} == set(KEYS)
        assert {name async for name in store.list_dir()} <= {"zarr.json", "a/", "new/"}
        left += len(list(Path(store.root).rglob(".asynczarr.*")))
    await store.delete_many([key async for key in store.list("new/")])
    assert left > 0, "no writer was killed in the middle of a write: the test has tested nothing"
    assert await store.sweep(older_than=-1) > 0
    assert list(Path(store.root).rglob(".asynczarr.*")) == []


async def test_killed_zip_writers(tmp_path):
    """20 rounds: the archive is the old one or the new one, never anything else."""
    path = tmp_path / "store.zip"
    async with ZipStore(path, mode="w") as store:
        for key in (*KEYS, "kept", "gone"):
            await store.set(key, b"A" * SIZE)
    chance = random.Random(7)
    seen = set()
    # How long a writer takes depends on the machine: two are left alone, the slower one sets the range of the kills.
    undisturbed = max(crash_writers.seconds_to_finish(crash_writers.overwrite_archive, str(path), 65) for _ in range(2))
    for letter in range(66, 86):
        writer = crash_writers.start(crash_writers.overwrite_archive, str(path), letter)
        crash_writers.kill_at_random(writer, chance, 1.5 * undisturbed)
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
        async with ZipStore(path) as store:
            values = {bytes(await store.get(key)) for key in KEYS}
            assert len(values) == 1
            value = values.pop()
            assert value == value[:1] * SIZE
            assert bytes(await store.get("kept")) == b"A" * SIZE
            seen.add(value[:1])
            assert await store.get("gone") is None
    assert 1 < len(seen) <= 21, "all writers were killed too early, or none: the test has tested nothing"


async def test_two_processes_count_together(tmp_path):
    """2 x 50 increments by compare-and-swap, and none is lost."""
    store = FilesystemStore(tmp_path)
    await store.set("counter", b"0")
    workers = [crash_writers.start(crash_writers.count_up, store.root, 50) for _ in range(2)]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert bytes(await store.get("counter")) == b"100"


async def test_two_processes_create_one_key_each_once(tmp_path):
    """Each of 200 keys has one creator, and both processes know who."""
    store = FilesystemStore(tmp_path)
    workers = [crash_writers.start(crash_writers.create_keys, store.root, name, 200) for name in "ab"]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    winners = {number: bytes(await store.get(f"c/{number}")).decode() for number in range(200)}
    for name in "ab":
        claimed = {int(number) async for number in store.list_dir(f"won/{name}/")}
        assert claimed == {number for number, winner in winners.items() if winner == name}
