"""C16: no descriptors left, no space left, a file system that becomes read-only, a clock that jumps."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az

DATA = np.arange(64 * 64, dtype="i4").reshape(64, 64)
SPEC: dict[str, Any] = {"shape": (64, 64), "chunks": (8, 8), "dtype": "i4", "codecs": ["bytes", "crc32c"]}


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def _few_descriptors(more: int) -> Iterator[None]:
    """Let this process open no more than `more` further files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    while taken[-1] <= highest:  # until there is no gap below
        taken.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1] + 1 + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in taken:
            os.close(number)


async def test_no_descriptors(tmp_path: Path) -> None:
    """Every operation ends in one typed error that says so, nothing is half written, and afterwards all is well."""
    store = az.FilesystemStore(tmp_path / "a")
    array = await az.create_array(store, **SPEC)
    await array.write(DATA)
    before = _open_files()
    for operation in (array.read, array.nchunks_stored, lambda: array.write(0)):
        with _few_descriptors(0), pytest.raises(az.Unavailable, match="Too many open files"):
            await operation()
    assert _open_files() == before
    assert (await array.read() == DATA).all()
    assert list(tmp_path.rglob(".asynczarr.*")) == []


async def test_few_descriptors_are_enough(tmp_path: Path) -> None:
    """A stream of 64 chunks needs a file for each worker thread, not one for each chunk."""
    store = az.FilesystemStore(tmp_path / "a")
    array = await az.create_array(store, **SPEC)
    await array.write(DATA)
    await array.read()
    with _few_descriptors(4 * (os.cpu_count() or 1) + 16):
        assert (await array.read() == DATA).all()


@contextmanager
def _small_disk(folder: Path, size: str, skip: Any) -> Iterator[Path]:
    """A file system of its own of that size."""
    folder.mkdir()
    if os.geteuid() != 0:
        skip("only root can mount a small file system")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if made.returncode:
        skip(f"no small file system: {made.stderr.decode()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


async def test_no_space(tmp_path: Path) -> None:
    """A real file system that is full: the error says so, what was there stays, nothing temporary is left."""
    with _small_disk(tmp_path / "disk", "1m", pytest.skip) as disk:
        store = az.FilesystemStore(disk)
        array = await az.create_array(store, path="small", **SPEC)
        await array.write(DATA)
        await store.set("old", b"o" * 100_000)
        with pytest.raises(az.QuotaExceeded) as caught:
            await store.set("old", b"n" * 2_000_000)
        assert (caught.value.key, caught.value.store) == ("old", store.url)
        large = await az.create_array(
            store, path="large", shape=(512, 1024), chunks=(16, 1024), dtype="f8", codecs=["bytes"]
        )
        with pytest.raises(az.QuotaExceeded):
            await large.write(np.ones((512, 1024)))
        assert bytes(await store.get("old")) == b"o" * 100_000
        assert (await array.read() == DATA).all()
        assert set(np.unique(await large.read()).tolist()) <= {0.0, 1.0}
        assert list(disk.rglob(".asynczarr.*")) == []


async def test_a_zip_that_finds_no_space(tmp_path: Path) -> None:
    with _small_disk(tmp_path / "disk", "1m", pytest.skip) as disk:
        async with az.open_store(f"zip://{disk}/a.zip", mode="w") as store:
            await store.set("old", os.urandom(300_000))
        before = (disk / "a.zip").read_bytes()
        with pytest.raises(az.QuotaExceeded):
            async with az.open_store(f"zip://{disk}/a.zip", mode="a") as store:
                await store.set("new", os.urandom(2_000_000))
        assert (disk / "a.zip").read_bytes() == before
        assert [path.name for path in disk.iterdir()] == ["a.zip"]


async def test_a_file_system_that_becomes_read_only(tmp_path: Path) -> None:
    with _small_disk(tmp_path / "disk", "4m", pytest.skip) as disk:
        array = await az.create_array(az.FilesystemStore(disk / "a"), **SPEC)
        await array.write(DATA)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(az.Forbidden):
            await array.write(0)
        with pytest.raises(az.Forbidden):
            await array.store.delete("c/0/0")
        assert (await array.read() == DATA).all()


@pytest.mark.parametrize("jump", [-86_400 * 400, 86_400 * 400])
async def test_a_clock_that_jumps(monkeypatch: pytest.MonkeyPatch, jump: float, tmp_path: Path) -> None:
    """Nothing waits by the wall clock: streams with a timeout go on while it jumps by more than a year."""
    array = await az.create_array(az.FilesystemStore(tmp_path / "a"), **SPEC)
    await array.write(DATA)
    real, real_ns = time.time, time.time_ns
    begin = time.monotonic()
    async with array.stream_chunks(timeout=2) as stream:
        number = 0
        async for chunk in stream:
            shift = jump * (number % 2)
            monkeypatch.setattr(time, "time", lambda shift=shift: real() + shift)
            monkeypatch.setattr(time, "time_ns", lambda shift=shift: real_ns() + int(shift * 1e9))
            row, column = (8 * each for each in chunk.index)
            assert (chunk.data == DATA[row : row + 8, column : column + 8]).all()
            number += 1
            await asyncio.sleep(0)
    assert number == 64
    await array[:8, :8].write(1)
    assert (await array[:8, :8].read() == 1).all()
    assert time.monotonic() - begin < 10
