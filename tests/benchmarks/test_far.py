"""Arrays in a bucket far away: it answers as S3 does, every peer reads what is there, and a page comes of it."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace

import aiohttp
import pytest

from asynczarr import S3Store
from asynczarr.types import ByteRange
from benchmarks import fixture
from benchmarks.layout import Grid
from benchmarks.peers import load
from benchmarks.remote.far import BUCKET, CREDENTIALS, IN_FLIGHT, REGION, Far, far_bucket
from benchmarks.remote.least import for_all, for_boxes
from benchmarks.remote.run import PEERS, plan, run_remote
from benchmarks.report import write_remote_page
from benchmarks.units import Unit
from benchmarks.works import Wrong, make

pytestmark = [pytest.mark.xdist_group("far"), pytest.mark.allow_blocking("clients and counters block as they like")]

SHARDS = Unit("remote read", "128K/8M", mebibytes=32, concurrency=IN_FLIGHT, store="s3")
UNITS = [
    Unit("remote read", "128K", mebibytes=8, concurrency=IN_FLIGHT, store="s3"),
    Unit("remote stream", "128K", mebibytes=8, concurrency=IN_FLIGHT, store="s3"),
    SHARDS,
    replace(SHARDS, work="remote stream"),
    replace(SHARDS, work="remote random", count=10),
]


async def measure(unit, name, folder):
    """The metrics of one run, checked."""
    work = make(unit, load(name), fixture.ensure(folder, unit), folder)
    await work.prepare()
    await work.before()
    try:
        await work.check(await work.run())
    finally:
        await work.after()
    return work.metrics


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
async def test_right_results_of_everybody_and_few_requests_of_ours(unit, peer, folder):
    with far_bucket(folder, latency=0.002):
        metrics = await measure(unit, peer, folder)
    assert metrics["requests"] > 0
    assert 0 <= metrics["p50"] <= metrics["p99"] <= metrics["max"]
    if "asynczarr" in peer:
        assert metrics["requests"] == metrics["least"]
        assert metrics["most"] <= IN_FLIGHT


async def test_wrong_values_do_not_count(tmp_path):
    shutil.rmtree(fixture.ensure(tmp_path, UNITS[0]) / "c" / "0")
    with far_bucket(tmp_path, latency=0.0), pytest.raises(Wrong):
        await measure(UNITS[0], PEERS[0], tmp_path)


async def test_the_bucket_is_one_of_s3_late_and_slow(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(range(100)))
    latency, bandwidth, loop = 0.1, 10_000.0, asyncio.get_running_loop()
    with far_bucket(tmp_path, latency, bandwidth) as url:
        far = Far()
        async with S3Store(BUCKET, endpoint_url=url, region=REGION, addressing_style="path", **CREDENTIALS) as store:
            assert await store.get("a/b") == bytes(range(100))
            far.reset()
            begun = loop.time()
            assert await store.get("a/b", ByteRange(10, 20)) == bytes(range(10, 20))
            assert loop.time() - begun >= latency
            assert await store.get("a/b", ByteRange(-3)) == bytes(range(97, 100))
            assert await store.get("a/b", ByteRange(100, 200)) == b""
            assert await store.get("missing") is None
            info = await store.head("a/b")
            assert info is not None
            assert info.size == 100
            found = far.statistics()
            assert found["requests"] == 5
            assert found["most"] == 1
            assert found["waited"] >= 5 * latency * 0.9
            begun = loop.time()
            await asyncio.gather(*(store.get("a/b") for _ in range(8)))
            assert loop.time() - begun >= latency + (8 * 100) / bandwidth
            assert far.statistics()["most"] == 8
        async with aiohttp.ClientSession() as session, session.get(f"{url}/{BUCKET}/../outside") as answer:
            assert answer.status == 404


def test_fewest_requests(folder):
    source, grid = fixture.ensure(folder, SHARDS), SHARDS.grid
    assert for_all(grid) == 4
    assert for_all(Grid.of("128K", 32)) == 256
    inside = tuple(slice(32, 64) for _ in range(3))
    assert for_boxes(source, grid, [inside]) == 2, "an index and a chunk"
    assert for_boxes(source, grid, [inside, inside]) == 3, "the index once"
    # Along the fastest axis chunks are neighbours in the file, along the slowest they are not.
    beside, above = (inside[0], inside[1], slice(32, 96)), (slice(32, 96), *inside[1:])
    assert for_boxes(source, grid, [beside]) == 2
    assert for_boxes(source, grid, [above]) == 3


def test_a_run_and_its_page(tmp_path):
    small = replace(plan(quick=True), units=UNITS[:3], runs=1, peers=(PEERS[0], PEERS[4]))
    said: list[str] = []
    run_remote(small, tmp_path / "data", tmp_path / "remote.json", said.append)
    assert len(said) == 3
    document = json.loads((tmp_path / "remote.json").read_text())
    assert [each["problem"] for each in document["results"]] == [None] * 6
    write_remote_page(tmp_path / "remote.json", tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert "## Read of 2048 chunks of 128 KiB" in text
    assert text.count("| asynczarr |") == text.count("| tensorstore |") == 3
    assert "1.05 x the requests needed | 1.00 | ✓" in text
