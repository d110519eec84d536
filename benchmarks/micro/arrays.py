"""What the micro-benchmarks work on."""

from __future__ import annotations

import json

from asynczarr import MemoryStore
from asynczarr.array.node import NodeOptions, stored_array
from asynczarr.metadata.node import ArrayMetadata
from asynczarr.metadata.v3 import parse_node
from asynczarr.stream.stored import StoredArray

from ..layout import Grid, document

__all__ = ["metadata_of", "stored_of", "text_of"]


def text_of(grid: Grid, codec: str = "zstd") -> bytes:
    """The ``zarr.json`` of an array."""
    return json.dumps(document(grid, codec)).encode()


def metadata_of(grid: Grid, codec: str = "zstd") -> ArrayMetadata:
    """The metadata record of an array."""
    metadata = parse_node(text_of(grid, codec), "zarr.json")
    assert isinstance(metadata, ArrayMetadata)
    return metadata


def stored_of(layout: str, mebibytes: int) -> StoredArray:
    """An array as the engine sees it."""
    return stored_array(MemoryStore(), "", metadata_of(Grid.of(layout, mebibytes)), NodeOptions())
