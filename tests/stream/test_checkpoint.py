"""The ledger of ``write_stream``: killed anywhere and resumed, the array is complete, and nothing is done twice."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.stream.ledger import Ledger

from . import writers
from .support import Request, SpyStore, chunk_key, counting

ROUNDS = 50
N, CHUNK = 40, 4


@pytest.mark.slow
async def test_killed_at_random_points_and_resumed(tmp_path: Path) -> None:
    """50 times SIGKILL: the result is byte-identical, and what the ledger listed was never written again."""
    root, ledger = tmp_path / "array.zarr", tmp_path / "ledger"
    await az.create_array(root, **writers.SPEC)
    chance = random.Random(11)
    finished: dict[str, Any] = {}
    rounds = written = 0
    with writers.Server() as server:
        begin = time.perf_counter()
        server.start("write_all", str(root), str(ledger))
        assert server.wait() == 0
        undisturbed = time.perf_counter() - begin  # how far a writer gets in a moment depends on the machine
        ledger.unlink()
        while rounds < ROUNDS:
            if len(finished) == writers.SHARDS:  # faster than expected: begin anew
                ledger.unlink()
                finished.clear()
            pid = server.start("write_all", str(root), str(ledger))
            rounds += server.kill_after(pid, chance.uniform(0, undisturbed / 16))
            assert {key: _state(root / key) for key in finished} == finished
            before = len(finished)
            finished = {key: _state(root / key) for key in _listed(ledger)}
            written += len(finished) > before
        assert written > 10, "the writer was always killed before it got anywhere: the test has tested nothing"
        server.start("write_all", str(root), str(ledger))
        assert server.wait() == 0
        assert {key: _state(root / key) for key in finished} == finished
        assert len(_listed(ledger)) == writers.SHARDS
    reference = az.MemoryStore()
    array = await az.create_array(reference, **writers.SPEC)
    await array.write(np.arange(array.size, dtype="i4"))
    store = az.FilesystemStore(root)
    keys = sorted([key async for key in store.list()])
    assert keys == sorted([key async for key in reference.list()])
    for key in keys:
        assert (root / key).read_bytes() == reference.get_sync(key)


def _state(path: Path) -> tuple[int, int]:
    """Changes whenever the file is written: each write makes a new one."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _listed(ledger: Path) -> list[str]:
    if not ledger.exists():
        return []
    lines = ledger.read_bytes().split(b"\n")[1:-1]
    return [chunk_key(*json.loads(line)[0]) for line in lines]


# The rest fails on purpose instead of being killed: every point, not random ones.


def _items(value: int = 0) -> list[tuple[int, Any]]:
    return [(n, np.arange(n * CHUNK, (n + 1) * CHUNK) + value) for n in range(N)]


async def _array(script: Any = None, **spec: Any) -> az.Array:
    return await az.create_array(SpyStore(script=script), shape=N * CHUNK, chunks=CHUNK, dtype="i4", **spec)


