"""Large values in parts: nothing is visible before the last request, and nothing stays after an error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from ...errors import IntegrityError
from ...types import Version
from ..finishing import settled
from ..network.together import together
from .answer import stored, there
from .errors import refusal_of_code
from .xml import completion, error_of, parsed

if TYPE_CHECKING:
    from ..network.exchange import Answer
    from .client import S3Client

__all__ = ["MIN_PART", "upload_in_parts"]

MIN_PART = 5 << 20
"""Bytes that S3 wants in each part but the last."""

_MAX_PARTS = 10_000
_AT_A_TIME = 4
_ABORT_SECONDS = 10.0


async def upload_in_parts(
    client: S3Client, path: str, value: memoryview, *, part_size: int, headers: Mapping[str, str]
) -> Version | None:
    """Upload `value`; return its ETag, ``None`` if the service does not tell it.

    Cancelled or failed, the upload is aborted, which may take a few seconds; if that fails as well, its parts stay
    until a lifecycle rule of the bucket removes them.
    """
    size = max(part_size, -(-len(value) // _MAX_PARTS))

    async def send(start: int) -> str:
        part = f"{path}?partNumber={start // size + 1}&uploadId={upload}"
        answer = there(await client.request("PUT", part, body=value[start : start + size]))
        stored(answer)
        return answer.headers["ETag"]  # as it came, with its quotes

    upload = await _begin(client, path, headers)
    try:
        etags = await together(send, range(0, len(value), size), _AT_A_TIME)
        answer = await client.request("POST", f"{path}?uploadId={upload}", body=completion(etags))
        return _completed(there(answer).body)
    except BaseException:
        await settled(client.request("DELETE", f"{path}?uploadId={upload}"), seconds=_ABORT_SECONDS)
        raise


async def _begin(client: S3Client, path: str, headers: Mapping[str, str]) -> str:
    """Identifier of a new upload. Cancelled meanwhile, it waits for the identifier: only with that it can abort."""

    async def take_back() -> None:
        upload = _identifier(await creating)
        await client.request("DELETE", f"{path}?uploadId={upload}")

    creating = asyncio.ensure_future(client.request("POST", f"{path}?uploads=", headers=headers))
    try:
        return _identifier(await asyncio.shield(creating))
    except asyncio.CancelledError:
        await settled(take_back(), seconds=_ABORT_SECONDS)
        raise


def _identifier(answer: Answer | None) -> str:
    upload = parsed(there(answer).body).findtext("{*}UploadId")
    if not upload:
        raise IntegrityError("an upload without an identifier")
    return quote(upload, safe="-_.~")


def _completed(body: bytes) -> Version | None:
    """S3 begins its answer before it knows the outcome: an error may follow status 200."""
    code, message = error_of(body)
    if code:
        raise refusal_of_code(code, message)
    return (parsed(body).findtext("{*}ETag") or "").strip('"') or None
