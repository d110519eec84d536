"""Paths of nodes in a hierarchy (v3 specification, "Node names"; v2 specification, "Logical storage paths")."""

from __future__ import annotations

import reprlib

from ..errors import KeyInvalid
from .node import ZarrFormat

__all__ = ["validate_path"]

_DOCUMENTS = {"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"}


def validate_path(path: str, *, zarr_format: ZarrFormat = 3) -> str:
    """Check the path of a node and return its normal form: names with one ``/`` between them, ``""`` for the root.

    Names are not only periods, do not start with ``__`` (v3) and are not a metadata document's. A backslash separates
    names in v2, as its specification says, and is refused in v3.

    Raises:
        KeyInvalid: no string, or a path that breaks these rules.
    """
    if not isinstance(path, str):
        raise KeyInvalid(f"a path is a string, not {reprlib.repr(path)}")
    if zarr_format == 2:
        path = path.replace("\\", "/")
    names = [name for name in path.split("/") if name]
    for name in names:
        if not name.strip("."):
            raise KeyInvalid(f"a node name of periods only: {reprlib.repr(path)}", key=path)
        if name in _DOCUMENTS or (zarr_format == 3 and name.startswith("__")):
            raise KeyInvalid(f"a node name that is reserved: {reprlib.repr(name)}", key=path)
        if "\\" in name or "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
            raise KeyInvalid(f"a node name with a backslash, NUL or lone surrogate: {reprlib.repr(name)}", key=path)
    return "/".join(names)
