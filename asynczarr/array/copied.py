"""The metadata of a copied array: the words of one Zarr format in those of another, with changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..codec.convert import to_v2, to_v3
from ..metadata.dtypes import DataType
from ..metadata.node import ArrayMetadata, NamedConfig, NodeMetadata, ZarrFormat
from ..metadata.rectilinear import RectilinearGrid
from .array import Array
from .spec import ArraySpec, array_metadata

__all__ = ["copied_metadata", "same_objects"]


def copied_metadata(array: Array, zarr_format: ZarrFormat, changes: Mapping[str, Any]) -> ArrayMetadata:
    """Metadata of a copy: the source's own, with the changes, in the words of `zarr_format`.

    Raises:
        MetadataError: something that `zarr_format` has no words for.
    """
    old = array.metadata
    if zarr_format == old.zarr_format and not changes:
        return old
    spec: dict[str, Any] = {
        "shape": old.shape,
        "dtype": old.data_type if zarr_format == 2 else DataType.from_v3(old.data_type.to_v3()),
        "chunks": _chunks(array),
        "fill_value": old.fill,
        "attributes": old.attributes,
        "zarr_format": zarr_format,
    }
    spec |= _v3_words(array) if zarr_format == 3 else _v2_words(array)
    if "chunks" in changes and "shards" not in changes:
        for word in ("shards", "index_codecs", "index_location"):  # old shards need not fit new chunks
            spec.pop(word, None)
    return array_metadata(ArraySpec.of({**spec, **changes}, zarr_format))


def same_objects(old: NodeMetadata, new: ArrayMetadata) -> bool:
    """Whether stored objects of one array are valid as those of the other."""
    return (
        isinstance(old, ArrayMetadata)
        and old.zarr_format == new.zarr_format
        and old.shape == new.shape
        and old.data_type == new.data_type
        and old.chunk_grid == new.chunk_grid
        and old.codecs == new.codecs
        and old.v2 == new.v2
    )


def _chunks(array: Array) -> Any:
    grid = array.metadata.chunk_grid
    return grid.to_json()["configuration"]["chunk_shapes"] if isinstance(grid, RectilinearGrid) else array.chunks


def _v3_words(array: Array) -> dict[str, Any]:
    old = array.metadata
    if old.v2 is not None:
        return {"codecs": to_v3(old.v2, old.data_type.itemsize or 1)}
    words: dict[str, Any] = {
        "dimension_names": old.dimension_names,
        "chunk_key_encoding": old.chunk_key_encoding.to_json(),
    }
    if array.shards is None:
        return words | {"codecs": old.codecs}
    sharding = old.codecs[-1].configuration
    return words | {
        "shards": array.shards,
        "codecs": [*old.codecs[:-1], *sharding["codecs"]],
        "index_codecs": sharding["index_codecs"],
        "index_location": sharding.get("index_location", "end"),
    }


def _v2_words(array: Array) -> dict[str, Any]:
    old = array.metadata
    if old.v2 is not None:
        return {"filters": old.v2.filters, "compressor": old.v2.compressor, "order": old.v2.order}
    inner = old.codecs if array.shards is None else _v3_words(array)["codecs"]
    configs = [config if isinstance(config, NamedConfig) else NamedConfig(**_named(config)) for config in inner]
    filters, compressor = to_v2(configs)
    return {"filters": filters or None, "compressor": compressor}


def _named(document: Any) -> dict[str, Any]:
    if isinstance(document, str):
        return {"name": document}
    return {"name": document["name"], "configuration": document.get("configuration", {})}
