"""Typed records of array and group metadata, the same for Zarr v2 and v3.

The documents they are read from and written to are the business of ``v2.py`` and ``v3.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from .chunk_key import ChunkKeyEncoding
    from .dtypes import DataType
    from .grid import ChunkGrid

__all__ = ["ArrayMetadata", "GroupMetadata", "NamedConfig", "NodeMetadata", "V2Encoding", "ZarrFormat"]

ZarrFormat: TypeAlias = Literal[2, 3]


@dataclass(frozen=True, slots=True)
class NamedConfig:
    """An extension in a v3 document, ``{"name": ..., "configuration": {...}}`` (specification v3, "Extensions")."""

    name: str
    configuration: Mapping[str, Any] = field(default_factory=dict)
    must_understand: bool = True


@dataclass(frozen=True, slots=True)
class V2Encoding:
    """How a v2 array encodes its chunks, in the words of ``.zarray`` (v2 specification, "Arrays").

    Attributes:
        order: ``"C"`` or ``"F"``, the memory order of an encoded chunk.
        filters: numcodecs configurations, first applied first; never empty (``None`` instead).
        compressor: numcodecs configuration or ``None``.
    """

    order: Literal["C", "F"] = "C"
    filters: tuple[Mapping[str, Any], ...] | None = None
    compressor: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayMetadata:
    """All that is needed to read and write the chunks of an array.

    Attributes:
        zarr_format: 2 or 3.
        shape: elements along each axis.
        data_type: the Zarr data type and its NumPy counterpart.
        chunk_grid: how the array is cut into chunks (with sharding: into shards).
        chunk_key_encoding: chunk coordinates to keys.
        fill_value: scalar of ``data_type.numpy`` for elements that were never written; ``None`` only for the null of
            v2, which reads as the data type's zero.
        codecs: the v3 codec chain as in the document; empty for v2.
        v2: the v2 encoding; ``None`` for v3.
        attributes: user attributes.
        dimension_names: one name or ``None`` an axis, or ``None`` for no names at all.
        storage_transformers: as in the document (each one with ``must_understand: false``, others are refused).
        extra: unknown top-level members that may be ignored, kept for rewriting.
    """

    zarr_format: ZarrFormat
    shape: tuple[int, ...]
    data_type: DataType
    chunk_grid: ChunkGrid
    chunk_key_encoding: ChunkKeyEncoding
    fill_value: Any
    codecs: tuple[NamedConfig, ...] = ()
    v2: V2Encoding | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    dimension_names: tuple[str | None, ...] | None = None
    storage_transformers: tuple[NamedConfig, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fill(self) -> Any:
        """The scalar that missing elements read as, never ``None`` unless that is a value of the data type."""
        return self.data_type.default_fill() if self.fill_value is None else self.fill_value


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMetadata:
    """Metadata of a group.

    Attributes:
        zarr_format: 2 or 3.
        attributes: user attributes.
        consolidated: metadata of every node below, by relative path; ``None`` if the group has no consolidated
            metadata.
        extra: unknown top-level members that may be ignored, kept for rewriting.
    """

    zarr_format: ZarrFormat
    attributes: Mapping[str, Any] = field(default_factory=dict)
    consolidated: Mapping[str, NodeMetadata] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


NodeMetadata: TypeAlias = ArrayMetadata | GroupMetadata
