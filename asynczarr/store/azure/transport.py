"""Requests and failures of Azure's library: each request sent once and read to its end, each failure in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ClientAuthenticationError

from ...errors import (
    AlreadyExists,
    Forbidden,
    IntegrityError,
    NotFound,
    PreconditionFailed,
    StoreError,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from ...types import ByteRange
from ..answer import answer_awaited, answer_begins
from ..network.body import read_body
from ..network.exchange import failure_of, read_message, wait_of
from ..network.ranges import PastTheEnd, verify_range
from ..network.session import connection_error

if TYPE_CHECKING:  # the public name is made when it is asked for, so that checkers do not know what it is
    from azure.core.pipeline.transport._aiohttp import AioHttpTransport
else:
    from azure.core.pipeline.transport import AioHttpTransport

__all__ = ["Missing", "NoBytes", "Transport", "error_of", "translated"]

_BIG = 1 << 20
_RANGE = re.compile(r"bytes=(\d+)-(\d*)").fullmatch
_CODES: dict[str, type[StoreError]] = {
    "AccountBeingCreated": Unavailable,
    "AuthenticationFailed": Unauthenticated,
    "BlobAlreadyExists": AlreadyExists,
    "BlobImmutableDueToPolicy": Forbidden,
    "ConditionNotMet": PreconditionFailed,
    "ContainerBeingDeleted": Unavailable,
    "InvalidAuthenticationInfo": Unauthenticated,
    "LeaseIdMissing": Forbidden,
    "NoAuthenticationInformation": Unauthenticated,
    "SnapshotsPresent": Forbidden,
}


class Missing(Exception):
    """There is no such blob, in a container that there is."""


class NoBytes(Exception):
    """A part of a blob that has no bytes; with the headers of the answer."""


class Transport(AioHttpTransport):
    """Reads the body within the request: the library asks again, three times, when that fails later."""

    async def send(self, request: Any, *, stream: bool = False, **config: Any) -> Any:
        """Do one request.

        Raises:
            PastTheEnd: it was for a range that begins where the blob has ended.
            NoBytes: it was for a range, and no byte came.
        """
        reading = request.method == "GET"
        if reading:
            answer_awaited()
        response: Any = None
        cause: Exception | None = None
        try:
            response = await super().send(request, stream=True, **config)
        except AzureError as error:
            inner = error.inner_exception
            cause = inner if isinstance(inner, Exception) else error
        if cause is not None:  # not raised in the block above: the words of the library may hold a signature
            raise connection_error(cause) from cause
        answer = response.internal_response
        part = _RANGE(request.headers.get("x-ms-range", ""))
        length = None
        if part and response.status_code == 416:  # the library would ask again
            answer.close()
            code = response.headers.get("x-ms-error-code", "")
            if code != "InvalidRange":  # the library asks for a range also where the whole blob is wanted
                raise failure_of(416, response.headers, code)
            raise PastTheEnd(response.headers.get("ETag"))
        if part and response.status_code == 206 and answer.content_length == 0:
            raise NoBytes(response.headers)
        if part and response.status_code < 300:
            try:
                length, _ = verify_range(response.status_code, response.headers, _asked(*part.groups()))
            except IntegrityError:
                answer.close()
                raise
        if reading:
            answer_begins(answer.content_length or 0)
        response.headers.pop("Content-Encoding", None)  # what is stored is wanted as it is
        if request.method == "HEAD":
            answer.release()
            response._content = b""
        elif part and response.status_code < 300:
            response._content = await read_body(answer, length=length, version=response.headers.get("ETag"))
        else:
            response._content = await read_message(answer)
        if response.status_code >= 400:  # for want of a charset, the library would try all encodings that it knows
            response.headers["Content-Type"] = "application/xml; charset=utf-8"
        return response

    def _get_request_data(self, request: Any) -> Any:
        data = super()._get_request_data(request)  # type: ignore[no-untyped-call]  # the SDK does not annotate it
        # aiohttp writes a file in pieces, but large bytes at once, with a warning.
        return BytesIO(data) if isinstance(data, bytes) and len(data) > _BIG else data


@contextmanager
def translated(*, blob: bool = True) -> Iterator[None]:
    """Around calls of the library: raises one of our errors, or ``Missing`` if they are about one `blob`."""
    try:
        yield
    except StoreError:
        raise
    except (AzureError, AttributeError, LookupError, TypeError, ValueError) as error:  # it trusts what it parses
        response: Any = getattr(error, "response", None)
        if response is not None:
            failure = error_of(response.status_code, response.headers)
            if isinstance(failure, Missing) and not blob:
                failure = NotFound("HTTP status 404: BlobNotFound, and no blob was asked for")
        elif isinstance(error, ClientAuthenticationError):
            failure = Unauthenticated(str(error))
        else:
            failure = None
        raise failure or Unavailable(f"an answer that cannot be understood: {type(error).__name__}") from error


def error_of(status: int, headers: Mapping[str, str]) -> Exception | None:
    """What a status stands for. What the service says in words is left out, because it may repeat signatures."""
    if status < 300:
        return None
    code = headers.get("x-ms-error-code", "")
    if status == 404:
        if code == "BlobNotFound":
            return Missing()
        missing_container = code == "ContainerNotFound"
        return NotFound(
            "the container does not exist" if missing_container else f"HTTP status 404: {code}".rstrip(": ")
        )
    if status == 503:
        return Throttled(f"HTTP status 503: {code}", retry_after=wait_of(headers))
    if code in _CODES:
        return _CODES[code](f"HTTP status {status}: {code}")
    return failure_of(status, headers, code)


def _asked(first: str, last: str) -> ByteRange:
    return ByteRange(int(first), int(last) + 1 if last else None)
