"""From the arguments of ``create_array`` to the metadata of an array."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any, Literal, Self

from ..codec import ChunkSpec, CodecChain, parse_codecs
from ..codec.v2 import v2_encoding
from ..errors import MetadataError
from ..metadata.chunk_key import ChunkKeyEncoding, DefaultKeys, V2Keys, parse_chunk_key_encoding
from ..metadata.dtypes import DataType
from ..metadata.grid import ChunkGrid
from ..metadata.node import ArrayMetadata, NamedConfig, ZarrFormat
from ..metadata.rectilinear import parse_chunk_shapes
from ..metadata.regular import RegularGrid
from ..metadata.shapes import given_index, given_lengths

__all__ = ["ArraySpec", "Chunks", "array_metadata", "given_attributes"]

CHUNK_BYTES = 2**20
"""Target of ``chunks="auto"``: large enough for compression and requests to pay, small enough to stream."""

Chunks = Literal["auto"] | int | Sequence[int | Sequence[Any]]
_Lengths = int | list[Any]
"""Along one axis: the length of all chunks, or of each, ``[length, count]`` for several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """The arguments of ``create_array``; see there."""

    shape: int | Sequence[int]
    dtype: Any
    chunks: Chunks = "auto"
    shards: int | Sequence[int] | None = None
    codecs: Any = "auto"
    fill_value: Any = None
    zarr_format: ZarrFormat = 3
    dimension_names: Sequence[str | None] | None = None
    chunk_key_encoding: Any = None
    attributes: Mapping[str, Any] | None = None
    order: Literal["C", "F"] = "C"
    filters: Any = None
    compressor: Any = "auto"
    index_location: Literal["start", "end"] = "end"
    index_codecs: Any = None

    @classmethod
    def of(cls, arguments: Any, zarr_format: ZarrFormat) -> Self:
        """What a caller gave by name; `zarr_format` unless that is among it.

        Raises:
            MetadataError: something that ``create_array`` does not take, or no shape or data type.
        """
        if not isinstance(arguments, Mapping):
            raise MetadataError(f"the arguments of create_array are a mapping, not {reprlib.repr(arguments)}")
        cls.check_names(arguments)
        if not arguments.keys() >= {"shape", "dtype"}:
            raise MetadataError("creating an array takes shape= and dtype=")
        return cls(**{"zarr_format": zarr_format, **arguments})

    @classmethod
    def check_names(cls, names: Iterable[Any]) -> None:
        """Raise ``MetadataError`` if ``create_array`` has no such arguments."""
        unknown = set(names) - {field.name for field in fields(cls)}
        if unknown:
            raise MetadataError(f"creating an array takes no {', '.join(sorted(map(str, unknown)))}")


def array_metadata(spec: ArraySpec) -> ArrayMetadata:
    """The metadata that `spec` describes, complete and checked as if it had been read.

    Raises:
        MetadataError: arguments that do not make a valid array.
    """
    shape = given_lengths(spec.shape, "shape")
    if spec.zarr_format not in (2, 3):
        raise MetadataError(f"zarr_format is 2 or 3, not {spec.zarr_format!r}")
    data_type = DataType.from_numpy(spec.dtype, zarr_format=spec.zarr_format)
    shards = None if spec.shards is None else given_lengths(spec.shards, "shards", len(shape))
    chunks = _chunks(spec.chunks, shape, shards, data_type)
    fill = data_type.default_fill() if spec.fill_value is None else data_type.scalar(spec.fill_value)
    encoding = _chunk_keys(spec.chunk_key_encoding, spec.zarr_format)
    if spec.zarr_format == 2:
        return _v2(spec, shape, data_type, chunks, fill, encoding)
    return _v3(spec, shape, data_type, chunks, shards, fill, encoding)


def _v3(
    spec: ArraySpec,
    shape: tuple[int, ...],
    data_type: DataType,
    chunks: tuple[_Lengths, ...],
    shards: tuple[int, ...] | None,
    fill: Any,
    encoding: ChunkKeyEncoding,
) -> ArrayMetadata:
    if spec.filters is not None or spec.compressor != "auto" or spec.order != "C":
        raise MetadataError("order=, filters= and compressor= belong to zarr_format=2; use codecs=")
    regular = tuple(size for size in chunks if isinstance(size, int))
    outer: Sequence[_Lengths] = chunks
    configs = parse_codecs(spec.codecs, ChunkSpec(regular, data_type, fill))
    if shards is not None:
        outer = shards
        if len(regular) != len(chunks):
            raise MetadataError("chunks inside of shards are regular")
        index = parse_codecs(spec.index_codecs or ("bytes", "crc32c"), None)
        configs = (
            NamedConfig(
                "sharding_indexed",
                {
                    "chunk_shape": list(regular),
                    "codecs": [_object(config) for config in configs],
                    "index_codecs": [_object(config) for config in index],
                    "index_location": spec.index_location,
                },
            ),
        )
    grid = _grid(outer, shape)
    first = tuple(axis.size(0) for axis in grid.axes(shape))
    chain = CodecChain.build(configs, ChunkSpec(first, data_type, fill))
    return ArrayMetadata(
        zarr_format=3,
        shape=shape,
        data_type=data_type,
        chunk_grid=grid,
        chunk_key_encoding=encoding,
        fill_value=fill,
        codecs=chain.to_configs(),
        attributes=given_attributes(spec.attributes or {}),
        dimension_names=_dimension_names(spec.dimension_names),
    )


