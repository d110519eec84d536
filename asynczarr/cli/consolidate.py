"""``asynczarr consolidate``: the metadata of a whole hierarchy in one document."""

from __future__ import annotations

import click

from ..array import open_group
from .command import Command, json_option, path_argument, run, url_argument
from .output import print_json

__all__ = ["consolidate"]


@click.command(cls=Command)
@url_argument
@path_argument
@json_option
def consolidate(url: str, path: str, as_json: bool) -> None:
    """Write the metadata of every node below a group into the group's own."""
    store, nodes = run(_consolidate(url, path))
    if as_json:
        print_json({"store": store, "path": path, "nodes": nodes})
    else:
        click.echo(f"consolidated the metadata of {nodes:,} nodes")


async def _consolidate(url: str, path: str) -> tuple[str, int]:
    async with open_group(url, path, "r+") as group:
        await group.consolidate()
        return group.store.url, len(group.metadata.consolidated or {})
