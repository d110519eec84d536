"""C10: writers killed by SIGKILL in the middle of a write. What was acknowledged is there, and nothing is torn."""

from __future__ import annotations

import random
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import asynczarr as az
from asynczarr.testing.wire_faults import seed
from tests.chaos import killed
from tests.chaos.killed import KEYS, number_of

TITLE = "Writers killed by SIGKILL within 50 ms"


@dataclass(slots=True)
class _Seen:
    """What was found after the kills.

    Attributes:
        rounds: writers that were killed.
        acknowledged: writes that they have acknowledged.
        in_flight: writes that nobody has acknowledged and that are there all the same.
        lost: acknowledged writes that are not there, nor a newer one.
        torn: values that no single write has stored.
    """

    rounds: int = 0
    acknowledged: int = 0
    in_flight: int = 0
    lost: int = 0
    torn: int = 0

    def check(self, figure: Any, where: str) -> None:
        """Nothing lost and nothing torn, and enough has happened to say so; then it is a row of the page."""
        assert (self.lost, self.torn) == (0, 0)
        assert self.acknowledged >= self.rounds
        figure(
            TITLE,
            where,
            rounds=self.rounds,
            acknowledged=self.acknowledged,
            lost=self.lost,
            torn=self.torn,
            **{"landed without acknowledgement": self.in_flight},
        )


def _kills(seen: _Seen, rounds: int, target: Any, url: str, **options: Any) -> Iterator[tuple[int, int]]:
    """Kill a writer a round, 0 to 50 ms after its first acknowledgement; its first number and the last acknowledged."""
    chance = random.Random(seed())
    first = 0
    for _ in range(rounds):
        process, pipe = killed.start(target, url, first, options)
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        process.join()
        last = killed.acknowledged(pipe)
        seen.rounds += 1
        seen.acknowledged += last + 1 - first
        yield first, last
        first = last + 2


@pytest.mark.parametrize("backend", ["filesystem", "lmdb"])
async def test_every_acknowledged_write_is_there(backend: str, tmp_path: Path, scale: Any, figure: Any) -> None:
    if backend == "lmdb":
        pytest.importorskip("lmdb")
    url = f"lmdb://{tmp_path}/lmdb" if backend == "lmdb" else f"file://{tmp_path}/files"
    seen = _Seen()
    newest = dict.fromkeys(KEYS, -1)  # by key, the number that was acknowledged last
    for first, last in _kills(seen, scale(6, 500, 2000), killed.set_forever, url):
        newest |= {KEYS[number % len(KEYS)]: number for number in range(first, last + 1)}
        async with az.open_store(url) as store:
            stored = {key: number_of(value) for key in KEYS if (value := await store.get(key)) is not None}
            listed = {key async for key in store.list()}
            await store.set("after", b"the next writer works")
            await store.delete("after")
        assert listed == set(stored), "something odd is listed"
        seen.torn += sum(number is None for number in stored.values())
        for key, acknowledged in newest.items():
            number = stored.get(key, -1)
            seen.lost += number is not None and number < acknowledged
        landed = [number for number in stored.values() if number is not None and number > last]
        assert landed in ([], [last + 1]), "what nobody has written"
        seen.in_flight += len(landed)
        for number in landed:
            newest[KEYS[number % len(KEYS)]] = number
    seen.check(figure, backend)


async def test_an_archive_is_the_one_before_or_the_one_after(tmp_path: Path, scale: Any, figure: Any) -> None:
    url = f"zip://{tmp_path}/store.zip"
    seen = _Seen()
    for _, last in _kills(seen, scale(6, 500, 2000), killed.rewrite_forever, url, mode="a"):
        with zipfile.ZipFile(tmp_path / "store.zip") as archive:
            seen.torn += archive.testzip() is not None
            assert sorted(archive.namelist()) == sorted(KEYS)
        async with az.open_store(url) as store:
            stored = {number_of(await store.get(key)) for key in KEYS}
        seen.torn += len(stored) != 1 or None in stored  # an archive of two writers, or of a half
        number = min(-1 if number is None else number for number in stored)
        assert number <= last + 1
        seen.lost += number < last
        seen.in_flight += number == last + 1
    seen.check(figure, "zip")
