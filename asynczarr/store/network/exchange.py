"""One HTTP exchange: a request that is sent once, its whole answer, and failures in our words."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import aiohttp

from ...errors import IntegrityError, QuotaExceeded, StoreError, Throttled
from ...types import ByteRange, Version
from ..answer import answer_awaited, answer_begins
from .body import read_body
from .ranges import verify_range
from .session import connection_error
from .statuses import retry_after, status_error

__all__ = ["Answer", "exchange", "failure_of", "read_message", "wait_of"]

_ERROR_BYTES = 64 << 10  # of what a service says about a refusal
_MESSAGE_BYTES = 32 << 20  # a page of 1,000 names of the longest has 4 MiB, one of Azure with all metadata 12
_MILLISECONDS = re.compile(r"[0-9]{1,15}").fullmatch


class Answer(NamedTuple):
    """What came back, with its whole body.

    Attributes:
        status: HTTP status.
        headers: names in any case.
        body: as it was sent, never decompressed; of refusals the beginning.
        size: bytes of the whole value, of which a read may have asked for a part.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    size: int


async def exchange(
    request: Awaitable[aiohttp.ClientResponse],
    *,
    byte_range: ByteRange | None = None,
    version: Callable[[Mapping[str, str]], Version | None] | None = None,
) -> Answer:
    """Await one request of a session and its answer, whatever the status.

    Args:
        request: the call of the session.
        byte_range: what was asked for, if it reads a value. Another range in its place is not downloaded.
        version: finds the version of the value in the headers of its answer.

    Raises:
        ConnectionFailed: `sent` is false only if no connection was made.
        AttemptTimeout: the same.
        Truncated: the body of a read broke off; with what came.
        IntegrityError: the range was ignored, the answer is not one to a read, or the body is longer than it may be.
    """
    if byte_range is not None:
        answer_awaited()
    try:
        response = await request
    except (aiohttp.ClientError, OSError) as error:
        raise connection_error(error) from error
    status, headers = response.status, response.headers
    if response.method == "HEAD":
        response.release()
        return Answer(status, headers, b"", response.content_length or 0)
    if status >= 300 or byte_range is None:
        body = await read_message(response)
        return Answer(status, headers, body, len(body) if status < 300 else 0)
    try:
        length, size = verify_range(status, headers, byte_range)
    except IntegrityError:
        response.close()
        raise
    answer_begins(length or 0)
    body = await read_body(response, length=length, version=version and version(headers))
    return Answer(status, headers, body, len(body) if size is None else size)


async def read_message(response: aiohttp.ClientResponse) -> bytes:
    """The body of an answer that brings no value; of a refusal the beginning.

    Raises:
        IntegrityError: it is longer than any such answer can be.
    """
    reading = response.method == "GET"
    if response.status >= 300:
        return await read_body(response, most=_ERROR_BYTES, reading=reading)
    length = response.content_length
    body = b""
    if length is None or length <= _MESSAGE_BYTES:
        body = await read_body(response, most=_MESSAGE_BYTES + 1, reading=reading)
    if (length or len(body)) > _MESSAGE_BYTES:
        response.close()
        raise IntegrityError(f"an answer of more than {_MESSAGE_BYTES} bytes")
    return body


def failure_of(status: int, headers: Mapping[str, str], said: str) -> StoreError:
    """The error that a status of 300 and above stands for, with what the service has said, fit for a message."""
    failure = QuotaExceeded(f"HTTP status {status}") if status == 507 else status_error(status, headers)
    if isinstance(failure, Throttled):
        failure.retry_after = wait_of(headers)
    failure.reason = f"{failure.reason}: {said}" if said else failure.reason
    return failure


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks to wait, if it does so in a way that can be understood."""
    milliseconds = headers.get("x-ms-retry-after-ms", "")
    return int(milliseconds) / 1000 if _MILLISECONDS(milliseconds) else retry_after(headers)
