"""Bodies of requests to Google Cloud Storage and of their answers."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...errors import IntegrityError, Unavailable
from ...types import ObjectInfo, Version
from ..network.remote import Page

if TYPE_CHECKING:
    from ..network.exchange import Answer

__all__ = [
    "answers_in",
    "batch_of_deletions",
    "document",
    "generation_of",
    "info_of",
    "page_of",
    "upload_of",
    "version_stored",
]

_STEP = 1 << 18
_INTEGER = re.compile(r"[0-9]{1,19}").fullmatch
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3})", re.MULTILINE)


def upload_of(resource: Mapping[str, Any], data: bytes) -> tuple[dict[str, str], AsyncIterator[bytes | memoryview]]:
    """Headers and body of an upload; the data is sent in pieces and never copied."""
    boundary = secrets.token_hex(16)
    head = (
        f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
        f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/related; boundary={boundary}",
        "Content-Length": str(len(head) + len(data) + len(tail)),
    }

    async def body() -> AsyncIterator[bytes | memoryview]:
        if len(data) <= _STEP:
            yield b"".join((head, data, tail))
            return
        yield head
        for begin in range(0, len(data), _STEP):
            yield memoryview(data)[begin : begin + _STEP]
        yield tail

    return headers, body()


def document(answer: Answer) -> dict[str, Any]:
    """The JSON object in an answer.

    Raises:
        Unavailable: there is none.
    """
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Unavailable("the answer is no JSON") from error
    if not isinstance(found, dict):
        raise Unavailable("the answer is no JSON object")
    return found


def info_of(found: Mapping[str, Any]) -> ObjectInfo:
    """The description of an object.

    Raises:
        Unavailable: it is none.
    """
    size, metadata = _size_in(found), found.get("metadata") or {}
    try:
        modified = datetime.fromisoformat(found["updated"]).timestamp()
    except (LookupError, TypeError, ValueError, OverflowError):
        modified = None
    kept = isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
    if size is None or modified is None or not found.get("generation") or not kept:
        raise Unavailable("the answer does not describe an object")
    return ObjectInfo(size, str(found["generation"]), modified, metadata)


def page_of(found: Mapping[str, Any]) -> Page:
    """An answer to a listing.

    Raises:
        Unavailable: it is none.
    """
    items, prefixes, following = found.get("items", []), found.get("prefixes", []), found.get("nextPageToken", "")
    if isinstance(items, list) and isinstance(prefixes, list):
        names = [*(item.get("name") if isinstance(item, dict) else None for item in items), *prefixes]
        if all(isinstance(text, str) for text in (following, *names)):
            return Page(names, following)
    raise Unavailable("the answer is no page of a listing")


def batch_of_deletions(paths: Sequence[str]) -> tuple[dict[str, str], bytes]:
    """Headers and body of a batch."""
    boundary = secrets.token_hex(16)
    parts = [
        f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n"
        f"DELETE {path} HTTP/1.1\r\n\r\n\r\n"
        for number, path in enumerate(paths)
    ]
    body = f"{''.join(parts)}--{boundary}--\r\n".encode()
    return {"Content-Type": f"multipart/mixed; boundary={boundary}"}, body


def answers_in(batch: bytes, count: int) -> list[tuple[int, str]]:
    """Status and text of each part of the answer to a batch, in the order of the batch.

    Raises:
        Unavailable: there are not `count` of them.
    """
    _, *parts = _STATUS.split(batch)
    if len(parts) != 2 * count:
        raise Unavailable(f"{len(parts) // 2} answers to {count} requests")
    texts = (part.partition(b"\r\n\r\n")[2].partition(b"\r\n--")[0] for part in parts[1::2])
    return [(int(status), text.decode("utf-8", "replace")) for status, text in zip(parts[::2], texts, strict=True)]


def version_stored(stored: Mapping[str, Any], size: int, checksum: str) -> Version:
    """The version that the answer to an upload tells.

    Raises:
        IntegrityError: something else was stored.
        Unavailable: it does not say what was stored.
    """
    if not stored.get("generation"):
        raise Unavailable("the service does not say what it has stored")
    if (_size_in(stored), stored.get("crc32c", checksum)) != (size, checksum):
        raise IntegrityError(f"{stored.get('size')} bytes were stored, or others than the {size} that were sent")
    return str(stored["generation"])


def _size_in(resource: Mapping[str, Any]) -> int | None:
    size = str(resource.get("size", ""))
    return int(size) if _INTEGER(size) else None


def generation_of(headers: Mapping[str, str]) -> Version | None:
    """The version of the object in an answer."""
    return headers.get("x-goog-generation")
