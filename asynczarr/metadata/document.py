"""Documents of a node by file name, whatever its format."""

from __future__ import annotations

from dataclasses import replace

from . import v2, v3
from .json import dumps
from .node import GroupMetadata, NodeMetadata

__all__ = ["encode_node"]


def encode_node(meta: NodeMetadata) -> dict[str, bytes]:
    """The documents to store for a node: file name, relative to the node's path, to bytes.

    v3 has ``zarr.json``; v2 has ``.zarray`` or ``.zgroup``, ``.zattrs`` (also when empty, so that no old one stays) and
    ``.zmetadata`` if there is consolidated metadata. The node is read back strictly before anything is returned, so
    nobody can write a document that breaks the specification; entries of consolidated metadata stay as they were.

    Raises:
        MetadataError: the record has something that the format or JSON cannot express.
    """
    if meta.zarr_format == 3:
        encoded = {"zarr.json": dumps(v3.to_document(meta))}
        own = dumps(v3.to_document(replace(meta, consolidated=None))) if isinstance(meta, GroupMetadata) else None
        v3.parse_node(own or encoded["zarr.json"], "zarr.json", strict=True)
        return encoded
    encoded = {name: dumps(document) for name, document in v2.to_documents(meta).items()}
    if ".zarray" in encoded:
        v2.parse_array(encoded[".zarray"], encoded[".zattrs"], ".zarray", strict=True)
    else:
        v2.parse_group(encoded[".zgroup"], encoded[".zattrs"], ".zgroup", strict=True)
    return encoded
