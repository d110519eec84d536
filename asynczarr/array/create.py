"""Make nodes: metadata from the arguments of ``create_array``, and parents where they are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from ..codec import ChunkSpec, CodecChain, parse_codecs
from ..codec.v2 import v2_encoding
from ..errors import AlreadyExists, MetadataError
from ..metadata.chunk_key import ChunkKeyEncoding, DefaultKeys, V2Keys, parse_chunk_key_encoding
from ..metadata.document import encode_node
from ..metadata.dtypes import DataType
from ..metadata.grid import ChunkGrid
from ..metadata.names import validate_path
from ..metadata.node import ArrayMetadata, GroupMetadata, NamedConfig, NodeMetadata, ZarrFormat
from ..metadata.rectilinear import parse_chunk_shapes
from ..metadata.regular import RegularGrid
from ..store.base import Store
from .consolidated import parents_of, refresh_parents
from .documents import find, save
from .node import prefix_of
from .trace import call

__all__ = ["ArraySpec", "array_metadata", "create_node", "delete_node", "make_parents"]

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


def array_metadata(spec: ArraySpec) -> ArrayMetadata:
    """The metadata that `spec` describes, complete and checked as if it had been read.

    Raises:
        MetadataError: arguments that do not make a valid array.
    """
    shape = _ints("shape", spec.shape)
    if spec.zarr_format not in (2, 3):
        raise MetadataError(f"zarr_format is 2 or 3, not {spec.zarr_format!r}")
    data_type = DataType.from_numpy(spec.dtype, zarr_format=spec.zarr_format)
    chunks = _chunks(spec.chunks, shape, data_type)
    fill = data_type.default_fill() if spec.fill_value is None else data_type.scalar(spec.fill_value)
    encoding = _chunk_keys(spec.chunk_key_encoding, spec.zarr_format)
    make = _v2 if spec.zarr_format == 2 else _v3
    return make(spec, shape, data_type, chunks, fill, encoding)


def _v3(
    spec: ArraySpec,
    shape: tuple[int, ...],
    data_type: DataType,
    chunks: tuple[_Lengths, ...],
    fill: Any,
    encoding: ChunkKeyEncoding,
) -> ArrayMetadata:
    if spec.filters is not None or spec.compressor != "auto" or spec.order != "C":
        raise MetadataError("order=, filters= and compressor= belong to zarr_format=2; use codecs=")
    regular = tuple(size for size in chunks if isinstance(size, int))
    outer: Sequence[_Lengths] = chunks
    configs = parse_codecs(spec.codecs, ChunkSpec(regular, data_type, fill))
    if spec.shards is not None:
        outer = _ints("shards", spec.shards)
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
    names = None if spec.dimension_names is None else tuple(spec.dimension_names)
    return ArrayMetadata(
        zarr_format=3,
        shape=shape,
        data_type=data_type,
        chunk_grid=grid,
        chunk_key_encoding=encoding,
        fill_value=fill,
        codecs=chain.to_configs(),
        attributes=dict(spec.attributes or {}),
        dimension_names=names,
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
        attributes=dict(spec.attributes or {}),
    )


async def create_node(store: Store, path: str, metadata: NodeMetadata, *, overwrite: bool) -> None:
    """Write a new node, and groups above it where there are none.

    Raises:
        AlreadyExists: a node is there, and not `overwrite`.
        MetadataError: a node above is an array.
        KeyInvalid: not a path.
    """
    path = validate_path(path)
    encode_node(metadata)  # fails before anything is touched
    with call("create", store, path):
        await make_parents(store, path, metadata.zarr_format)
        if overwrite:
            await delete_node(store, path)
        elif await find(store, path) is not None:
            raise AlreadyExists("a node is here already", store=store.url, key=prefix_of(path))
        await save(store, path, metadata, old=None)
        await refresh_parents(store, {path: metadata}, gone=[path] if overwrite else ())


async def make_parents(store: Store, path: str, zarr_format: ZarrFormat) -> None:
    """Create the groups above `path` that do not exist: v3 has no implicit groups."""
    missing = []
    for parent in parents_of(path):
        loaded = await find(store, parent)
        if loaded is None:
            missing.append(parent)
        elif isinstance(loaded.metadata, ArrayMetadata):
            raise MetadataError("an array cannot hold other nodes", store=store.url, key=prefix_of(parent))
    for parent in reversed(missing):
        group = GroupMetadata(zarr_format=zarr_format)
        try:
            await save(store, parent, group, old=None)
        except AlreadyExists:
            continue  # somebody else made it meanwhile
        await refresh_parents(store, {parent: group})


async def delete_node(store: Store, path: str) -> None:
    """Remove a node with everything below it, metadata first, so that a crash leaves nothing half readable."""
    prefix = prefix_of(path)
    await store.delete_many([prefix + name for name in ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")])
    page: list[str] = []
    async for key in store.list(prefix):
        page.append(key)
        if len(page) == 1000:
            await store.delete_many(page)
            page = []
    await store.delete_many(page)


def _chunks(chunks: Chunks, shape: tuple[int, ...], data_type: DataType) -> tuple[_Lengths, ...]:
    if chunks == "auto":
        return _auto_chunks(shape, data_type.itemsize or 32)
    if isinstance(chunks, int):
        return tuple(min(chunks, n) if n else chunks for n in shape) if chunks > 0 else (chunks,) * len(shape)
    return tuple(size if isinstance(size, int) else list(size) for size in chunks)


def _auto_chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Halve the longest axis until a chunk has at most about ``CHUNK_BYTES``."""
    chunks = [max(1, n) for n in shape]
    while prod(chunks) * itemsize > CHUNK_BYTES and max(chunks) > 1:
        axis = chunks.index(max(chunks))
        chunks[axis] = -(-chunks[axis] // 2)
    return tuple(chunks)


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


def _ints(what: str, value: int | Sequence[int]) -> tuple[int, ...]:
    items = (value,) if isinstance(value, int) else tuple(value)
    try:
        return tuple(int(n.__index__()) for n in items)
    except (AttributeError, TypeError) as error:
        raise MetadataError(f"{what} is made of integers, not {value!r}") from error


def _object(config: NamedConfig) -> dict[str, Any]:
    document: dict[str, Any] = {"name": config.name}
    if config.configuration:
        document["configuration"] = dict(config.configuration)
    return document
