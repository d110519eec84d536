"""One HTTP exchange: a request that is sent once, its whole answer, and failures in our words."""

from __future__ import annotations

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

__all__ = ["Answer", "exchange", "failure_of", "wait_of"]

_ERROR_BYTES = 64 << 10  # of what a service says about a refusal


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
    most: int | None = None,
) -> Answer:
    """Await one request of a session and its answer, whatever the status.

    Args:
        request: the call of the session.
        byte_range: what was asked for, if it reads a value. Another range in its place is not downloaded.
        version: finds the version of the value in the headers of its answer.
        most: bytes that the body of an answer of success may have.

    Raises:
        ConnectionFailed: `sent` is false only if no connection was made.
        AttemptTimeout: the same.
        Truncated: the body of a read broke off; with what came.
        IntegrityError: the range was ignored, or the body is longer than it may be.
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
    reading = response.method == "GET"
    if status >= 300:
        return Answer(status, headers, await read_body(response, most=_ERROR_BYTES, reading=reading), 0)
    if byte_range is None:
        body = await _bounded(response, most, reading)
        return Answer(status, headers, body, len(body))
    try:
        length, size = verify_range(status, headers, byte_range)
    except IntegrityError:
        response.close()
        raise
    answer_begins(length or 0)
    body = await read_body(response, length=length, version=version and version(headers))
    return Answer(status, headers, body, len(body) if size is None else size)


async def _bounded(response: aiohttp.ClientResponse, most: int | None, reading: bool) -> bytes:
    if most is None:
        return await read_body(response, reading=reading)
    length = response.content_length
    body = b""
    if length is None or length <= most:
        body = await read_body(response, most=most + 1, reading=reading)
    if (length or len(body)) > most:
        response.close()
        raise IntegrityError(f"an answer of more than {most} bytes")
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
    return int(milliseconds) / 1000 if milliseconds.isdecimal() else retry_after(headers)
