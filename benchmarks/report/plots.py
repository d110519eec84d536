"""The plots of the page, as SVG: the same results always make the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ..result import OURS, Results
from ..units import Unit, units_by_name
from ..works.stages_of import STAGES

__all__ = ["write_plots"]

_COLORS = {
    OURS: "#d62728",
    "zarr": "#1f77b4",
    "zarr-fused": "#4fa3d1",
    "zarr-zarrs": "#9467bd",
    "zarrista": "#2ca02c",
    "zarrista-async": "#98df8a",
    "tensorstore": "#ff7f0e",
}
_SIZES = {"4K": 4, "16K": 16, "128K": 128, "1M": 1024}


def write_plots(results: Results, folder: Path) -> dict[str, Path]:
    """Write every plot for which there are results; files by name."""
    mpl.rcParams |= {"svg.hashsalt": "asynczarr", "svg.fonttype": "none"}
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for name, draw in (
        ("ratios", _ratios),
        ("chunk-size", _chunk_size),
        ("concurrency", _concurrency),
        ("chunks", _chunks),
        ("size", _size),
        ("stages", _stages),
    ):
        figure = draw(results, units_by_name())
        if figure is not None:
            made[name] = folder / f"{name}.svg"
            figure.savefig(made[name], metadata={"Date": None})
    return made


def _figure(width: float = 7.5, height: float = 4.0) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _ratios(results: Results, known: dict[str, Unit]) -> Figure | None:
    """One bar a compared unit: how many times as long the fastest peer takes."""
    names = [name for name in results.units() if name in known and known[name].compared]
    found = [(name, value) for name in names if (value := results.ratio(name)) is not None]
    if not found:
        return None
    figure, axes = _figure(8.0, 1.0 + 0.17 * len(found))
    labels, values = zip(*reversed(found), strict=True)
    colors = ["#2ca02c" if value >= 1 else "#d62728" for value in values]
    axes.barh(labels, [value - 1 for value in values], left=1.0, color=colors)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set(xlabel="time of the fastest peer / time of asynczarr", xscale="log")
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(y=0.01)
    return figure


def _chunk_size(results: Results, known: dict[str, Unit]) -> Figure | None:
    """Speed of a whole read by size of the chunks."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for name in results.units():
        unit = known.get(name)
        if unit and unit.work == "read" and unit.compared and unit.codec == "zstd" and unit.store == "file":
            for peer, result in results.of(name).items():
                seconds = result.median()
                if seconds and unit.layout in _SIZES:
                    lines.setdefault(peer, []).append((_SIZES[unit.layout], unit.mebibytes / seconds))
    return _lines(lines, "KiB a chunk", "MiB/s, whole read, zstd", xscale="log", yscale="log")


def _concurrency(results: Results, known: dict[str, Unit]) -> Figure | None:
    """Speed of a whole read by slots."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for name in results.units():
        unit = known.get(name)
        if unit and unit.work == "read" and unit.concurrency and unit.layout == "128K":
            for peer, result in results.of(name).items():
                seconds = result.median()
                if seconds:
                    lines.setdefault(peer, []).append((unit.concurrency, unit.mebibytes / seconds))
    return _lines(lines, "concurrency", "MiB/s, whole read, 128 KiB", xscale="log")


def _chunks(results: Results, known: dict[str, Unit]) -> Figure | None:
    """Microseconds a chunk by number of chunks."""
    words = {"chunks": "stream, chunks of 1 KiB", "cuts": "whole read, array of one size"}
    lines: dict[str, list[tuple[int, float]]] = {}
    for name in results.units():
        unit = known.get(name)
        if unit and unit.work in words:
            cost = results.of(name)[OURS].median("per_chunk")
            if cost:
                lines.setdefault(words[unit.work], []).append((unit.count, 1e6 * cost))
    return _lines(lines, "chunks", "µs a chunk", xscale="log", yscale="log")


def _size(results: Results, known: dict[str, Unit]) -> Figure | None:
    """Peak memory of a stream by size of the array."""
    points = []
    for name in results.units():
        unit = known.get(name)
        if unit and unit.work == "size":
            peak = results.of(name)[OURS].median("peak")
            if peak is not None:
                points.append((unit.mebibytes, peak / 2**20))
    return _lines({"budget 64 MiB": points} if points else {}, "MiB of the array", "peak MiB", xscale="log")


def _stages(results: Results, known: dict[str, Unit]) -> Figure | None:
    """Where the time of one chunk goes."""
    names = [name for name in results.units() if name in known and known[name].work == "stages"]
    if not names:
        return None
    figure, axes = _figure(7.5, 1.0 + 0.4 * len(names))
    labels = [known[name].layout for name in names]
    left = [0.0] * len(names)
    for stage in STAGES:
        widths = [results.of(name)[OURS].median(stage) or 0.0 for name in names]
        total = [sum(results.of(name)[OURS].median(each) or 0.0 for each in STAGES) for name in names]
        shares = [100 * width / (whole or 1) for width, whole in zip(widths, total, strict=True)]
        axes.barh(labels, shares, left=left, label=stage)
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="share of the time of one chunk, %", xlim=(0, 100))
    axes.legend(ncols=len(STAGES), loc="upper center", bbox_to_anchor=(0.5, 1.25), frameon=False)
    return figure


def _lines(lines: dict[str, list[tuple[int, float]]], x: str, y: str, **scales: str) -> Figure | None:
    if not lines:
        return None
    figure, axes = _figure()
    for name, points in lines.items():
        xs, ys = zip(*sorted(points), strict=True)
        width = 2.2 if name == OURS else 1.4
        axes.plot(xs, ys, marker="o", markersize=4, linewidth=width, label=name, color=_COLORS.get(name))
    axes.set(xlabel=x, ylabel=y, **scales)
    axes.set_ylim(bottom=None if scales.get("yscale") == "log" else 0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    return figure
