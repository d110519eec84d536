"""A value and what is known of it as one flat record, for stores that keep nothing but bytes under a key.

A record is 32 bytes (``asz1``, version, time of writing, length of the metadata), the metadata as JSON, and the value.
One record is one atomic write, and a range of the value is a range of the record.
"""

from __future__ import annotations

import json
import secrets
import struct
import time
from collections.abc import Mapping

from ..errors import IntegrityError
from ..types import BytesLike, ObjectInfo, Version
from .fileio import flat_view

__all__ = ["HEAD", "VERSION", "open_record", "seal", "version_bytes"]

_HEAD = struct.Struct(">4s16sdI")
_MAGIC = b"asz1"

HEAD = _HEAD.size
"""Bytes before the metadata; the last four are the length of the metadata, big-endian."""

VERSION = slice(4, 20)
"""Where the version stands in a record."""


def seal(value: BytesLike, metadata: Mapping[str, str] | None) -> tuple[Version, bytes]:
    """Make a record of a value; its version is 128 random bits, so that no two writes ever share one."""
    version = secrets.token_bytes(16)
    notes = json.dumps(dict(metadata), separators=(",", ":")).encode() if metadata else b""
    return version.hex(), b"".join((_HEAD.pack(_MAGIC, version, time.time(), len(notes)), notes, flat_view(value)))


def open_record(record: BytesLike, length: int) -> tuple[ObjectInfo, int]:
    """What is known of the value, and where it begins; head and metadata of the record are enough.

    Args:
        record: the record or its beginning.
        length: bytes of the whole record.

    Raises:
        IntegrityError: this is no record.
    """
    try:
        magic, version, modified, notes = _HEAD.unpack_from(record)
        offset = HEAD + notes
        if magic != _MAGIC or len(record) < offset or length < offset:
            raise IntegrityError("what is stored was not written by asynczarr")
        metadata = json.loads(bytes(record[HEAD:offset])) if notes else {}
    except (struct.error, ValueError) as error:
        raise IntegrityError("what is stored was not written by asynczarr") from error
    return ObjectInfo(length - offset, version.hex(), modified, metadata), offset


def version_bytes(version: Version) -> bytes:
    """The version as it stands in a record; what cannot be one becomes bytes that equal none."""
    try:
        raw = bytes.fromhex(version)
    except ValueError:
        return b"?"
    return raw if len(raw) == 16 else b"?"
