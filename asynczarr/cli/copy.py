"""``asynczarr copy``: to another place, chunk grid, codec chain or Zarr format."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any, cast

import click

from ..array import Array, CopyReport
from ..array import copy as copy_node
from ..array import open as open_node
from ..metadata import ZarrFormat
from .command import Command, json_option, run
from .output import print_json, seconds, size
from .params import CODECS, LENGTHS, max_bytes_option
from .progress import Bar

__all__ = ["copy"]


@click.command(cls=Command)
@click.argument("source")
@click.argument("target")
@click.option("--source-path", default="", help="Path of the node in SOURCE.")
@click.option("--path", default="", help="Path of the copy in TARGET.")
@click.option("--chunks", type=LENGTHS, help="Chunk shape of the copied arrays.")
@click.option("--shards", type=LENGTHS, help="Shard shape of the copied arrays; 'none' for no shards.")
@click.option("--codecs", type=CODECS, help="Codecs (v3): 'zstd,crc32c' or JSON as in the metadata.")
@click.option("--zarr-format", type=click.Choice(["2", "3"]), help="Format of the copy.")
@click.option("--overwrite", is_flag=True, help="Delete what is at the target.")
@click.option("--concurrency", type=click.IntRange(min=1), default=4, show_default=True, help="Objects being made.")
@max_bytes_option
@json_option
@click.pass_context
def copy(ctx: click.Context, /, source: str, target: str, as_json: bool, **given: Any) -> None:
    """Copy an array, or a group with everything below it.

    Stored objects are copied as they are where nothing about them changes, and made anew otherwise.
    """
    typed = {name: value for name, value in given.items() if _is_given(ctx, name)}
    changes: dict[str, Any] = {name: typed[name] for name in ("shards", "codecs") if name in typed}
    if "chunks" in typed:
        if typed["chunks"] is None:
            raise click.BadParameter("an array has chunks", ctx, param_hint="--chunks")
        changes["chunks"] = typed["chunks"][0] if len(typed["chunks"]) == 1 else typed["chunks"]
    begin = time.perf_counter()
    report = run(_copy(source, target, given, changes))
    elapsed = time.perf_counter() - begin
    if as_json:
        print_json(asdict(report) | {"seconds": elapsed})
    else:
        click.echo(
            f"copied {report.arrays:,} arrays and {report.groups:,} groups, {size(report.nbytes)} "
            f"in {seconds(elapsed)}: {report.objects:,} objects, {report.recoded:,} of them made anew"
        )


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


async def _copy(source: str, target: str, given: dict[str, Any], changes: dict[str, Any]) -> CopyReport:
    async with open_node(source, given["source_path"].strip("/")) as node:
        if isinstance(node, Array):
            total = node.nbytes
        else:
            members = node.members(max_depth=None)
            total = sum([member.nbytes async for _, member in members if isinstance(member, Array)])
        with Bar("copy", total) as bar:
            return await copy_node(
                node,
                target,
                given["path"].strip("/"),
                overwrite=given["overwrite"],
                zarr_format=cast("ZarrFormat | None", given["zarr_format"] and int(given["zarr_format"])),
                concurrency=given["concurrency"],
                max_bytes=given["max_bytes"],
                progress=lambda report: bar.to(report.nbytes),
                **changes,
            )
