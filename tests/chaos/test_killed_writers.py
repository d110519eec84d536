"""C10: writers killed by SIGKILL in the middle of a write. What was acknowledged is there, and nothing is torn."""

from __future__ import annotations

import random
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

import asynczarr as az
from asynczarr.testing.wire_faults import seed
from tests.chaos import killed
from tests.chaos.killed import KEYS, generation_of


def _kill(process: Any, pipe: Any, chance: random.Random) -> int:
    """Kill a writer 0 to 50 ms after its first acknowledgement; the number that it acknowledged last."""
    time.sleep(chance.uniform(0, 0.05))
    process.kill()
    process.join()
    return killed.acknowledged(pipe)


def _url(backend: str, folder: Path) -> str:
    if backend == "lmdb":
        pytest.importorskip("lmdb")
        try:
            az.open_store(f"lmdb://{folder}/lmdb")
        except az.Unsupported:
            pytest.skip("no LMDB store yet")
        return f"lmdb://{folder}/lmdb"
    return f"file://{folder}/files"


@pytest.mark.parametrize("backend", ["filesystem", "lmdb"])
async def test_every_acknowledged_write_is_there(backend, tmp_path, scale, figure):
    url = _url(backend, tmp_path)
    chance = random.Random(seed())
    rounds, first, acknowledged, in_flight = scale(8, 100, 500), 0, 0, 0
    for _ in range(rounds):
        last = _kill(*killed.start(killed.set_forever, url, first, {}), chance)
        async with az.open_store(url) as store:
            stored = {key: generation_of(value) for key in KEYS if (value := await store.get(key)) is not None}
            for number in range(max(first, last - len(KEYS) + 1), last + 1):
                key = KEYS[number % len(KEYS)]
                assert stored[key] in (number, number + len(KEYS)), "an acknowledged write is lost"
            assert max(stored.values()) <= last + 1
            in_flight += max(stored.values()) == last + 1
            assert {key async for key in store.list()} == set(stored), "something odd is listed"
            await store.set("after", b"the next writer works")
            await store.delete("after")
        acknowledged += last + 1 - first
        first = last + 2 + (KEYS.index("zarr.json") - last - 2) % len(KEYS)
    assert acknowledged > rounds
    figure(
        "Writers killed by SIGKILL within 50 ms",
        backend,
        rounds=rounds,
        acknowledged=acknowledged,
        **{"lost": 0, "torn": 0, "landed without acknowledgement": in_flight},
    )


async def test_an_archive_is_the_one_before_or_the_one_after(tmp_path, scale, figure):
    url = f"zip://{tmp_path}/store.zip"
    chance = random.Random(seed())
    rounds, first, acknowledged, in_flight = scale(8, 100, 500), 0, 0, 0
    for _ in range(rounds):
        last = _kill(*killed.start(killed.rewrite_forever, url, first, {"mode": "a"}), chance)
        with zipfile.ZipFile(tmp_path / "store.zip") as archive:
            assert archive.testzip() is None
            assert sorted(archive.namelist()) == sorted(KEYS)
        async with az.open_store(url) as store:
            stored = {generation_of(await store.get(key)) for key in KEYS}
        assert len(stored) == 1, "an archive of two writers"
        (number,) = stored
        assert number in (last, last + 1), "an acknowledged archive is lost"
        in_flight += number == last + 1
        acknowledged += last + 1 - first
        first = last + 2
    assert acknowledged >= rounds
    figure(
        "Writers killed by SIGKILL within 50 ms",
        "zip",
        rounds=rounds,
        acknowledged=acknowledged,
        **{"lost": 0, "torn": 0, "landed without acknowledgement": in_flight},
    )
