"""Signed requests to one bucket: botocore finds the way and the credentials, aiohttp sends, one request a call.

aiobotocore's ``get_object`` does the same for five times the CPU: it resolves the endpoint, builds a model of the
request and parses one of the answer each time. And below it aiohttp sends a request again when a connection breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from typing import Any

from botocore.auth import EMPTY_SHA256_HASH, UNSIGNED_PAYLOAD
from botocore.exceptions import BotoCoreError
from yarl import URL

from ...errors import Unauthenticated
from ...types import ByteRange, BytesLike
from ..network.exchange import Answer, exchange
from ..network.ranges import PastTheEnd, range_header
from ..network.session import Session
from ..network.threads import HOP_BYTES, THREADS, small_or_threaded
from .errors import refusal, says_missing
from .headers import etag_of
from .options import S3Options
from .resolve import Bucket, resolve
from .signing import Signer

__all__ = ["S3Client"]

_URGENT = 60  # seconds before they expire in which nobody goes on with old credentials


class S3Client:
    """The connections of one event loop to one bucket."""

    def __init__(self, bucket: Bucket, session: Session, headers: Mapping[str, str]) -> None:
        self._bucket = bucket
        self._session = session
        self._headers = {"Accept-Encoding": "identity", **headers}
        self._signer = Signer(bucket.url, bucket.region, bucket.service)
        self._frozen: Any = None
        self._refreshing = asyncio.Lock()

    @classmethod
    async def connect(cls, options: S3Options) -> S3Client:
        """Find the bucket and the credentials, in a thread; nothing is sent to S3."""
        bucket = await THREADS.run(resolve, options)
        session = await Session.open(
            verify=bucket.trust,
            max_connections=options.max_connections,
            connect_timeout=options.connect_timeout,
            read_timeout=None,
            proxy=bucket.proxy,
        )
        return cls(bucket, session, options.headers)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: BytesLike = b"",
        verified: bool = False,
        byte_range: ByteRange | None = None,
    ) -> Answer | None:
        """Send one request, once, and read the answer; ``None`` if the key is missing.

        Args:
            method: of HTTP.
            path: encoded key and query, with the ``/`` before them.
            headers: of this request, all signed.
            body: flat bytes.
            verified: a header is a checksum of the body, so that TLS and a signature of the headers are enough.
            byte_range: which part of a value to read, that is not empty.

        Raises:
            PastTheEnd: `byte_range` begins where the value has ended.
            StoreError: any other answer, no whole answer, or no credentials.
        """
        url = self._bucket.url + path
        signed = {**self._headers, **headers} if headers else self._headers.copy()
        asked = None if byte_range is None else range_header(byte_range)
        if asked is not None:
            signed["Range"] = asked
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
        sending = self._session.request(method, URL(url, encoded=True), headers=signed, data=data)
        answer = await exchange(sending, byte_range=byte_range, version=etag_of)
        if answer.status < 300:
            return answer
        if answer.status == 416 and asked is not None:
            raise PastTheEnd(etag_of(answer.headers))
        if answer.status == 404 and (method == "HEAD" or says_missing(answer.body)):  # HEAD has no body that could say
            return None
        raise refusal(answer.status, answer.headers, answer.body)

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


def _hash(body: BytesLike) -> str:
    return sha256(body).hexdigest()


async def _pieces(body: memoryview) -> AsyncIterator[memoryview]:
    for start in range(0, len(body), HOP_BYTES):
        yield body[start : start + HOP_BYTES]
