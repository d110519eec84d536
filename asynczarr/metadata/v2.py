"""``.zarray``, ``.zgroup``, ``.zattrs`` and ``.zmetadata`` to and from records (v2 specification).

Unknown members are ignored and not written again, as the specification asks. What is read may deviate in these ways,
unless ``strict=True``; strict then raises ``MetadataError``:

===========================================================  ========================================================
document                                                     read as
===========================================================  ========================================================
the literals ``NaN``, ``Infinity``                           floats (in attributes they cannot be written again)
``<`` or ``>`` on dtypes of one byte, ``S`` and ``V``        ``|``
fill value 0 for text, bytes and structs                     empty, or zeros
fill value 0 or 1 for ``bool``                               false, true
integer fill value ``1.0``                                   1
float fill value ``"1.5"`` or ``"+Infinity"``                the number
finite float fill value beyond the type's largest            infinity
complex fill value as one number                             its real part
``chunks`` with ``true``; with 0 or ``false`` along an axis  1
of length 0
``dimension_separator: null``                                ``.``
``filters: []``, or no ``filters`` at all                    null
no ``compressor`` or no ``fill_value``                       null
``O`` whose object codec is not the first filter             decided by the first object codec
bad keys in ``.zmetadata``, attributes without a node        left out
bad document in ``.zmetadata``                               an error when that node is asked for
===========================================================  ========================================================

``pickle`` is refused in either mode wherever it stands: loading it runs code that the file names.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, Literal

from ..errors import MetadataError, UnknownExtension
from ..types import BytesLike
from .chunk_key import V2Keys
from .consolidated import Entries
from .dtypes import OBJECT_CODECS, DataType
from .json import loads
from .names import validate_path
from .node import ArrayMetadata, GroupMetadata, NodeMetadata, V2Encoding
from .regular import RegularGrid, parse_chunk_shape
from .shapes import check_chunk_size, parse_shape

__all__ = ["parse_array", "parse_consolidated", "parse_group", "to_documents"]

_REQUIRED = {"shape", "chunks", "dtype", "compressor", "fill_value", "order", "filters"}
_NULLABLE = {"compressor", "fill_value", "filters"}


def parse_array(zarray: BytesLike, zattrs: BytesLike | None, key: str, *, strict: bool = False) -> ArrayMetadata:
    """Read an array. `key` is the key of its ``.zarray``; `zattrs` is ``None`` if there is no ``.zattrs``.

    Raises:
        UnknownExtension: ``pickle``.
        MetadataError: anything else that is wrong with the documents. Both name the key.
    """
    document = loads(zarray, key=key, nan=not strict)
    attributes = _attributes(zattrs, key, strict)
    try:
        return _array(document, attributes, strict)
    except MetadataError as error:
        error.at(key=key)
        raise


def parse_group(zgroup: BytesLike, zattrs: BytesLike | None, key: str, *, strict: bool = False) -> GroupMetadata:
    """Read a group. `key` is the key of its ``.zgroup``; `zattrs` is ``None`` if there is no ``.zattrs``.

    Raises:
        MetadataError: what is wrong with the documents; it names the key.
    """
    document = loads(zgroup, key=key, nan=not strict)
    attributes = _attributes(zattrs, key, strict)
    try:
        return _group(document, attributes, strict)
    except MetadataError as error:
        error.at(key=key)
        raise


def parse_consolidated(zmetadata: BytesLike, key: str, *, strict: bool = False) -> GroupMetadata:
    """Read the root group of a ``.zmetadata``, with all nodes below it as its consolidated metadata.

    Raises:
        MetadataError: what is wrong with the document or with the root; it names `key`.
    """
    document = loads(zmetadata, key=key, nan=not strict)
    members = document.get("metadata")
    if type(document.get("zarr_consolidated_format")) is not int or document["zarr_consolidated_format"] != 1:
        raise MetadataError("zarr_consolidated_format must be 1", key=key)
    if not isinstance(members, dict):
        raise MetadataError("consolidated metadata: an object 'metadata' expected", key=key)
    nodes: dict[str, dict[str, Any]] = {}
    for name, member in members.items():
        path, _, file = name.rpartition("/")
        if file in (".zarray", ".zgroup", ".zattrs"):
            nodes.setdefault(path if name != f"/{file}" else "/", {})[file] = member
        elif strict:
            raise MetadataError(f"consolidated metadata: not a key of a document: {reprlib.repr(name)}", key=key)
    root = nodes.pop("", {})
    if not strict:
        nodes = {path: files for path, files in nodes.items() if files.keys() - {".zattrs"}}
    try:
        node = _parse_files(root, strict=strict)
        if not isinstance(node, GroupMetadata):
            raise MetadataError("consolidated metadata of a node that is no group")
        entries = Entries.of(nodes, parse=_parse_files, valid=_is_path, strict=strict)
    except MetadataError as error:
        error.at(key=key)
        raise
    return GroupMetadata(zarr_format=2, attributes=node.attributes, consolidated=entries)


def to_documents(meta: NodeMetadata) -> dict[str, dict[str, Any]]:
    """Write the documents of a node by file name: ``.zarray`` or ``.zgroup``, ``.zattrs``, and ``.zmetadata`` if there
    is consolidated metadata.

    Raises:
        MetadataError: the record has something that v2 cannot express.
    """
    documents = _own_documents(meta)
    if isinstance(meta, GroupMetadata) and meta.consolidated is not None:
        members = dict(documents)
        for path, files in _entries_documents(meta.consolidated).items():
            members |= {f"{path}/{file}": document for file, document in files.items()}
        documents[".zmetadata"] = {"metadata": members, "zarr_consolidated_format": 1}
    return documents


def _own_documents(meta: NodeMetadata) -> dict[str, dict[str, Any]]:
    if meta.zarr_format != 2:
        raise MetadataError("a v3 node has no v2 documents")
    attributes = {".zattrs": dict(meta.attributes)}
    if isinstance(meta, GroupMetadata):
        return {".zgroup": {"zarr_format": 2}} | attributes
    return {".zarray": _zarray(meta)} | attributes


def _entries_documents(entries: Mapping[str, NodeMetadata]) -> dict[str, dict[str, Any]]:
    if isinstance(entries, Entries):
        return dict(entries.documents)
    return {path: _own_documents(meta) for path, meta in entries.items()}


def _zarray(meta: ArrayMetadata) -> dict[str, Any]:
    encoding = meta.v2 or V2Encoding()
    if not isinstance(meta.chunk_grid, RegularGrid) or not isinstance(meta.chunk_key_encoding, V2Keys):
        raise MetadataError("Zarr v2 has regular chunk grids and v2 chunk keys only")
    if meta.codecs or meta.storage_transformers or meta.dimension_names is not None:
        raise MetadataError("Zarr v2 has no codec chain, storage transformers or dimension names")
    return {
        "zarr_format": 2,
        "shape": list(meta.shape),
        "chunks": list(meta.chunk_grid.chunk_shape),
        "dtype": meta.data_type.to_v2(),
        "compressor": None if encoding.compressor is None else dict(encoding.compressor),
        "fill_value": meta.data_type.fill_to_json(meta.fill_value, zarr_format=2),
        "order": encoding.order,
        "filters": [dict(item) for item in encoding.filters] if encoding.filters else None,
        "dimension_separator": meta.chunk_key_encoding.separator,
    }


def _array(document: Mapping[str, Any], attributes: Mapping[str, Any], strict: bool) -> ArrayMetadata:
    _check_format(document)
    missing = sorted(_REQUIRED - document.keys() - (set() if strict else _NULLABLE))
    if missing:
        raise MetadataError(f"missing members {missing}")
    shape = parse_shape(document["shape"], "shape")
    encoding = _encoding(document)
    data_type = DataType.from_v2(document["dtype"], object_codec=_object_codec(encoding, strict), strict=strict)
    grid = parse_chunk_shape(document["chunks"], shape, strict=strict)
    check_chunk_size(grid.largest, data_type)
    separator = document.get("dimension_separator", ".")
    if separator is None:
        if strict:
            raise MetadataError("dimension_separator must be '.' or '/', not null")
        separator = "."
    return ArrayMetadata(
        zarr_format=2,
        shape=shape,
        data_type=data_type,
        chunk_grid=grid,
        chunk_key_encoding=V2Keys(separator),
        fill_value=data_type.fill_from_json(document.get("fill_value"), zarr_format=2, strict=strict),
        v2=encoding,
        attributes=attributes,
    )


def _group(document: Mapping[str, Any], attributes: Mapping[str, Any], strict: bool) -> GroupMetadata:
    _check_format(document)
    return GroupMetadata(zarr_format=2, attributes=attributes)


def _parse_files(files: Mapping[str, Any], *, strict: bool = False) -> NodeMetadata:
    for file, document in files.items():
        if not isinstance(document, dict):
            raise MetadataError(f"{file}: an object expected, not {reprlib.repr(document)}")
    attributes = files.get(".zattrs", {})
    if ".zarray" in files:
        return _array(files[".zarray"], attributes, strict)
    if ".zgroup" in files:
        return _group(files[".zgroup"], attributes, strict)
    raise MetadataError("attributes of a node that is neither array nor group")


def _is_path(path: str) -> bool:
    return bool(path) and validate_path(path, zarr_format=2) == path


def _check_format(document: Mapping[str, Any]) -> None:
    if type(document.get("zarr_format")) is not int or document["zarr_format"] != 2:
        raise MetadataError(f"zarr_format must be 2, not {reprlib.repr(document.get('zarr_format'))}")


def _attributes(zattrs: BytesLike | None, key: str, strict: bool) -> dict[str, Any]:
    if zattrs is None:
        return {}
    return loads(zattrs, key=f"{key.rpartition('/')[0]}/.zattrs".lstrip("/"), nan=not strict)


def _encoding(document: Mapping[str, Any]) -> V2Encoding:
    order: Literal["C", "F"] = document["order"]
    if order not in ("C", "F"):
        raise MetadataError(f"order must be 'C' or 'F', not {reprlib.repr(order)}")
    filters = document.get("filters")
    if filters is not None and not isinstance(filters, list):
        raise MetadataError(f"filters: a list or null expected, not {reprlib.repr(filters)}")
    compressor = document.get("compressor")
    return V2Encoding(
        order=order,
        filters=tuple(_codec(item, "filter") for item in filters) if filters else None,
        compressor=None if compressor is None else _codec(compressor, "compressor"),
    )


def _codec(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str) or not value["id"]:
        raise MetadataError(f"{what}: an object with an id expected, not {reprlib.repr(value)}")
    if value["id"].lower().rpartition(".")[2] == "pickle":
        reason = "codec 'pickle' is refused: loading it runs code that the file names"
        raise UnknownExtension("codec", value["id"], reason)
    return value


def _object_codec(encoding: V2Encoding, strict: bool) -> str | None:
    candidates = (encoding.filters or ())[: 1 if strict else None]
    return next((item["id"] for item in candidates if item["id"] in OBJECT_CODECS), None)
