"""``zarr.json`` to and from records (v3 specification, "Metadata").

What is written follows the specification to the letter: object form for all extensions except data types without
configuration, no ``must_understand`` except where it is false, fill value always there.

What is read may deviate in these ways, unless ``strict=True``; strict then raises ``MetadataError``:

========================================================  ===========================================================
document                                                  read as
========================================================  ===========================================================
the literals ``NaN``, ``Infinity`` in attributes          floats (they cannot be written again)
``null`` for an optional member                           absent
extension names of another form                           looked up as they are
``must_understand: false`` on data type, grid, key        ignored: the extension is known anyway
encoding
integer fill value ``1.0``                                1
float fill value ``"1.5"`` or ``"+Infinity"``             the number
finite float fill value beyond the type's largest         infinity, where the type has one
``r<N>`` fill value as base64, ``raw_bytes`` as a list    bytes
struct fill value as base64 (``structured``: always)      packed bytes
``struct`` fields as pairs (``structured``: always)       name and data type
``chunk_shape`` with ``true``; with 0 or ``false`` along  1
an axis of length 0
``chunk_shape`` with lists                                a rectilinear grid
consolidated metadata of an unknown ``kind``              absent
consolidated metadata without ``must_understand: false``  present all the same
bad key in consolidated metadata                          left out
bad document in consolidated metadata                     an error when that node is asked for
========================================================  ===========================================================

Unknown members raise in either mode, unless they are objects with ``must_understand: false``; those are kept.
A codec with ``must_understand: false`` is kept as it is: ignoring or refusing it is the codec chain's business.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from ..errors import MetadataError, UnknownExtension
from ..types import BytesLike
from .chunk_key import parse_chunk_key_encoding
from .consolidated import Entries
from .dtypes import DataType
from .extension import extension_document, parse_extension
from .grid import parse_chunk_grid
from .json import loads
from .names import validate_path
from .node import ArrayMetadata, GroupMetadata, NamedConfig, NodeMetadata
from .shapes import check_chunk_size, parse_shape

__all__ = ["parse_document", "parse_node", "to_document"]

_COMMON = {"zarr_format", "node_type", "attributes"}
_ARRAY = {"shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs"}
_ARRAY_OPTIONAL = {"attributes", "storage_transformers", "dimension_names"}
_MARK = object()


def parse_node(data: BytesLike, key: str, *, strict: bool = False) -> NodeMetadata:
    """Read the ``zarr.json`` that is stored under `key`.

    Raises:
        UnknownExtension: something in it that nobody registered and that may not be ignored.
        MetadataError: anything else that is wrong with it. Both name `key`.
    """
    document = loads(data, key=key, nan=not strict)
    try:
        return parse_document(document, strict=strict)
    except MetadataError as error:
        error.at(key=key)
        raise


def parse_document(document: Mapping[str, Any], *, strict: bool = False) -> NodeMetadata:
    """Read a ``zarr.json`` that was parsed already, e.g. an entry of consolidated metadata."""
    if not isinstance(document, Mapping):
        raise MetadataError(f"an object expected, not {reprlib.repr(document)}")
    if type(document.get("zarr_format")) is not int or document["zarr_format"] != 3:
        raise MetadataError(f"zarr_format must be 3, not {reprlib.repr(document.get('zarr_format'))}")
    if not strict:
        optional = _ARRAY_OPTIONAL | {"consolidated_metadata"}
        document = {name: value for name, value in document.items() if value is not None or name not in optional}
    node_type = document.get("node_type")
    if node_type == "array":
        return _parse_array(document, strict)
    if node_type == "group":
        return _parse_group(document, strict)
    raise MetadataError(f"node_type must be 'array' or 'group', not {reprlib.repr(node_type)}")


def to_document(meta: NodeMetadata) -> dict[str, Any]:
    """Write the ``zarr.json`` of a node, members in the order of the specification.

    Raises:
        MetadataError: the record has something that v3 cannot express.
    """
    if meta.zarr_format != 3:
        raise MetadataError("a v2 node has no zarr.json")
    if isinstance(meta, ArrayMetadata):
        return _array_document(meta)
    document: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": dict(meta.attributes)}
    document |= dict(meta.extra)
    if meta.consolidated is not None:
        document["consolidated_metadata"] = {
            "kind": "inline",
            "must_understand": False,
            "metadata": _entries_document(meta.consolidated),
        }
    return document


def _array_document(meta: ArrayMetadata) -> dict[str, Any]:
    document: dict[str, Any] = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(meta.shape),
        "data_type": meta.data_type.to_v3(),
        "chunk_grid": meta.chunk_grid.to_json(),
        "chunk_key_encoding": meta.chunk_key_encoding.to_json(),
        "fill_value": meta.data_type.fill_to_json(meta.fill_value),
        "codecs": [extension_document(codec) for codec in meta.codecs],
        "attributes": dict(meta.attributes),
    }
    if meta.storage_transformers:
        document["storage_transformers"] = [extension_document(item) for item in meta.storage_transformers]
    if meta.dimension_names is not None:
        document["dimension_names"] = list(meta.dimension_names)
    return document | dict(meta.extra)


def _entries_document(entries: Mapping[str, NodeMetadata]) -> dict[str, Any]:
    if isinstance(entries, Entries):
        return dict(entries.documents)
    documents = {}
    for path, meta in entries.items():
        document = to_document(meta)
        document.pop("consolidated_metadata", None)
        documents[path] = document
    return documents


def _parse_array(document: Mapping[str, Any], strict: bool) -> ArrayMetadata:
    missing = sorted(_ARRAY - document.keys())
    if missing:
        raise MetadataError(f"missing members {missing}")
    shape = parse_shape(document["shape"], "shape")
    data_type = DataType.from_v3(document["data_type"], strict=strict)
    grid = parse_chunk_grid(document["chunk_grid"], shape, strict=strict)
    check_chunk_size(grid.largest, data_type)
    codecs = _extensions(document["codecs"], "codec", strict)
    if not codecs:
        raise MetadataError("codecs: at least one is needed, to make bytes of an array")
    transformers = _extensions(document.get("storage_transformers", []), "storage transformer", strict)
    for transformer in transformers:
        if transformer.must_understand:
            raise UnknownExtension("storage transformer", transformer.name)
    return ArrayMetadata(
        zarr_format=3,
        shape=shape,
        data_type=data_type,
        chunk_grid=grid,
        chunk_key_encoding=parse_chunk_key_encoding(document["chunk_key_encoding"], strict=strict),
        fill_value=data_type.fill_from_json(document["fill_value"], strict=strict),
        codecs=codecs,
        attributes=_attributes(document),
        dimension_names=_dimension_names(document.get("dimension_names", _MARK), len(shape)),
        storage_transformers=transformers,
        extra=_extra(document, _COMMON | _ARRAY | _ARRAY_OPTIONAL),
    )


def _parse_group(document: Mapping[str, Any], strict: bool) -> GroupMetadata:
    return GroupMetadata(
        zarr_format=3,
        attributes=_attributes(document),
        consolidated=_consolidated(document.get("consolidated_metadata", _MARK), strict),
        extra=_extra(document, _COMMON | {"consolidated_metadata"}),
    )


def _consolidated(value: Any, strict: bool) -> Entries | None:
    if value is _MARK:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict) or value.get("kind") != "inline":
        if strict or not isinstance(value, dict) or value.get("kind") == "inline":
            raise MetadataError("consolidated_metadata: an object of kind 'inline' with 'metadata' expected")
        return None
    if strict and value.get("must_understand") is not False:
        raise MetadataError("consolidated_metadata: must_understand must be false")
    return Entries.of(value["metadata"], parse=parse_document, valid=_is_path, strict=strict)


def _is_path(path: str) -> bool:
    return bool(path) and validate_path(path) == path


def _attributes(document: Mapping[str, Any]) -> dict[str, Any]:
    attributes = document.get("attributes", {})
    if not isinstance(attributes, dict):
        raise MetadataError("attributes must be an object")
    return attributes


def _extensions(value: Any, kind: str, strict: bool) -> tuple[NamedConfig, ...]:
    if not isinstance(value, list):
        raise MetadataError(f"{kind}s: a list expected, not {reprlib.repr(value)}")
    return tuple(parse_extension(item, kind, strict=strict) for item in value)


def _dimension_names(value: Any, ndim: int) -> tuple[str | None, ...] | None:
    if value is _MARK:
        return None
    if not isinstance(value, list) or len(value) != ndim:
        raise MetadataError(f"dimension_names: a list of {ndim} names expected, not {reprlib.repr(value)}")
    if not all(name is None or isinstance(name, str) for name in value):
        raise MetadataError("dimension_names: strings or null expected")
    return tuple(value)


def _extra(document: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    extra = {name: value for name, value in document.items() if name not in known}
    for name, value in extra.items():
        if not isinstance(value, dict) or value.get("must_understand") is not False:
            raise UnknownExtension("member", name)
    return extra
