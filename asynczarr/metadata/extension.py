"""Extension objects of v3 documents: a name, a configuration, ``must_understand`` (v3 specification, "Extensions")."""

from __future__ import annotations

import re
import reprlib
from typing import Any

from ..errors import MetadataError
from .node import NamedConfig

__all__ = ["extension_document", "parse_extension"]

_NAME = re.compile(r"[a-z][a-z0-9\-_.]+")
_URI = re.compile(r"[a-z][a-z0-9+.\-]*://\S+", re.IGNORECASE)


def parse_extension(document: Any, kind: str, *, strict: bool = False) -> NamedConfig:
    """Read an extension, an object or the bare string that stands for an object with only a name.

    `kind` is for messages. `strict` also checks the form of the name.

    Raises:
        MetadataError: another type, a missing name, unknown members, a configuration that is no object.
    """
    if isinstance(document, str):
        document = {"name": document}
    if not isinstance(document, dict):
        raise MetadataError(f"{kind}: a string or an object with a name expected, not {reprlib.repr(document)}")
    name = document.get("name")
    configuration = document.get("configuration", {})
    must_understand = document.get("must_understand", True)
    if not isinstance(name, str) or not name:
        raise MetadataError(f"{kind}: a name expected, not {reprlib.repr(name)}")
    if strict and not _NAME.fullmatch(name) and not _URI.fullmatch(name):
        raise MetadataError(f"{kind}: not a name: {reprlib.repr(name)}")
    unknown = sorted(document.keys() - {"name", "configuration", "must_understand"})
    if unknown:
        raise MetadataError(f"{kind} {reprlib.repr(name)}: unknown members {reprlib.repr(unknown)}")
    if not isinstance(configuration, dict):
        raise MetadataError(f"{kind} {reprlib.repr(name)}: configuration must be an object")
    if not isinstance(must_understand, bool):
        raise MetadataError(f"{kind} {reprlib.repr(name)}: must_understand must be true or false")
    return NamedConfig(name, configuration, must_understand)


def extension_document(extension: NamedConfig) -> dict[str, Any]:
    """Write an extension in the object form, which all readers know; ``must_understand`` only where it is false."""
    document: dict[str, Any] = {"name": extension.name, "configuration": dict(extension.configuration)}
    if not extension.must_understand:
        document["must_understand"] = False
    return document
