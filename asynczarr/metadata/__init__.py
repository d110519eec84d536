"""Zarr metadata documents to and from typed records. No I/O, no async."""

from __future__ import annotations

from .chunk_key import ChunkKeyEncoding, DefaultKeys, V2Keys, parse_chunk_key_encoding, register_chunk_key_encoding
from .consolidated import build_consolidated, sub_consolidated
from .document import encode_node
from .dtypes import DataType, register_data_type
from .grid import Axis, ChunkGrid, RectilinearGrid, RegularGrid, parse_chunk_grid, register_chunk_grid
from .names import validate_path
from .node import ArrayMetadata, GroupMetadata, NamedConfig, NodeMetadata, V2Encoding, ZarrFormat

__all__ = [
    "ArrayMetadata",
    "Axis",
    "ChunkGrid",
    "ChunkKeyEncoding",
    "DataType",
    "DefaultKeys",
    "GroupMetadata",
    "NamedConfig",
    "NodeMetadata",
    "RectilinearGrid",
    "RegularGrid",
    "V2Encoding",
    "V2Keys",
    "ZarrFormat",
    "build_consolidated",
    "encode_node",
    "parse_chunk_grid",
    "parse_chunk_key_encoding",
    "register_chunk_grid",
    "register_chunk_key_encoding",
    "register_data_type",
    "sub_consolidated",
    "validate_path",
]
