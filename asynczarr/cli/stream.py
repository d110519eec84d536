"""``asynczarr stream``: take every chunk of an array, and say how fast that was and what was in them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import click

from ..array import open_array
from ..stream import Chunk
from .command import EXIT_FAILED, Command, path_argument, run, url_argument
from .lines import Lines
from .memory import PeakMemory
from .output import dumps, facts, seconds, size
from .params import concurrency_option, max_bytes_option, select_option
from .progress import Bar
from .statistics import Statistics, is_numeric

__all__ = ["stream"]


@dataclass(slots=True)
class Report:
    """What went by.

    Attributes:
        chunks: chunks taken.
        missing: of these, how many are not stored.
        failed: chunks that could not be read.
        elements: elements taken.
        nbytes: their bytes in memory.
        elapsed: seconds from the first request to the last chunk.
        first: seconds until the first chunk was there.
        peak: growth of resident memory, bytes.
        statistics: of the elements, if they are numbers.
    """

    chunks: int = 0
    missing: int = 0
    failed: list[dict[str, Any]] = field(default_factory=list)
    elements: int = 0
    nbytes: int = 0
    elapsed: float = 0.0
    first: float | None = None
    peak: int | None = None
    statistics: Statistics | None = None


@click.command(cls=Command)
@url_argument
@path_argument
@select_option
@max_bytes_option
@concurrency_option
@click.option("--unordered", is_flag=True, help="Take chunks as they are ready.")
@click.option("--skip-errors", is_flag=True, help="Go on after chunks that cannot be read, and list them.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines: one a chunk, at the end a summary.")
def stream(
    url: str,
    path: str,
    select: tuple[Any, ...],
    max_bytes: int,
    concurrency: int | None,
    unordered: bool,
    skip_errors: bool,
    as_json: bool,
) -> None:
    """Read all chunks of an array; show throughput, memory and statistics."""
    options: dict[str, Any] = {
        "max_bytes": max_bytes,
        "concurrency": concurrency,
        "ordered": not unordered,
        "on_error": "skip" if skip_errors else "raise",
    }
    memory = PeakMemory()
    report = run(_stream(url, path, select, options, as_json))
    report.peak = memory.growth()
    if as_json:
        click.echo(dumps(_summary(report)))
    else:
        facts("streamed", _facts(report))
    if report.failed:
        raise click.exceptions.Exit(EXIT_FAILED)


async def _stream(url: str, path: str, select: tuple[Any, ...], options: dict[str, Any], as_json: bool) -> Report:
    report = Report()
    async with open_array(url, path) as array, Lines(as_json) as lines:
        view = array[select]
        numeric = is_numeric(view.dtype)
        report.statistics = Statistics() if numeric else None
        with Bar("stream", view.nbytes) as bar:
            begin = time.perf_counter()
            async with view.stream_chunks(**options) as chunks:
                async for chunk in chunks:
                    if report.first is None:
                        report.first = time.perf_counter() - begin
                    mine = _take(report, chunk) if numeric else None
                    await lines.add(_record(chunk, mine))
                    report.chunks += 1
                    report.missing += chunk.missing
                    report.elements += chunk.data.size
                    report.nbytes += chunk.data.nbytes
                    bar.to(report.nbytes)
            report.elapsed = time.perf_counter() - begin
        report.failed = [{"chunk": each.index, "error": str(each.error)} for each in chunks.failures]
    return report


def _take(report: Report, chunk: Chunk) -> Statistics:
    mine = Statistics()
    if chunk.missing and chunk.data.size:
        mine.add_same(chunk.data.flat[0], chunk.data.size)
    else:
        mine.add(chunk.data)
    if report.statistics is not None:
        report.statistics.merge(mine)
    return mine


def _record(chunk: Chunk, mine: Statistics | None) -> dict[str, Any]:
    return {
        "type": "chunk",
        "index": chunk.index,
        "region": [[part.start, part.stop] for part in chunk.region],
        "missing": chunk.missing,
        "statistics": mine.to_json() if mine else None,
    }


def _summary(report: Report) -> dict[str, Any]:
    return {
        "type": "summary",
        "chunks": report.chunks,
        "missing": report.missing,
        "failed": report.failed,
        "elements": report.elements,
        "bytes": report.nbytes,
        "seconds": report.elapsed,
        "first_chunk_seconds": report.first,
        "bytes_per_second": report.nbytes / report.elapsed if report.elapsed else None,
        "peak_memory_growth": report.peak,
        "statistics": report.statistics.to_json() if report.statistics else None,
    }


def _facts(report: Report) -> list[tuple[str, str]]:
    rows = [
        ("chunks", f"{report.chunks:,}, {report.missing:,} of them not stored"),
        ("elements", f"{report.elements:,} in {size(report.nbytes)}"),
        ("time", seconds(report.elapsed)),
    ]
    if report.first is not None:
        rows.append(("first chunk", f"after {seconds(report.first)}"))
    if report.elapsed:
        rows.append(("throughput", f"{size(report.nbytes / report.elapsed)}/s decoded"))
    if report.peak is not None:
        rows.append(("memory", f"at most {size(report.peak)} more than before"))
    found = report.statistics
    if found is not None:
        numbers = {"min": found.minimum, "max": found.maximum, "mean": found.mean}
        rows += [(name, str(value)) for name, value in numbers.items() if value is not None]
        rows += [("NaN", f"{found.nan:,}")] if found.nan else []
    rows += [("failed", f"chunk {each['chunk']}: {each['error']}") for each in report.failed]
    return rows
