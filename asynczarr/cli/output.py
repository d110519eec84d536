"""How results look: sizes and times for people, safe text, tables, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import click
import numpy as np

__all__ = ["dumps", "facts", "jsonable", "print_json", "printable", "seconds", "size", "table"]

_WIDE = 160
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(nbytes: float) -> str:
    """``1536`` as ``1.5 KiB``."""
    value = float(nbytes)
    for unit in _UNITS:
        if abs(value) < 1024 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def seconds(value: float) -> str:
    """``0.0123`` as ``12.3 ms``."""
    return f"{value:.2f} s" if value >= 0.1 else f"{1000 * value:.1f} ms"


def printable(text: str) -> str:
    """`text` with everything escaped that could move the cursor or fake a line: names come from foreign stores."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def jsonable(value: Any) -> Any:
    """`value` without what JSON lacks: NaN and infinities by their names in Zarr, NumPy scalars as Python's."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(name): jsonable(member) for name, member in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [jsonable(member) for member in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def dumps(document: Any, *, indent: int | None = None) -> str:
    """One JSON document as text."""
    return json.dumps(jsonable(document), indent=indent, ensure_ascii=False, allow_nan=False)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    click.echo(dumps(document, indent=2))


def facts(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair a line."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(Text(f"  {name}", style="cyan"), Text(_lines(value)))
    _show(Text(printable(title), style="bold"), grid)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with a line of headings."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(printable(cell)) for cell in row))
    _show(made)


def _show(*things: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDE  # a pipe has no width, and what is cut into lines is hard to grep
    with console.capture() as captured:
        for thing in things:
            console.print(thing)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _lines(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))
