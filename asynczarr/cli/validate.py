"""``asynczarr validate``: read all metadata strictly and every chunk, and report everything that is wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import click

from ..array import Array, Group, NodeOptions
from ..array import open as open_node
from ..errors import AsyncZarrError, KeyInvalid, MetadataError, NotFound
from ..metadata import GroupMetadata, NodeMetadata, v2, v3, validate_path
from ..middleware import open_store
from ..store import Store
from .command import EXIT_FAILED, Command, json_option, path_argument, run, url_argument
from .output import print_json, printable
from .params import concurrency_option, max_bytes_option
from .progress import Bar

__all__ = ["validate"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong.

    Attributes:
        path: path of the node.
        what: ``"metadata"``, ``"consolidated"`` or ``"chunk"``.
        error: type of the error.
        message: what it says.
        key: key of the stored object.
        chunk: coordinates of the chunk.
        codec: the codec that failed.
    """

    path: str
    what: str
    error: str
    message: str
    key: str | None = None
    chunk: tuple[int, ...] | None = None
    codec: str | None = None


@dataclass(slots=True)
class Report:
    """What was read, and what was wrong with it."""

    groups: int = 0
    arrays: int = 0
    chunks: int = 0
    missing: int = 0
    errors: list[Finding] = field(default_factory=list)

    def found(self, path: str, what: str, error: AsyncZarrError, chunk: tuple[int, ...] | None = None) -> None:
        """Note an error. All chunks of a shard may share one."""
        reason = error.reason or str(error)
        self.errors.append(Finding(path, what, type(error).__name__, reason, error.key, chunk, error.codec))


@click.command(cls=Command)
@url_argument
@path_argument
@max_bytes_option
@concurrency_option
@json_option
def validate(url: str, path: str, max_bytes: int, concurrency: int | None, as_json: bool) -> None:
    """Read all metadata strictly and every chunk; exit with 1 if anything is wrong.

    Metadata that breaks the specification but is usually tolerated is an error here. A chunk that is not stored is not.
    """
    report = run(_validate(url, path, {"max_bytes": max_bytes, "concurrency": concurrency}))
    if as_json:
        print_json({"valid": not report.errors, **asdict(report)})
    else:
        for each in report.errors:
            click.echo(printable(_line(each)))
        click.echo(
            f"{len(report.errors):,} errors in {report.groups:,} groups, {report.arrays:,} arrays and "
            f"{report.chunks:,} chunks ({report.missing:,} more are not stored)"
        )
    if report.errors:
        raise click.exceptions.Exit(EXIT_FAILED)


def _line(finding: Finding) -> str:
    place = "".join(f", {name} {value}" for name, value in (("chunk", finding.chunk), ("key", finding.key)) if value)
    return f"/{finding.path}: {finding.what}{place}: {finding.error}: {finding.message}"


async def _validate(url: str, path: str, options: dict[str, Any]) -> Report:
    report = Report()
    store = open_store(url, mode="r")
    try:
        top = await _node(store, path, report)
        if top is None and not report.errors:
            raise NotFound("no Zarr array or group here", store=store.url, key=path)
        nodes = [top] if top is not None else []
        if isinstance(top, Group):
            below = [node async for node in _below(top, report)]
            nodes += below
        for node in nodes:
            if isinstance(node, Array):
                await _chunks(node, report, options)
            else:
                _consolidated(node, nodes, report)
    finally:
        await store.aclose()
    return report


async def _node(store: Store, path: str, report: Report) -> Array | Group | None:
    """Open a node strictly, or else, after noting why not, as tolerantly as possible; ``None`` if there is none."""
    try:
        node: Array | Group = await open_node(store, path, options=NodeOptions(strict=True))
    except NotFound:
        return None
    except AsyncZarrError as error:
        report.found(path, "metadata", error)
        try:
            node = await open_node(store, path)
        except AsyncZarrError:
            return None
    if isinstance(node, Array):
        report.arrays += 1
    else:
        report.groups += 1
    return node


async def _below(group: Group, report: Report) -> AsyncIterator[Array | Group]:
    """All nodes below, found by listing: what consolidated metadata says is to be checked, not believed."""
    prefix = f"{group.path}/" if group.path else ""
    async for name in _folders(group.store, prefix):
        node = await _node(group.store, prefix + name, report)
        if node is not None:
            yield node
        if isinstance(node, Group):
            async for below in _below(node, report):
                yield below


async def _folders(store: Store, prefix: str) -> AsyncIterator[str]:
    for name in sorted([name[:-1] async for name in store.list_dir(prefix) if name.endswith("/")]):
        try:
            validate_path(name)
        except (KeyInvalid, MetadataError):
            continue  # no node can be called so
        yield name


async def _chunks(array: Array, report: Report, options: dict[str, Any]) -> None:
    """Decode every chunk that is stored."""
    chunks = nbytes = 0
    with Bar(array.name[-20:] or "chunks", array.nbytes) as bar:
        async with array.stream_chunks(ordered=False, missing="skip", on_error="skip", **options) as stream:
            async for chunk in stream:
                chunks += 1
                nbytes += chunk.data.nbytes
                bar.to(nbytes)
    report.chunks += chunks
    report.missing += stream.done - chunks - len(stream.failures)
    for failure in stream.failures:
        report.found(array.path, "chunk", failure.error, failure.index)


def _consolidated(group: Group, nodes: list[Array | Group], report: Report) -> None:
    """Compare consolidated metadata with the documents that it repeats."""
    entries = group.metadata.consolidated
    if entries is None:
        return
    prefix = f"{group.path}/" if group.path else ""
    stored = {node.path[len(prefix) :]: node.metadata for node in nodes if node.path.startswith(prefix)}
    stored.pop("", None)  # the group itself, if it is the root
    for path in sorted(entries.keys() | stored.keys()):
        try:
            reason = _difference(entries.get(path), stored.get(path))
        except MetadataError as error:
            report.found(prefix + path, "consolidated", error)
        else:
            if reason:
                report.found(prefix + path, "consolidated", MetadataError(reason))


def _difference(entry: NodeMetadata | None, stored: NodeMetadata | None) -> str:
    if stored is None:
        return "this node is in the consolidated metadata, but it is not stored"
    if entry is None:
        return "this node is not in the consolidated metadata"
    return "" if _document(entry) == _document(stored) else "consolidated metadata differs from that of the node"


def _document(metadata: NodeMetadata) -> str:
    """What is stored of a node, as text: NaN in attributes shall equal itself."""
    if isinstance(metadata, GroupMetadata):
        metadata = replace(metadata, consolidated=None)
    make: Any = v3.to_document if metadata.zarr_format == 3 else v2.to_documents
    return json.dumps(make(metadata), sort_keys=True)
