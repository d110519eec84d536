"""``asynczarr cat``: the values themselves, in C order, in bounded memory however many they are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from ..array import View, open_array
from ..codec import pool
from .command import Command, path_argument, run, url_argument
from .formats import FORMATS, Format
from .params import select_option

__all__ = ["cat"]

BLOCK_BYTES = 32 * 2**20
"""Elements that are read, converted and written at a time."""


@click.command(cls=Command)
@url_argument
@path_argument
@select_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="text: a line for each row; npy: a file for numpy.load; raw: little-endian bytes; json: nested lists.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: stdout.")
def cat(url: str, path: str, select: tuple[Any, ...], kind: str, as_json: bool, output: Path | None) -> None:
    """Print or save the values of an array, or of a part of it."""
    kind = "json" if as_json else kind
    if output is None and FORMATS[kind].binary and sys.stdout.isatty():
        raise click.UsageError(f"{kind} is no text for a terminal: give --output FILE, or pipe it")
    with _sink(output) as sink:
        run(_cat(url, path, select, FORMATS[kind], sink))


async def _cat(url: str, path: str, select: tuple[Any, ...], kind: type[Format], sink: IO[bytes]) -> None:
    async with open_array(url, path) as array:
        view = array[select]
        form = kind(array.metadata.data_type, view.shape, zarr_format=array.zarr_format)
        await pool.run(sink.write, form.begin())
        for part in _blocks(view, BLOCK_BYTES // array.stored.item_bytes):
            values = await part.read()
            await pool.run(_write, sink, form, values.reshape(-1))
        await pool.run(sink.write, form.end())


def _write(sink: IO[bytes], form: Format, values: Any) -> None:
    for piece in form.encode(values):
        sink.write(piece)


def _blocks(view: View, limit: int) -> Iterator[View]:
    """Cut a view, in C order, into parts of at most `limit` elements."""
    if view.size == 0:
        return
    if view.size <= max(1, limit):
        yield view
        return
    rows = limit // (view.size // len(view))
    if rows == 0:
        for number in range(len(view)):
            yield from _blocks(view[number], limit)
        return
    for start in range(0, len(view), rows):
        yield view[start : start + rows]


@contextmanager
def _sink(output: Path | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that takes its name only when it is complete."""
    if output is None:
        with click.open_file("-", "wb") as stdout:
            yield stdout
        return
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