def _v2(
    spec: ArraySpec,
    shape: tuple[int, ...],
    data_type: DataType,
    chunks: tuple[_Lengths, ...],
    fill: Any,
    encoding: ChunkKeyEncoding,
) -> ArrayMetadata:
    if spec.codecs != "auto" or spec.shards is not None or spec.dimension_names is not None:
        raise MetadataError(
            "codecs=, shards= and dimension_names= belong to zarr_format=3; use filters= and compressor="
        )
    sizes = tuple(size for size in chunks if isinstance(size, int))
    if len(sizes) != len(chunks):
        raise MetadataError("a v2 array has a regular chunk grid")
    return ArrayMetadata(
        zarr_format=2,
        shape=shape,
        data_type=data_type,
        chunk_grid=RegularGrid(sizes),
        chunk_key_encoding=encoding,
        fill_value=fill,
        v2=v2_encoding(
            ChunkSpec(sizes, data_type, fill), order=spec.order, filters=spec.filters, compressor=spec.compressor
        ),
        attributes=given_attributes(spec.attributes or {}),
    )


def given_attributes(value: Any) -> dict[str, Any]:
    """Attributes that a caller gave.

    Raises:
        MetadataError: no mapping.
    """
    if not isinstance(value, Mapping):
        raise MetadataError(f"attributes are a mapping of names to JSON, not {reprlib.repr(value)}")
    return dict(value)


def _chunks(
    chunks: Chunks, shape: tuple[int, ...], shards: tuple[int, ...] | None, data_type: DataType
) -> tuple[_Lengths, ...]:
    if isinstance(chunks, str) and chunks == "auto":
        itemsize = data_type.itemsize or 32
        return _auto_chunks(shape, itemsize) if shards is None else _auto_inner_chunks(shards, itemsize)
    try:
        lengths = _lengths(chunks)
    except TypeError as error:
        raise MetadataError(
            f"chunks= is 'auto', an integer, or an integer or list of them an axis, not {reprlib.repr(chunks)}"
        ) from error
    return (lengths,) * len(shape) if isinstance(lengths, int) else tuple(lengths)


def _lengths(value: Any) -> _Lengths:
    try:
        return given_index(value)
    except TypeError:
        if isinstance(value, str | bytes):
            raise
        return [_lengths(item) for item in value]


def _auto_chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Halve the longest axis until a chunk has at most ``CHUNK_BYTES``; axes without elements get the room left."""
    chunks = [max(1, n) for n in shape]
    while prod(chunks) * itemsize > CHUNK_BYTES and max(chunks, default=1) > 1:
        axis = chunks.index(max(chunks))
        chunks[axis] = -(-chunks[axis] // 2)
    growing = [axis for axis, n in enumerate(shape) if n == 0]
    while growing and 2 * prod(chunks) * itemsize <= CHUNK_BYTES:
        chunks[min(growing, key=chunks.__getitem__)] *= 2
    return tuple(chunks)


def _auto_inner_chunks(shards: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Like :func:`_auto_chunks`, but divide by prime factors: inner chunks fill a shard without remainder."""
    chunks = [max(1, n) for n in shards]
    while prod(chunks) * itemsize > CHUNK_BYTES and max(chunks, default=1) > 1:
        axis = chunks.index(max(chunks))
        chunks[axis] //= next((n for n in range(2, 1000) if chunks[axis] % n == 0), chunks[axis])
    return tuple(chunks)


def _dimension_names(value: Any) -> tuple[str | None, ...] | None:
    try:
        return None if value is None else tuple(value)
    except TypeError as error:
        raise MetadataError(f"dimension_names= is a name or None for each axis, not {value!r}") from error


def _grid(sizes: Sequence[_Lengths], shape: tuple[int, ...]) -> ChunkGrid:
    regular = tuple(size for size in sizes if isinstance(size, int))
    if len(regular) == len(sizes):
        return RegularGrid(regular)
    return parse_chunk_shapes(list(sizes), shape)


def _chunk_keys(value: Any, zarr_format: ZarrFormat) -> ChunkKeyEncoding:
    if value is None:
        return DefaultKeys() if zarr_format == 3 else V2Keys()
    if isinstance(value, str) and value in ("/", "."):
        return DefaultKeys(value) if zarr_format == 3 else V2Keys(value)
    return parse_chunk_key_encoding(value)


def _object(config: NamedConfig) -> dict[str, Any]:
    document: dict[str, Any] = {"name": config.name}
    if config.configuration:
        document["configuration"] = dict(config.configuration)
    return document
