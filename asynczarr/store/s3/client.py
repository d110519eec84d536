"""Signed requests to one bucket: botocore finds the way and the credentials, aiohttp sends, one request a call.

aiobotocore's ``get_object`` does the same for five times the CPU: it resolves the endpoint, builds a model of the
request and parses one of the answer each time. And below it aiohttp sends a request again when a connection breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from hashlib import sha256
from typing import Any

import aiohttp
from botocore.auth import EMPTY_SHA256_HASH, UNSIGNED_PAYLOAD
from botocore.exceptions import BotoCoreError
from yarl import URL

from ...errors import (
    AttemptTimeout,
    ConnectionFailed,
    IntegrityError,
    StoreClosed,
    StoreError,
    Truncated,
    Unauthenticated,
)
from ...types import BytesLike
from .answer import Answer
from .errors import refusal, says_missing
from .options import S3Options
from .resolve import Bucket, resolve
from .signing import Signer
from .threads import HOP_BYTES, THREADS, small_or_threaded

__all__ = ["S3Client"]

_ERROR_BYTES = 64 << 10
_URGENT = 60  # seconds before they expire in which nobody goes on with old credentials


class S3Client:
    """The connections of one event loop to one bucket."""

    def __init__(self, bucket: Bucket, options: S3Options) -> None:
        self._bucket = bucket
        self._headers = {"Accept-Encoding": "identity", **options.headers}
        self._signer = Signer(bucket.url, bucket.region, bucket.service)
        self._frozen: Any = None
        self._refreshing = asyncio.Lock()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=options.max_connections, ssl=bucket.trust),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.connect_timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Content-Type"),
            headers={"User-Agent": "asynczarr"},
            auto_decompress=False,
            proxy=bucket.proxy,
        )
        # aiohttp sends GET, PUT and DELETE once more when a connection breaks. A conditional PUT whose answer was lost
        # would then fail on its own condition. There is no public switch; a test counts the requests on the wire.
        self._session._retry_connection = False
        self._open = self._lifetime()

    @classmethod
    async def connect(cls, options: S3Options) -> S3Client:
        """Find the bucket and the credentials, in a thread; nothing is sent to S3."""
        client = cls(await THREADS.run(resolve, options), options)
        await anext(client._open)
        return client

    async def aclose(self) -> None:
        """Close the connections."""
        await self._open.aclose()

    async def _lifetime(self) -> AsyncGenerator[None]:
        # ``asyncio.run`` ends the generators that are still open: the session ends with its loop, if not before.
        try:
            yield
        finally:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: BytesLike = b"",
        verified: bool = False,
        part: bool = False,
        limit: int | None = None,
    ) -> Answer | None:
        """Send one request, once, and read the answer; ``None`` if the key is missing.

        Args:
            method: of HTTP.
            path: encoded key and query, with the ``/`` before them.
            headers: of this request, all signed.
            body: flat bytes.
            verified: a header is a checksum of the body, so that TLS and a signature of the headers are enough.
            part: it is for a range, and only 206 will do.
            limit: bytes that the body of the answer may have.

        Raises:
            StoreError: any other answer, no whole answer, or no credentials (see ``s3_errors`` and ``_broken``).
        """
        url = self._bucket.url + path
        signed = {**self._headers, **headers} if headers else self._headers.copy()
        if self._bucket.credentials is not None:
            payload = EMPTY_SHA256_HASH
            if verified and url.startswith("https:"):
                payload = UNSIGNED_PAYLOAD
            elif len(body):
                payload = await small_or_threaded(body, _hash)
            self._signer.sign(await self._credentials(), method, path, signed, payload)
        data: Any = body or None
        if len(body) > HOP_BYTES:  # in pieces, so that the event loop does other things in between
            signed["Content-Length"] = str(len(body))
            data = _pieces(memoryview(body))
        if self._session.closed:
            raise StoreClosed("the store is closed")
        try:
            async with self._session.request(
                method, URL(url, encoded=True), headers=signed, data=data, allow_redirects=False
            ) as response:
                status, found = response.status, response.headers
                good = status == 206 if part else 200 <= status < 300
                if good:
                    content = await _body(response, limit)
                else:  # a whole value in place of a part is not read at all
                    content = await _beginning(response, _ERROR_BYTES) if status >= 300 else b""
        except (aiohttp.ClientError, OSError) as error:
            failure = _broken(error, reading=method == "GET")
            # An error of the parser holds the headers of the request, the signature among them.
            raise failure from (None if isinstance(error, aiohttp.ClientResponseError) else error)
        if not good:
            if status == 404 and says_missing(content):
                return None
            raise refusal(status, found, content)
        if method == "GET":
            _check_length(found, content)
        return Answer(found, content)

    async def _credentials(self) -> Any:
        """Keys to sign with. While others fetch new ones, the old ones are good until shortly before they expire."""
        source = self._bucket.credentials
        needed = getattr(source, "refresh_needed", None)
        if self._frozen is not None and (needed is None or not needed()):
            return self._frozen
        if self._frozen is not None and needed is not None and self._refreshing.locked() and not needed(_URGENT):
            return self._frozen
        async with self._refreshing:
            if self._frozen is None or (needed is not None and needed()):
                try:
                    self._frozen = await THREADS.run(source.get_frozen_credentials)
                except BotoCoreError as error:
                    raise Unauthenticated(f"the credentials could not be refreshed: {error}") from error
        return self._frozen


def _broken(error: Exception, *, reading: bool) -> StoreError:
    """The error that a failure of the connection stands for; `reading`: the answer is all that the request is for."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return AttemptTimeout("no connection within the time", sent=False)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return StoreError(f"the certificate of the server is not trusted: {error.certificate_error}")
    if isinstance(error, aiohttp.ClientConnectorError):  # raised before a connection exists: nothing was sent
        return ConnectionFailed(f"no connection: {error.os_error}", sent=False)
    if isinstance(error, aiohttp.ClientPayloadError) and reading:
        return Truncated("the connection broke in the middle of the answer")
    if isinstance(error, aiohttp.ClientResponseError):
        return ConnectionFailed(f"not an answer of HTTP: {error.message}")
    return ConnectionFailed(f"the connection broke: {type(error).__name__}")


async def _body(response: aiohttp.ClientResponse, limit: int | None) -> bytes:
    """All of it, if it is no longer than `limit`.

    Raises:
        IntegrityError: it is longer, and was not read.
    """
    length = response.content_length
    if limit is None or (length is not None and length <= limit):
        return await response.read()
    content = b"" if length is not None else await _beginning(response, limit + 1)
    if length is not None or len(content) > limit:
        raise IntegrityError(f"an answer of more than {limit} bytes")
    return content


async def _beginning(response: aiohttp.ClientResponse, size: int) -> bytes:
    content = bytearray()
    while len(content) < size and (piece := await response.content.read(size - len(content))):
        content += piece
    return bytes(content)


def _check_length(headers: Mapping[str, str], body: bytes) -> None:
    """aiohttp raises for a body that ends early; here are the answers without a length to compare with.

    Raises:
        Truncated: nothing says whether this is all.
    """
    length = headers.get("Content-Length")
    if length is None:
        if headers.get("Transfer-Encoding", "").lower() != "chunked":
            raise Truncated("the answer does not say how long it is")
    elif int(length) != len(body):
        raise Truncated(f"{len(body)} bytes came of {length}")


def _hash(body: BytesLike) -> str:
    return sha256(body).hexdigest()


async def _pieces(body: memoryview) -> AsyncIterator[memoryview]:
    for start in range(0, len(body), HOP_BYTES):
        yield body[start : start + HOP_BYTES]