class FailingAt:
    """Fails the k-th write, and every one after it."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, request: Request) -> None:
        if request.verb == "set":
            self.left -= 1
            if self.left < 0:
                raise az.Unavailable("on purpose")


@pytest.mark.parametrize("shards", [None, 4 * CHUNK])
async def test_a_run_that_failed_anywhere_is_resumed(tmp_path: Path, shards: int | None) -> None:
    for at in range(0, N if shards is None else N // 4, 3):
        array = await _array(FailingAt(at), shards=shards)
        ledger = tmp_path / f"{at}-{shards}"
        with pytest.raises(az.Unavailable):
            await array.write_stream(_items(), checkpoint=ledger, concurrency=1)
        array.store.script = None
        done = {request.key for request in array.store.of("set")[:at]}
        array.store.forget()
        report = await array.write_stream(_items(), checkpoint=ledger)
        per_object = 1 if shards is None else 4
        assert report.items == N
        assert report.skipped == at * per_object
        assert report.written == (N - at * per_object) // per_object
        assert done.isdisjoint(request.key for request in array.store.requests)
        np.testing.assert_array_equal(await array.read(), counting((N * CHUNK,)))
        array.store.forget()
        again = await array.write_stream(_items(), checkpoint=ledger)
        assert (again.written, again.skipped) == (0, N)


async def test_later_items_for_finished_objects_are_not_lost(tmp_path: Path) -> None:
    """Two passes over the array: the second counts, in the run that was stopped and in the one that resumes."""
    both = _items() + _items(1000)
    array = await _array()
    report = await array.write_stream(both, checkpoint=tmp_path / "whole")
    assert (report.written, report.skipped) == (2 * N, 0)
    np.testing.assert_array_equal(await array.read(), counting((N * CHUNK,)) + 1000)
    for at in range(1, 2 * N, 7):
        array = await _array(FailingAt(at))
        with pytest.raises(az.Unavailable):
            await array.write_stream(both, checkpoint=tmp_path / f"{at}", concurrency=1)
        array.store.script = None
        await array.write_stream(both, checkpoint=tmp_path / f"{at}")
        np.testing.assert_array_equal(await array.read(), counting((N * CHUNK,)) + 1000)


async def test_an_object_that_was_merged_is_finished_only_when_it_is_complete(tmp_path: Path) -> None:
    """A budget too small for a shard: its first part must not make the rest be skipped."""
    items = sorted(_items(), key=lambda item: item[0] % 4)
    for at in range(1, N, 3):
        array = await _array(FailingAt(at), shards=4 * CHUNK)
        with pytest.raises(az.Unavailable):
            await array.write_stream(items, checkpoint=tmp_path / f"{at}", max_bytes=100)
        array.store.script = None
        await array.write_stream(items, checkpoint=tmp_path / f"{at}", max_bytes=100)
        np.testing.assert_array_equal(await array.read(), counting((N * CHUNK,)))


async def test_failed_objects_are_tried_again(tmp_path: Path) -> None:
    def script(request: Request) -> None:
        if request.key in (chunk_key(3), chunk_key(7)):
            raise az.Unavailable("on purpose")

    array = await _array(script)
    report = await array.write_stream(_items(), checkpoint=tmp_path / "ledger", on_error="skip")
    assert [failed.number for failed in report.failed] == [3, 7]
    array.store.script = None
    report = await array.write_stream(_items(), checkpoint=tmp_path / "ledger", on_error="skip")
    assert (report.written, report.skipped, report.failed) == (2, N - 2, [])


async def test_an_array_that_was_created_anew_is_written_anew(tmp_path: Path) -> None:
    """With the old ledger still there: what it lists must not be taken for done."""
    array = await _array()
    await array.write_stream(_items(), checkpoint=tmp_path / "ledger")
    store = array.store
    array = await az.create_array(store, shape=N * CHUNK, chunks=CHUNK, dtype="i4", overwrite=True)
    report = await array.write_stream(_items(5), checkpoint=tmp_path / "ledger")
    assert (report.written, report.skipped) == (N, 0)
    np.testing.assert_array_equal(await array.read(), counting((N * CHUNK,)) + 5)
    await store.delete(chunk_key(7))
    report = await array.write_stream(_items(5), checkpoint=tmp_path / "ledger")
    assert (report.written, report.skipped) == (1, N - 1)


async def test_a_ledger_torn_at_any_byte(tmp_path: Path) -> None:
    array = await _array()
    ledger = tmp_path / "ledger"
    await array.write_stream(_items(), checkpoint=ledger)
    whole = ledger.read_bytes()
    lines = [line for line in whole.split(b"\n")[1:] if line]
    assert len(lines) == N
    for cut in [*range(0, len(whole), 7), len(whole) - 1]:
        ledger.write_bytes(whole[:cut])
        array.store.forget()
        report = await array.write_stream(_items(), checkpoint=ledger)
        complete = max(0, whole[:cut].count(b"\n") - 1)
        assert (report.skipped, report.written) == (complete, N - complete)
        assert sorted(ledger.read_bytes().split(b"\n")) == sorted(whole.split(b"\n"))


async def test_rubbish_in_a_ledger_ends_it(tmp_path: Path) -> None:
    array = await _array()
    ledger = tmp_path / "ledger"
    await array.write_stream(_items(), checkpoint=ledger)
    whole = ledger.read_bytes()
    for rubbish in (
        b"\0" * 100,
        b"[[1], 2]",
        b"[[1], 2]]\n",
        b"{}\n",
        b"null\n",
        b"[[1]]\n",
        b"\xff\xfe\n",
        b'["x", 1]\n',
        b"1\n",
        b'[[1], 2, "full"]\n',
    ):
        ledger.write_bytes(whole + rubbish)
        report = await array.write_stream(_items(), checkpoint=ledger)
        assert report.skipped == N
        assert ledger.read_bytes() == whole


FOREIGN: dict[str, Any] = {
    "shape": {"shape": N * CHUNK + 4},
    "chunks": {"chunks": CHUNK * 2},
    "shards": {"shards": CHUNK * 2},
    "dtype": {"dtype": "u4"},
    "path": {"path": "elsewhere"},
}


@pytest.mark.parametrize("change", FOREIGN)
async def test_the_ledger_of_another_array_is_refused(tmp_path: Path, change: str) -> None:
    ledger = tmp_path / "ledger"
    await (await _array()).write_stream(_items()[:5], checkpoint=ledger)
    before = ledger.read_bytes()
    spec = {"shape": N * CHUNK, "chunks": CHUNK, "dtype": "i4", "path": "", **FOREIGN[change]}
    other = await az.create_array(SpyStore(), **spec)
    with pytest.raises(az.MetadataError, match="not a ledger of this array"):
        await other.write_stream(_items(), checkpoint=ledger)
    assert other.store.requests == []
    assert ledger.read_bytes() == before


async def test_files_that_are_no_ledgers_are_left_alone(tmp_path: Path) -> None:
    array = await _array()
    for content in (b"my thesis", b"{}\n", b"\0"):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(az.MetadataError):
            await array.write_stream(_items(), checkpoint=tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == content


async def test_places_where_no_ledger_can_be(tmp_path: Path) -> None:
    array = await _array()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "missing" / "ledger", tmp_path / "folder"):
        with pytest.raises(az.StoreError, match="ledger"):
            await array.write_stream(_items(), checkpoint=path)
    assert array.store.requests == []


async def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = await _array()
    ledger = tmp_path / "ledger"
    await array.write_stream(_items()[:5], checkpoint=ledger)
    before = ledger.read_bytes()
    write, calls = os.write, Counter[str]()

    def full(fd: int, data: Any) -> int:
        calls["write"] += 1
        if calls["write"] > 1:
            raise OSError(28, "No space left on device")
        return write(fd, bytes(data)[:3])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(az.QuotaExceeded):
        await array.write_stream(_items(), checkpoint=ledger)
    monkeypatch.undo()
    assert ledger.read_bytes() == before
    report = await array.write_stream(_items(), checkpoint=ledger)
    assert report.skipped == 5


async def test_nothing_is_left_open(tmp_path: Path) -> None:
    array = await _array(FailingAt(10))
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("counts open files in /proc")
    with pytest.raises(az.Unavailable):
        await array.write_stream(_items(), checkpoint=tmp_path / "ledger")
    (tmp_path / "other").write_bytes(b"no ledger")
    with pytest.raises(az.MetadataError):
        await array.write_stream(_items(), checkpoint=tmp_path / "other")
    names = {os.readlink(entry) for entry in folder.iterdir() if entry.is_symlink() and _exists(entry)}
    assert not any(str(tmp_path) in name for name in names)


def _exists(entry: Path) -> bool:
    try:
        os.readlink(entry)
    except OSError:
        return False
    return True


async def test_the_ledger_by_itself(tmp_path: Path) -> None:
    ledger = await Ledger.open(tmp_path / "ledger", {"a": 1})
    assert ledger.finished == {}
    await ledger.add({})
    await ledger.add({(1, 2): 5, (): 0, (3,): 1}, {(3,)})
    await ledger.add({(): 7})
    for known in (ledger, again := await _reopened(ledger, tmp_path / "ledger")):
        assert known.finished == {(1, 2): 5, (): 7, (3,): 1}
        assert known.empty == {(3,)}
    again.close()


async def _reopened(ledger: Ledger, path: Path) -> Ledger:
    ledger.close()
    return await Ledger.open(path, {"a": 1})


async def test_one_ledger_serves_one_stream_at_a_time(tmp_path: Path) -> None:
    array, ledger = await _array(), tmp_path / "ledger"

    async def source() -> Any:
        for item in _items():
            yield item
            with pytest.raises(az.Unavailable, match="another write_stream"):
                await array.write_stream(_items(), checkpoint=ledger)

    report = await array.write_stream(source(), checkpoint=ledger)
    assert report.written == N
    again = await array.write_stream(_items(), checkpoint=ledger)
    assert again.skipped == N


async def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    report = await (await _array()).write_stream(_items(), checkpoint=tmp_path / "ledger")
    assert report.written == N
