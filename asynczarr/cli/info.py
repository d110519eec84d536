"""``asynczarr info``: what metadata says about a node, and what is stored of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import click

from ..array import Array, Group
from ..array import open as open_node
from .command import Command, json_option, path_argument, run, url_argument
from .describe import array_facts, describe, group_facts
from .output import facts, print_json, size

__all__ = ["info"]


@click.command(cls=Command)
@url_argument
@path_argument
@click.option("--stored", is_flag=True, help="Also count the stored chunks or shards and their bytes (lists them).")
@json_option
def info(url: str, path: str, stored: bool, as_json: bool) -> None:
    """Show shape, data type, chunks, codecs and attributes of an array or group."""
    document, title, rows = run(_info(url, path, stored))
    if as_json:
        print_json(document)
    else:
        facts(title, rows)


async def _info(url: str, path: str, stored: bool) -> tuple[dict[str, Any], str, list[tuple[str, str]]]:
    async with open_node(url, path) as node:
        document = describe(node)
        rows = array_facts(node) if isinstance(node, Array) else group_facts(node, await _members(node))
        if stored:
            objects, nbytes = await _stored(node)
            document["stored"] = {"objects": objects, "bytes": nbytes}
            rows.append(("stored", f"{size(nbytes)} in {objects:,} objects"))
        return document, f"{'array' if isinstance(node, Array) else 'group'} /{node.path}", rows


async def _members(group: Group) -> int:
    return len([path async for path, _ in group.members()])


async def _stored(node: Array | Group) -> tuple[int, int]:
    arrays = [node] if isinstance(node, Array) else [each async for each in _arrays(node)]
    return (
        sum([await array.nchunks_stored() for array in arrays]),
        sum([await array.nbytes_stored() for array in arrays]),
    )


async def _arrays(group: Group) -> AsyncIterator[Array]:
    async for _, member in group.members(max_depth=None):
        if isinstance(member, Array):
            yield member
