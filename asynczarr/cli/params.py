"""Values on the command line: sizes, shapes, selections, codecs. Everything is parsed, nothing is evaluated."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from .command import Decorator

__all__ = ["CODECS", "LENGTHS", "SELECTION", "SIZE", "concurrency_option", "max_bytes_option", "select_option"]

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # not generic in click 8.1

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?", re.IGNORECASE | re.ASCII)
_PART = re.compile(r"([+-]?\d+)?(?:(:)([+-]?\d+)?(?::([+-]?\d+)?)?)?", re.ASCII)
_DIGITS = 18
"""Digits of the longest number that is taken: beyond, nothing could be indexed."""


class Size(_ParamType):
    """A number of bytes: ``1048576``, ``64MiB``, ``64M`` (the same), ``1.5 GB`` (powers of 1000)."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Text to bytes."""
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value.strip())
        if not found or len(value) > _DIGITS:
            self.fail(f"{value!r} is not a size such as 64MiB", param, ctx)
        number, unit, binary = found.groups()
        decimal = unit and not binary and value.strip()[-1] in "bB"
        power = " kmgt".index((unit or " ").lower())
        nbytes = int(float(number) * (1000 if decimal else 1024) ** power)
        if nbytes < 1:
            self.fail("at least one byte", param, ctx)
        return nbytes


class Lengths(_ParamType):
    """Elements along each axis: ``100,200``; one number stands for every axis; ``none`` for no such thing."""

    name = "n,n,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...] | None:
        """Text to integers."""
        if isinstance(value, tuple):
            return value
        if value.strip().lower() == "none":
            return None
        parts = [part.strip() for part in value.split(",")]
        if not all(re.fullmatch(rf"\d{{1,{_DIGITS}}}", part, re.ASCII) and int(part) for part in parts):
            self.fail(f"{value!r} is not a list of positive integers such as 100,200", param, ctx)
        return tuple(int(part) for part in parts)


class Selection(_ParamType):
    """A basic NumPy index: integers, slices and an ellipsis, ``0:10,::-2,...,3``."""

    name = "index"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Text to an index."""
        if isinstance(value, tuple):
            return value
        text = value.strip().removeprefix("[").removesuffix("]").strip()
        return tuple(self._part(part.strip(), value, param, ctx) for part in text.split(",")) if text else ()

    def _part(self, part: str, whole: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if part == "...":
            return ...
        part = re.sub(r"\s*:\s*", ":", part)
        found = _PART.fullmatch(part)
        if not part or not found or max(map(len, part.split(":"))) > _DIGITS:
            self.fail(f"{part!r} in {whole!r} is no integer, slice or ellipsis", param, ctx)
        first, colon, second, third = (int(item) if item and item != ":" else item for item in found.groups())
        if colon and third == 0:
            self.fail(f"{part!r}: a step cannot be zero", param, ctx)
        return slice(first, second, third) if colon else first


class Codecs(_ParamType):
    """Names of codecs, ``zstd,crc32c``, or JSON as in the metadata of Zarr v3."""

    name = "codecs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        """Text to a list of names or configurations."""
        if isinstance(value, list):
            return value
        if not value.lstrip().startswith(("[", "{")):
            return [name.strip() for name in value.split(",") if name.strip()]
        try:
            document = json.loads(value)
        except (ValueError, RecursionError) as error:
            self.fail(f"not JSON: {error}", param, ctx)
        return document if isinstance(document, list) else [document]


SIZE = Size()
LENGTHS = Lengths()
SELECTION = Selection()
CODECS = Codecs()

max_bytes_option: Decorator = click.option(
    "--max-bytes",
    type=SIZE,
    default="128MiB",
    show_default=True,
    help="Memory for chunks on their way, e.g. 64MiB.",
)
concurrency_option: Decorator = click.option(
    "--concurrency", type=click.IntRange(min=1), help="Jobs at the same time; by default what suits the store."
)
select_option: Decorator = click.option(
    "--select", type=SELECTION, default="", help="Part of the array, as in NumPy: '0:10,::2,-1'."
)
