"""``asynczarr demo``, on a small file made like the real one, and on the real one where it is installed."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import asynczarr as az
from asynczarr.cli.demo.globe import Globe, Overview

from .conftest import Program

needs_demo = pytest.mark.skipif(
    not (find_spec("matplotlib") and find_spec("zarr")), reason="matplotlib or zarr is not installed"
)
SHAPE = (1080, 2160)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ocean with one island from the equator to 30 degrees north, a quarter of the way around."""
    file = tmp_path_factory.mktemp("source") / "mask.npz"
    mask = np.ones(SHAPE, bool)
    mask[360:540, :540] = False
    lat, lon = 90 - np.arange(SHAPE[0]) / 6, np.arange(SHAPE[1]) / 6 - 180
    np.savez_compressed(file, mask=mask, lat=lat, lon=lon)
    return file


@needs_demo
def test_demo(program: Program, source: Path, tmp_path: Path) -> None:
    found = program.json("demo", "--out", tmp_path, "--source", source)
    assert found["shape"] == list(SHAPE)
    assert found["land"]["0° to 30°N"] == pytest.approx(0.25)
    assert found["land"]["whole"] == pytest.approx(0.25 * 0.5 / 2)  # 30 degrees are half of a hemisphere
    assert found["write"]["shards"] == 240
    assert found["write"]["rewritten"] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["globe.png", "globe.zarr"]
    assert (tmp_path / "globe.png").read_bytes().startswith(b"\x89PNG")

    async def read() -> np.ndarray:
        async with az.open_array(tmp_path / "globe.zarr", "land") as array:
            assert array.shards is not None
            return await array.read()

    expected = np.zeros(SHAPE, bool)
    expected[360:540, :540] = True
    np.testing.assert_array_equal(asyncio.run(read()), expected)


@needs_demo
def test_demo_goes_on_where_it_was_killed(
    program: Program, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asynczarr.cli.demo import run
    from asynczarr.cli.demo.source import Mask

    whole = Mask.land

    def half(mask: Mask) -> object:
        for number, item in enumerate(whole(mask)):
            if number == 5:
                raise OSError("the power went off")
            yield item

    monkeypatch.setattr(Mask, "land", half)
    assert "the power went off" in program("demo", "--out", tmp_path, "--source", source, code=1).stderr
    assert (tmp_path / "globe.ledger").is_file()
    monkeypatch.setattr(Mask, "land", whole)
    monkeypatch.setattr(run, "_draw", lambda *_: None)
    text = program("demo", "--out", tmp_path, "--source", source).stdout
    assert "were there already" in text
    assert "zarr-python" in text
    assert not (tmp_path / "globe.ledger").exists()


@needs_demo
def test_demo_says_when_zarr_python_disagrees(
    program: Program, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zarr

    monkeypatch.setattr(zarr, "open_array", lambda *_, **__: zarr.ones(SHAPE, chunks=(540, 2160), dtype=bool))
    assert "other values" in program("demo", "--out", tmp_path, "--source", source, code=1).stderr


@needs_demo
def test_demo_refuses_other_files(program: Program, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", mask=np.zeros(3), lat=np.zeros(3), lon=np.zeros(3))
    assert "holds no mask" in program("demo", "--out", tmp_path, "--source", tmp_path / "x.npz", code=1).stderr


@needs_demo
@pytest.mark.skipif(find_spec("global_land_mask") is None, reason="global-land-mask is not installed")
def test_demo_on_the_real_data(process: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    done = process("-m", "asynczarr", "demo", "--every", "20", "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["land"]["whole"] == pytest.approx(0.289, abs=0.003)
    assert found["stream"]["peak_memory_growth"] < 100 * 2**20
    assert (tmp_path / "globe-20.png").is_file()


def test_overview_counts_in_blocks() -> None:
    overview = Overview((40, 4320))
    land = np.random.default_rng(1).random((40, 4320)) < 0.3
    for rows in (slice(20, 40), slice(0, 20)):
        for columns in (slice(0, 2160), slice(2160, 4320)):
            overview.add((rows, columns), land[rows, columns])
    assert overview.block == 2
    np.testing.assert_array_equal(overview.counts, land.reshape(20, 2, 2160, 2).sum(axis=(1, 3)))


def test_land_is_weighted_by_area() -> None:
    edges = np.linspace(90, -90, 181)
    share = np.zeros((180, 10), np.float32)
    share[:30] = 1  # all land north of 60 degrees
    globe = Globe(share, edges)
    assert globe.land() == pytest.approx((1 - np.sin(np.radians(60))) / 2)
    assert globe.land(90, 60) == pytest.approx(1)
    assert globe.land(60, -90) == pytest.approx(0)


def test_projection_keeps_areas() -> None:
    from asynczarr.cli.demo.picture import height_of, paint

    globe = Globe(np.ones((180, 360), np.float32), np.linspace(90, -90, 181))
    black, blue, white = np.zeros(3), np.array([0, 0, 1.0]), np.ones(3)
    picture = paint(globe, 200, black, blue, white)
    assert picture.shape == (200, 400, 3)
    assert picture.mean() / 255 == pytest.approx(np.pi / 4, abs=0.002)  # an ellipse in its box
    assert height_of(0) == pytest.approx(0, abs=1e-9)
    assert height_of(90) == pytest.approx(1)
    assert height_of(-30) == pytest.approx(-height_of(30))
