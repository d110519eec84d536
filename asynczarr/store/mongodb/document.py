"""What the document of a key says. Anybody who may write to the database may have written it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bson import ObjectId

from ...errors import IntegrityError
from ...types import ObjectInfo

__all__ = ["info_of", "inline_value"]

_FOREIGN = "what is stored was not written by asynczarr"


def info_of(document: Mapping[str, Any]) -> ObjectInfo:
    """What is known of the value.

    Raises:
        IntegrityError: asynczarr did not write the document.
    """
    match document:
        case {
            "version": ObjectId() as version,
            "size": int(size),
            "modified": int() | float(),
            "metadata": list(metadata),
        }:
            with suppress(TypeError, ValueError):
                if size >= 0:
                    return ObjectInfo(size, str(version), document["modified"], dict(metadata))
    raise IntegrityError(_FOREIGN)


def inline_value(document: Mapping[str, Any]) -> bytes | None:
    """The value of a document that :func:`info_of` has read, ``None`` if it is a file.

    Raises:
        IntegrityError: it is neither.
    """
    match document:
        case {"file": ObjectId(), "chunk": int(chunk)} if chunk > 0:
            return None
        case {"data": bytes(data), "size": int(size)} if len(data) == size and "file" not in document:
            return data
    raise IntegrityError(_FOREIGN)
