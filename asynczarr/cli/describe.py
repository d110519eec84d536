"""Nodes in words, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from ..array import Array, Group
from ..metadata.extension import extension_document
from ..metadata.node import ArrayMetadata, NamedConfig, NodeMetadata
from .output import dumps, size

__all__ = ["array_facts", "brief", "codec_text", "describe", "group_facts", "shape_text"]


def describe(node: Array | Group) -> dict[str, Any]:
    """Everything that metadata says about a node, as JSON."""
    common = {"store": node.store.url, "path": node.path, **brief(node.metadata)}
    if isinstance(node, Group):
        return common | {"consolidated": node.metadata.consolidated is not None, "attributes": dict(node.attrs)}
    meta = node.metadata
    return common | {
        "dimension_names": meta.dimension_names,
        "chunks": node.chunks,
        "shards": node.shards,
        "nchunks": node.nchunks,
        "nbytes": node.nbytes,
        "fill_value": meta.data_type.fill_to_json(meta.fill_value, zarr_format=meta.zarr_format),
        "chunk_grid": meta.chunk_grid.to_json(),
        "chunk_key_encoding": meta.chunk_key_encoding.to_json(),
        "codecs": [extension_document(codec) for codec in node.codecs],
        "attributes": dict(node.attrs),
    }


def brief(metadata: NodeMetadata) -> dict[str, Any]:
    """Format, kind, and for arrays shape and data type, as JSON."""
    if not isinstance(metadata, ArrayMetadata):
        return {"zarr_format": metadata.zarr_format, "node_type": "group"}
    data_type = metadata.data_type
    return {
        "zarr_format": metadata.zarr_format,
        "node_type": "array",
        "shape": metadata.shape,
        "data_type": data_type.to_v3() if metadata.zarr_format == 3 else data_type.to_v2(),
    }


def array_facts(array: Array) -> list[tuple[str, str]]:
    """Lines about an array: names and values."""
    meta = array.metadata
    rows = [
        ("store", array.store.url),
        ("format", f"Zarr v{meta.zarr_format}"),
        ("shape", shape_text(array.shape, meta.dimension_names)),
        ("data type", meta.data_type.name if meta.zarr_format == 3 else f"{meta.data_type.name} ({array.dtype.str})"),
        ("size", f"{size(array.nbytes)} in {array.size:,} elements"),
        ("chunks", _chunk_text(array)),
    ]
    if array.shards is not None:
        count = prod(axis.nchunks for axis in array.stored.axes)
        each = size(prod(array.shards) * array.stored.item_bytes)
        rows.append(("shards", f"{shape_text(array.shards)}: {count:,} of {each}"))
    fill = meta.data_type.fill_to_json(meta.fill_value, zarr_format=meta.zarr_format)
    return [
        *rows,
        ("codecs", " -> ".join(codec_text(codec) for codec in array.codecs)),
        ("fill value", dumps(fill)),
        ("chunk keys", dumps(meta.chunk_key_encoding.to_json())),
        *attribute_facts(array.attrs),
    ]


def group_facts(group: Group, members: int) -> list[tuple[str, str]]:
    """Lines about a group that has `members` children."""
    consolidated = group.metadata.consolidated
    return [
        ("store", group.store.url),
        ("format", f"Zarr v{group.zarr_format}"),
        ("members", f"{members:,}"),
        ("consolidated", "no" if consolidated is None else f"{len(consolidated):,} nodes"),
        *attribute_facts(group.attrs),
    ]


def attribute_facts(attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """One line an attribute; the first one says what they are."""
    lines = [f"{name} = {dumps(value)}" for name, value in attributes.items()]
    return [("attributes" if not number else "", line) for number, line in enumerate(lines)]


def shape_text(shape: tuple[int, ...], names: tuple[str | None, ...] | None = None) -> str:
    """``(10, 20)`` as ``10 x 20``, with names of the axes if there are any."""
    if not shape:
        return "scalar"
    if names is None:
        return " x ".join(str(length) for length in shape)
    return " x ".join(f"{name}={length}" if name else str(length) for length, name in zip(shape, names, strict=True))


def codec_text(codec: NamedConfig) -> str:
    """A codec in one line: ``zstd(level=3)``; of a shard also the codecs inside: ``sharding_indexed[bytes, ...]``."""
    if codec.name == "sharding_indexed":
        inner = (_named(document) for document in codec.configuration["codecs"])
        return f"{codec.name}[{' -> '.join(codec_text(each) for each in inner)}]"
    options = ", ".join(
        f"{name}={value if isinstance(value, str) else dumps(value)}" for name, value in codec.configuration.items()
    )
    return f"{codec.name}({options})" if options else codec.name


def _named(document: Any) -> NamedConfig:
    if isinstance(document, str):
        return NamedConfig(document)
    return NamedConfig(document["name"], document.get("configuration", {}))


def _chunk_text(array: Array) -> str:
    edges = {axis.size(n) for axis in array.stored.chunk_axes for n in (0, max(0, axis.nchunks - 1))}
    if len(edges) > len(set(array.chunks)):
        return f"{array.nchunks:,} of different shapes, the first {shape_text(array.chunks)}"
    return f"{shape_text(array.chunks)}: {array.nchunks:,} of {size(array.stored.chunk_bytes)}"
