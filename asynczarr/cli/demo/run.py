"""The demo, step by step: write, stream, check by zarr-python, draw."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np

from ...array import open_group
from ...stream import WriteReport
from ..command import run
from ..memory import PeakMemory
from ..output import seconds, size
from ..progress import Bar
from .globe import BANDS, Globe, Overview
from .source import Mask, find_mask, require

__all__ = ["run_demo"]

BUDGET = 64 * 2**20
"""Bytes of chunks on their way, for writing and for streaming."""

CHUNKS = (60, 40)
"""Chunks along each axis ..."""
SHARDS = (60, 4)
"""... and shards."""


@dataclass(slots=True)
class _Demo:
    mask: Mask
    shape: tuple[int, int]
    out: Path
    quiet: bool
    memory: PeakMemory = field(default_factory=PeakMemory)
    digest: Any = field(default_factory=hashlib.sha256)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        return "globe" if self.mask.every == 1 else f"globe-{self.mask.every}"

    @property
    def store(self) -> Path:
        return self.out / f"{self.stem}.zarr"

    def say(self, text: str = "") -> None:
        if not self.quiet:
            click.echo(text)

    def bar(self, what: str, total: int) -> Bar:
        return Bar(what, total, keep=not self.quiet)


def run_demo(out: Path, every: int, source: Path | None = None, *, quiet: bool = False) -> dict[str, Any]:
    """Run all steps, tell about them on stdout unless `quiet`, and return the measurements as JSON."""
    require("matplotlib", "zarr")
    begin = time.perf_counter()
    mask = Mask(source or find_mask(), every)
    demo = _Demo(mask, mask.shape, out, quiet)
    out.mkdir(parents=True, exist_ok=True)
    _introduce(demo)
    _write(demo)
    globe = _stream(demo)
    _check(demo)
    _draw(demo, globe)
    demo.result["seconds"] = time.perf_counter() - begin
    demo.say(
        f"\nAll of it took {seconds(demo.result['seconds'])}. Look at it, or go on:\n  asynczarr info {demo.store} land"
    )
    return demo.result


def _introduce(demo: _Demo) -> None:
    rows, columns = demo.shape
    demo.result["shape"] = [rows, columns]
    demo.say("Where is land? A map of the Earth in cells of about 1 km, from the package global-land-mask.")
    demo.say(f"{rows:,} x {columns:,} booleans: {size(rows * columns)}, packed into {size(demo.mask.compressed)}.\n")


def _write(demo: _Demo) -> None:
    """Write what comes out of the npz file; a demo that was killed goes on where it was."""
    ledger = demo.out / f"{demo.stem}.ledger"
    resumed = ledger.exists() and demo.store.exists()
    if not resumed:
        ledger.unlink(missing_ok=True)
    coordinates = {name: demo.mask.coordinate(name[:3]) for name in ("latitude", "longitude")}
    begin = time.perf_counter()
    report, stored = run(_write_group(demo, coordinates, ledger, "a" if resumed else "w"))
    elapsed = time.perf_counter() - begin
    ledger.unlink()
    _tell_write(demo, report, elapsed, stored)


async def _write_group(
    demo: _Demo, coordinates: dict[str, Any], ledger: Path, mode: Literal["a", "w"]
) -> tuple[WriteReport, int]:
    """Write a group of the coordinates and the sharded map; the report of the map and its bytes as stored."""
    async with open_group(demo.store, mode=mode, attributes={"title": "Land and water"}) as group:
        for name, values in coordinates.items():
            array = await group.require_array(name, shape=values.shape, dtype="float64", dimension_names=[name])
            await array.write(values)
        land = await group.require_array(
            "land",
            shape=demo.shape,
            dtype="bool",
            chunks=[-(-length // count) for length, count in zip(demo.shape, CHUNKS, strict=True)],
            shards=[-(-length // count) for length, count in zip(demo.shape, SHARDS, strict=True)],
            dimension_names=["latitude", "longitude"],
        )
        with demo.bar("write", land.nbytes) as bar:
            report = await land.write_stream(_told(demo, bar), max_bytes=BUDGET, checkpoint=ledger)
        return report, await land.nbytes_stored()


def _told(demo: _Demo, bar: Bar) -> Iterator[Any]:
    """The rows of the mask, hashed and counted on their way; runs in a worker thread."""
    done = 0
    for region, land in demo.mask.land():
        demo.digest.update(land)
        yield region, land
        done += land.nbytes
        bar.to(done)


def _tell_write(demo: _Demo, report: WriteReport, elapsed: float, stored: int) -> None:
    nbytes = prod(demo.shape)
    demo.result["write"] = {
        "seconds": elapsed,
        "bytes_per_second": nbytes / elapsed,
        "shards": report.written,
        "rewritten": report.rewritten,
        "stored_bytes": stored,
        "peak_memory_growth": demo.memory.growth(),
    }
    there = prod(SHARDS) - report.written
    resumed = f" ({there} were there already)" if there else ""
    demo.say(
        f"{report.written} shards, each written once{resumed}, {size(stored)} in {demo.store}: {seconds(elapsed)}\n"
    )


def _stream(demo: _Demo) -> Globe:
    globe, elapsed, first = run(_overview(demo))
    _tell_stream(demo, globe, elapsed, first)
    return globe


async def _overview(demo: _Demo) -> tuple[Globe, float, float]:
    """Stream the map back, in any order, within a byte budget, into a map small enough to draw.

    Returns:
        The map, seconds until the last chunk, seconds until the first.
    """
    async with open_group(demo.store) as group:
        land = await group.get_array("land")
        overview = Overview((land.shape[0], land.shape[1]))
        begin, first, done = time.perf_counter(), 0.0, 0
        with demo.bar("stream", land.nbytes) as bar:
            async for chunk in land.stream_chunks(max_bytes=BUDGET, ordered=False):
                first = first or time.perf_counter() - begin
                overview.add(chunk.region, chunk.data)
                done += chunk.data.nbytes
                bar.to(done)
        elapsed = time.perf_counter() - begin
        latitude = await group.get_array("latitude")
        return overview.globe(await latitude.read()), elapsed, first


def _tell_stream(demo: _Demo, globe: Globe, elapsed: float, first: float) -> None:
    nbytes = prod(demo.shape)
    bands = {f"{_degrees(south)} to {_degrees(north)}": globe.land(north, south) for north, south in BANDS}
    peak = demo.memory.growth()
    demo.result["stream"] = {
        "seconds": elapsed,
        "bytes_per_second": nbytes / elapsed,
        "first_chunk_seconds": first,
        "peak_memory_growth": peak,
        "budget": BUDGET,
    }
    demo.result["land"] = {"whole": globe.land(), **bands}
    demo.say(
        f"{prod(CHUNKS):,} chunks at {size(nbytes / elapsed)}/s decoded, the first one {seconds(first)} after asking."
    )
    if peak is not None:
        demo.say(
            f"Writing and streaming took at most {size(peak)} more memory than before, for {size(nbytes)} of data.\n"
        )
    for name, share in bands.items():
        demo.say(f"  {name:>13}  {share:6.1%}  {'█' * round(40 * share)}")
    demo.say(f"  {'whole Earth':>13}  {globe.land():6.1%}  of the surface is land\n")


def _degrees(latitude: int) -> str:
    return f"{abs(latitude)}°{'N' if latitude > 0 else 'S' if latitude < 0 else ''}"


def _check(demo: _Demo) -> None:
    """Let zarr-python read everything, slab by slab, and compare its hash with that of the source."""
    import zarr

    begin = time.perf_counter()
    array = zarr.open_array(str(demo.store / "land"), mode="r")
    digest = hashlib.sha256()
    rows = array.chunks[0]
    for start in range(0, array.shape[0], rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data)
    if digest.digest() != demo.digest.digest():
        raise click.ClickException("zarr-python reads other values than were written")
    elapsed = time.perf_counter() - begin
    release = version("zarr")
    demo.result["check"] = {"zarr": release, "sha256": digest.hexdigest(), "seconds": elapsed}
    demo.say(
        f"zarr-python {release} reads the same {array.size:,} values in {seconds(elapsed)}, "
        f"SHA-256 {digest.hexdigest()[:16]}..."
    )


def _draw(demo: _Demo, globe: Globe) -> None:
    from .picture import draw

    begin = time.perf_counter()
    file = demo.out / f"{demo.stem}.png"
    streamed = demo.result["stream"]
    caption = f"{prod(demo.shape):,} cells, streamed from a sharded Zarr store in {seconds(streamed['seconds'])}"
    draw(globe, file, caption)
    elapsed = time.perf_counter() - begin
    demo.result["picture"] = {"file": str(file), "seconds": elapsed, "peak_memory_growth": demo.memory.growth()}
    demo.say(f"The picture is {file}.")
