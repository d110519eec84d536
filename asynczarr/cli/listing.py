"""``asynczarr tree`` and ``asynczarr ls``: what a group holds."""

from __future__ import annotations

from typing import Any

import click

from ..array import Array, Group, Tree
from ..array import open as open_node
from .command import Command, json_option, path_argument, run, url_argument
from .describe import brief, shape_text
from .output import print_json, printable, table

__all__ = ["ls", "tree"]


@click.command(cls=Command)
@url_argument
@path_argument
@click.option("--depth", type=click.IntRange(min=1), help="Levels to show; by default all.")
@json_option
def tree(url: str, path: str, depth: int | None, as_json: bool) -> None:
    """Draw the hierarchy below a group."""
    found = run(_tree(url, path, depth))
    if as_json:
        print_json(_nested(found))
    else:
        click.echo("\n".join(printable(line) for line in str(found).split("\n")))


async def _tree(url: str, path: str, depth: int | None) -> Tree:
    async with open_node(url, path) as node:
        if isinstance(node, Group):
            return await node.tree(max_depth=None if depth is None else depth - 1)
        return Tree(node.name, node.metadata)


def _nested(found: Tree) -> dict[str, Any]:
    document = {"name": found.name, **brief(found.metadata)}
    if document["node_type"] == "group":
        document["children"] = [_nested(child) for child in found.children]
    return document


@click.command(cls=Command)
@url_argument
@path_argument
@json_option
def ls(url: str, path: str, as_json: bool) -> None:
    """List the children of a group; of an array, the array itself."""
    found = run(_children(url, path))
    if as_json:
        print_json([{"name": name, **brief(node.metadata)} for name, node in found])
    else:
        table(["name", "type", "shape", "data type"], [_row(name, node) for name, node in found])


async def _children(url: str, path: str) -> list[tuple[str, Array | Group]]:
    async with open_node(url, path) as node:
        if isinstance(node, Array):
            return [(node.name, node)]
        return [child async for child in node.members()]


def _row(name: str, node: Array | Group) -> tuple[str, str, str, str]:
    if isinstance(node, Group):
        return name, "group", "", ""
    return name, "array", shape_text(node.shape), node.metadata.data_type.name
