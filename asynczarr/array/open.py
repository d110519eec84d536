"""``open_array``, ``create_array`` and their like: the way in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, cast

from ..errors import AsyncZarrError, MetadataError, NotFound
from ..metadata.names import validate_path
from ..metadata.node import ArrayMetadata, GroupMetadata, NodeMetadata, ZarrFormat
from ..middleware.opening import open_store
from ..store.base import Store, discard
from ..store.url import Where
from .array import Array
from .create import create_node
from .documents import find
from .group import Group
from .node import NodeOptions, discard_chunks, prefix_of
from .opening import Opening
from .spec import ArraySpec, Chunks, array_metadata, given_attributes
from .trace import call

__all__ = ["Mode", "create_array", "create_group", "open", "open_array", "open_group"]

Mode = Literal["r", "r+", "a", "w", "w-"]
_MODES = ("r", "r+", "a", "w", "w-")
N = TypeVar("N", Array, Group)


def open(  # noqa: A001 - az.open() is the public name
    where: Where,
    path: str = "",
    mode: Literal["r", "r+"] = "r",
    *,
    zarr_format: ZarrFormat | None = None,
    options: NodeOptions | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> Opening[Any]:
    """Open the array or group at a path, whichever it is. Arguments as in :func:`open_array`."""

    async def make() -> Array | Group:
        if mode not in ("r", "r+"):
            raise ValueError(
                f"open() takes mode 'r' or 'r+', not {mode!r}: whether to create an array or a group is open"
            )
        return await _open(where, path, mode, zarr_format, options, store_options, None)

    return Opening(make)


def open_array(
    where: Where,
    path: str = "",
    mode: Mode = "r",
    *,
    zarr_format: ZarrFormat | None = None,
    options: NodeOptions | None = None,
    store_options: Mapping[str, Any] | None = None,
    **create: Any,
) -> Opening[Array]:
    """Open an array: ``arr = await open_array(where)`` or ``async with open_array(where) as arr:``.

    Args:
        where: URL (``file://``, ``memory://``, ``zip://``, ...), path of a folder or zip archive, or a store.
        path: path of the array in the store.
        mode: ``"r"`` reads an existing array, ``"r+"`` also writes it, ``"a"`` creates it if there is none, ``"w"``
            replaces it, ``"w-"`` creates it and fails if it exists.
        zarr_format: 2 or 3; by default whichever is found, v3 first.
        options: see :class:`NodeOptions`.
        store_options: arguments of :func:`open_store`, for a URL or path.
        **create: arguments of :func:`create_array`, for the modes that create.

    Raises:
        NotFound: no node there, in a mode that does not create.
        AlreadyExists: ``mode="w-"`` and a node is there.
        MetadataError: a group is there, or metadata breaks the specification.
    """

    async def make() -> Array:
        def spec() -> NodeMetadata:
            return array_metadata(ArraySpec.of(create, zarr_format or 3))

        if create and mode in ("r", "r+"):
            raise ValueError(f"mode {mode!r} creates nothing, so it takes no {', '.join(create)}")
        return cast("Array", await _open(where, path, mode, zarr_format, options, store_options, spec, Array))

    return Opening(make)


def open_group(
    where: Where,
    path: str = "",
    mode: Mode = "r",
    *,
    zarr_format: ZarrFormat | None = None,
    use_consolidated: bool = True,
    attributes: Mapping[str, Any] | None = None,
    options: NodeOptions | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> Opening[Group]:
    """Open a group; arguments as in :func:`open_array`.

    Args:
        use_consolidated: open nodes below from consolidated metadata, if the group has it.
        attributes: for a group that is created.
    """

    async def make() -> Group:
        def spec() -> NodeMetadata:
            return GroupMetadata(zarr_format=zarr_format or 3, attributes=given_attributes(attributes or {}))

        group = cast("Group", await _open(where, path, mode, zarr_format, options, store_options, spec, Group))
        if not use_consolidated:
            group.forget_consolidated()
        return group

    return Opening(make)


def create_array(
    where: Where,
    path: str = "",
    *,
    shape: int | Sequence[int],
    dtype: Any,
    chunks: Chunks = "auto",
    shards: int | Sequence[int] | None = None,
    codecs: Any = "auto",
    fill_value: Any = None,
    zarr_format: ZarrFormat = 3,
    dimension_names: Sequence[str | None] | None = None,
    chunk_key_encoding: Any = None,
    attributes: Mapping[str, Any] | None = None,
    order: Literal["C", "F"] = "C",
    filters: Any = None,
    compressor: Any = "auto",
    index_location: Literal["start", "end"] = "end",
    index_codecs: Any = None,
    overwrite: bool = False,
    options: NodeOptions | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> Opening[Array]:
    """Create an array and open it for reading and writing; groups above it come into being where there are none.

    Args:
        where: URL, path, or store.
        path: path of the array in the store.
        shape: elements along each axis.
        dtype: NumPy dtype or its name, or the name of a Zarr data type.
        chunks: elements of a chunk along each axis. One integer counts for every axis as it is, also where the axis is
            shorter: it may grow. ``"auto"`` aims at 1 MiB: it cuts long axes, takes an axis without elements for one
            that will grow, which gets what room is left, and divides the shards if there are any. A list instead of a
            number makes the grid rectilinear along that axis (v3).
        shards: elements of a shard along each axis, or one integer for every axis; multiples of the chunks (v3).
        codecs: codec names, configurations or instances (v3); ``"auto"`` is little-endian bytes and zstd.
        fill_value: what elements read as that were never written; by default the data type's zero.
        zarr_format: 3 or 2.
        dimension_names: a name or ``None`` for each axis (v3).
        chunk_key_encoding: separator ``"/"`` or ``"."``, or a v3 configuration.
        attributes: user attributes, JSON.
        order: ``"C"`` or ``"F"``: layout of encoded chunks (v2).
        filters: numcodecs configurations or instances (v2).
        compressor: one of the same, or ``None`` (v2).
        index_location: where a shard has its index, ``"start"`` or ``"end"``.
        index_codecs: codecs of a shard's index; by default bytes and crc32c.
        overwrite: delete what is there, with everything below it.
        options: see :class:`NodeOptions`.
        store_options: arguments of :func:`open_store`, for a URL or path.

    Raises:
        AlreadyExists: a node is there, and not `overwrite`.
        MetadataError: arguments that make no valid array.
    """
    spec = ArraySpec(
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        codecs=codecs,
        fill_value=fill_value,
        zarr_format=zarr_format,
        dimension_names=dimension_names,
        chunk_key_encoding=chunk_key_encoding,
        attributes=attributes,
        order=order,
        filters=filters,
        compressor=compressor,
        index_location=index_location,
        index_codecs=index_codecs,
    )

    async def make() -> Array:
        mode: Mode = "w" if overwrite else "w-"
        made = await _open(where, path, mode, zarr_format, options, store_options, lambda: array_metadata(spec), Array)
        return cast("Array", made)

    return Opening(make)


def create_group(
    where: Where,
    path: str = "",
    *,
    zarr_format: ZarrFormat = 3,
    attributes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    options: NodeOptions | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> Opening[Group]:
    """Create a group and open it for reading and writing; arguments as in :func:`create_array`."""
    return open_group(
        where,
        path,
        "w" if overwrite else "w-",
        zarr_format=zarr_format,
        attributes=attributes,
        options=options,
        store_options=store_options,
    )


async def _open(
    where: Where,
    path: str,
    mode: Mode,
    zarr_format: ZarrFormat | None,
    options: NodeOptions | None,
    store_options: Mapping[str, Any] | None,
    spec: Any,
    kind: type[Array] | type[Group] | None = None,
) -> Array | Group:
    if mode not in _MODES:
        raise ValueError(f"mode is one of {', '.join(_MODES)}, not {mode!r}")
    path = validate_path(path)
    store = open_store(where, mode="r" if mode == "r" else "a", **dict(store_options or {}))
    owns = store is not where
    try:
        with call("open", store, path):
            metadata = await _metadata(store, path, mode, zarr_format, options or NodeOptions(), spec)
        if kind is not None and (kind is Array) != isinstance(metadata, ArrayMetadata):
            found = "an array" if kind is Group else "a group"
            raise MetadataError(f"here is {found}", store=store.url, key=prefix_of(path))
        make: Any = Array if isinstance(metadata, ArrayMetadata) else Group
        node: Array | Group = make(store, path, metadata, read_only=mode == "r", owns_store=owns, options=options)
        return node
    except BaseException:
        if owns:
            await discard(store)
        raise


async def _metadata(
    store: Store, path: str, mode: Mode, zarr_format: ZarrFormat | None, options: NodeOptions, spec: Any
) -> NodeMetadata:
    try:
        if mode in ("r", "r+", "a"):
            loaded = await find(store, path, zarr_format=zarr_format, strict=options.strict)
            if loaded is not None:
                return loaded.metadata
            if mode != "a":
                raise NotFound("no Zarr array or group here", store=store.url, key=prefix_of(path))
        metadata: NodeMetadata = spec()
        await create_node(store, path, metadata, overwrite=mode == "w")
        discard_chunks(store, path, options)
        return metadata
    except AsyncZarrError as error:
        raise error.at(store=store.url, key=prefix_of(path)) from error.__cause__
