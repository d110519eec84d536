"""Every workload runs, with every peer that is installed, and notices a wrong result."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from benchmarks import fixture
from benchmarks.peers import load
from benchmarks.peers.base import Unsupported
from benchmarks.units import Unit
from benchmarks.works import WORKS, Wrong, loop, make

# zarr-python's pipelines are settings of a whole process, so only its default one is safe to use in a test.
PEERS = ["asynczarr", "zarr", "zarrista", "zarrista-async", "tensorstore"]
SHARED = [
    Unit("read", "128K", mebibytes=8),
    Unit("read", "128K/8M", mebibytes=32),
    Unit("read", "16K", "blosc", "memory", mebibytes=4),
    Unit("slab", "16K", mebibytes=4),
    Unit("stream", "16K", mebibytes=4),
    Unit("stream", "128K/8M", mebibytes=32),
    Unit("tenth", "128K", mebibytes=8),
    Unit("tenth", "128K/8M", mebibytes=32),
    Unit("random", "128K", mebibytes=16, count=20),
    Unit("burst", "128K", mebibytes=16, count=20),
    Unit("write", "128K", "gzip", mebibytes=8),
    Unit("write", "128K", store="memory", mebibytes=8),
    Unit("partial", "128K/8M", mebibytes=32, count=2),
    Unit("open", "128K", mebibytes=8, count=3),
    Unit("tree", "consolidated"),
    Unit("tree", "listed"),
]
OURS = [
    Unit("first", "128K", mebibytes=8),
    Unit("first", "128K/8M", mebibytes=32),
    Unit("first-of", store="synthetic", count=1000),
    Unit("chunks", store="synthetic", count=1000),
    Unit("cuts", store="synthetic", mebibytes=4, count=100),
    Unit("size", "1M", store="synthetic", mebibytes=64),
    Unit("stages", "128K", mebibytes=8),
    Unit("stages", "128K/8M", mebibytes=32),
]


async def measure(unit, name, folder):
    """The metrics of one run, checked."""
    try:
        peer = load(name)
    except ImportError as error:
        pytest.skip(f"{name} is not here: {error}")
    source = folder if unit.store == "synthetic" else fixture.ensure(folder, unit)
    work = make(unit, peer, source, folder)
    await work.prepare()
    await work.before()
    try:
        await work.check(await work.run())
    finally:
        await work.after()
    return work.metrics


@pytest.mark.allow_blocking("what is measured is the speed, and peers block as they like")
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("unit", SHARED, ids=lambda unit: unit.name)
async def test_right_results(unit, peer, folder):
    cannot = {"zarrista-async": unit.store == "memory", "tensorstore": unit.work == "tree"}
    if cannot.get(peer):
        with pytest.raises(Unsupported):
            await measure(unit, peer, folder)
    else:
        await measure(unit, peer, folder)


@pytest.mark.allow_blocking("stages are measured one by one, in one thread")
@pytest.mark.parametrize("unit", OURS, ids=lambda unit: unit.name)
async def test_our_own_figures(unit, folder):
    metrics = await measure(unit, "asynczarr", folder)
    assert all(value > 0 for value in metrics.values())


@pytest.mark.parametrize("work", ["lag", "echo"])
async def test_event_loop(work, folder, monkeypatch):
    for constant in ("_IDLE", "_BUSY_SECONDS", "_ECHO_SECONDS"):
        monkeypatch.setattr(loop, constant, 0.1)
    metrics = await measure(Unit(work, "128K", mebibytes=8, concurrency=1), "asynczarr", folder)
    if work == "lag":
        assert 0 <= metrics["p50"] <= metrics["p99"] <= metrics["max"]
    else:
        assert metrics["share"] == pytest.approx(metrics["busy_rate"] / metrics["idle_rate"])


@pytest.mark.parametrize("work", ["read", "slab", "stream", "tenth", "random"])
async def test_wrong_values_do_not_count(work, tmp_path):
    unit = Unit(work, "128K", mebibytes=16, count=50)
    source = fixture.ensure(tmp_path, unit)
    chunk = source / "c" / "0"
    shutil.rmtree(chunk)  # missing chunks read as fill values: plausible, and wrong
    with pytest.raises(Wrong):
        await measure(unit, "asynczarr", tmp_path)


async def test_wrong_writes_do_not_count(folder):
    unit = Unit("write", "128K", mebibytes=8)
    work = make(unit, load("asynczarr"), fixture.ensure(folder, unit), folder)
    await work.prepare()
    await work.before()
    work.values = np.array(work.values)
    await work.run()
    work.values[5, 5, 5] += 1
    with pytest.raises(Wrong):
        await work.check(None)
    await work.after()


def test_every_work_is_tested():
    elsewhere = {"lag", "echo", "remote read", "remote stream", "remote random"}
    assert {unit.work for unit in [*SHARED, *OURS]} | elsewhere == WORKS.keys()
