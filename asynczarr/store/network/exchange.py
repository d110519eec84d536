"""One HTTP exchange on aiohttp: a request that is sent once, its whole body, and failures in our words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from ...errors import (
    AttemptTimeout,
    ConnectionFailed,
    IntegrityError,
    QuotaExceeded,
    StoreError,
    Throttled,
    Truncated,
    Unavailable,
)
from ...types import ByteRange
from ..answer import answer_begins
from .statuses import retry_after, status_error

__all__ = ["Answer", "connection_error", "exchange", "failure_of", "open_session", "wait_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with its whole body.

    Attributes:
        status: HTTP status.
        headers: names in any case.
        body: as it was sent, never decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


async def open_session(
    *, verify: bool | str, connect_timeout: float, read_timeout: float, max_connections: int
) -> AsyncGenerator[aiohttp.ClientSession]:
    """A session that sends each request once. How long a whole attempt may take is for middleware to say.

    It is closed by ``aclose()`` of this generator or, as generators are, at the end of ``asyncio.run``.

    Args:
        verify: check certificates; a path is that of a file with the certificates to trust.
        connect_timeout: seconds for a connection.
        read_timeout: seconds without a byte of the answer.
        max_connections: open at the same time; further requests wait.
    """
    trusted: bool | object = verify
    if isinstance(verify, str):
        trusted = await asyncio.to_thread(_trusting, verify)
    session = aiohttp.ClientSession(
        # Some servers close a connection that was idle for 5 seconds; a request that crosses that would fail.
        connector=aiohttp.TCPConnector(ssl=trusted, limit=max_connections, keepalive_timeout=4),  # type: ignore[arg-type]
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=read_timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
    )
    # aiohttp re-sends GET, PUT and DELETE once when a connection breaks, which would make a conditional write conflict
    # with itself. It has no public switch for that.
    session._retry_connection = False
    try:
        yield session
    finally:
        await session.close()


async def exchange(
    request: Awaitable[aiohttp.ClientResponse], *, reads: bool, byte_range: ByteRange | None = None
) -> Answer:
    """Await one request of a session and the whole body of its answer, whatever the status.

    Args:
        request: the call of the session.
        reads: the body is what was asked for; else it only confirms what the request did.
        byte_range: what was asked for in a ``Range`` header. A whole value in its place is not downloaded.

    Raises:
        ConnectionFailed: `sent` is false only if no connection was made.
        AttemptTimeout: the same.
        Truncated: the body of a read broke off.
        IntegrityError: the range was ignored.
    """
    try:
        response = await request
        if byte_range is not None and response.status == 200:
            _whole_is_asked_for(response, byte_range)
        if reads:
            answer_begins(response.content_length or 0)
        body = await response.read()
    except (aiohttp.ClientError, OSError) as error:
        failure = connection_error(error)
        if isinstance(failure, Truncated) and not reads:
            failure = ConnectionFailed("the connection broke in the answer")
        raise failure from error
    return Answer(response.status, response.headers, body)


def _whole_is_asked_for(response: aiohttp.ClientResponse, byte_range: ByteRange) -> None:
    size = response.content_length
    if size is None or byte_range.resolve(size) != (0, size):
        response.close()
        raise IntegrityError("the byte range was ignored: the answer is the whole value")


def connection_error(error: Exception) -> StoreError:
    """What to raise ``from`` an error of aiohttp; secrets in a request that it carries are removed."""
    if isinstance(error, aiohttp.ClientResponseError):
        _remove_secrets(error)
        return Unavailable(f"no valid HTTP answer: {error.message or type(error).__name__}")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Truncated("the connection broke in the body")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        error.args = ("no connection in time",)  # aiohttp names the whole URL, which may hold a signature
        return AttemptTimeout("no connection in time", sent=False)
    if isinstance(error, TimeoutError):
        return AttemptTimeout("no answer in time")
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)):
        return StoreError(f"the certificate of the server is not trusted: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectionFailed(f"no connection: {error}", sent=False)
    return ConnectionFailed(f"the connection broke: {error or type(error).__name__}")


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


def _remove_secrets(error: aiohttp.ClientResponseError) -> None:
    asked = error.request_info
    error.request_info = aiohttp.RequestInfo(
        asked.url.with_query(None), asked.method, CIMultiDictProxy(CIMultiDict()), asked.real_url.with_query(None)
    )


def _trusting(path: str) -> object:
    import ssl

    return ssl.create_default_context(cafile=path)
