"""Requests to Google Cloud Storage: gcloud-aio gets the access tokens, aiohttp sends, one request a call.

The verbs of gcloud-aio-storage are not used. They throw away the headers of an answer, the version among them; take a
redirect for success; upload what is large in a way that the service refuses; and their exceptions hold the token.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from gcloud.aio.auth import Token
from gcloud.aio.auth.token import Type

from ...errors import (
    AttemptTimeout,
    ConnectionFailed,
    Forbidden,
    IntegrityError,
    NotFound,
    StoreError,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from ...types import ByteRange
from ..network.exchange import Answer, exchange, failure_of
from ..network.ranges import PastTheEnd, range_header
from ..network.session import Session, connection_error
from ..network.threads import THREADS
from .bodies import generation_of

__all__ = ["Client", "Missing", "Options", "connect", "failure"]

_SCOPES = ["https://www.googleapis.com/auth/devstorage.read_write"]
_TOKEN_TIMEOUT = 10
_REFRESH_AFTER = 0.8  # of the life of a token
_NO_OBJECT = re.compile(r"No such object\b").match
_NO_BUCKET = re.compile(r"bucket does not exist", re.IGNORECASE).search
_NOT_FOUND = re.compile(r'"reason":\s*"not ?found"', re.IGNORECASE).search
_MESSAGE = re.compile(r'"message":\s*"([^"]*)"').search
_TOO_FAST = re.compile(r'"reason":\s*"(?:rate|userRate)LimitExceeded"').search


class Missing(Exception):
    """There is no such object, in a bucket that there is."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to reach the service; see ``GCSStore``."""

    root: str
    anonymous: bool
    service_file: str | None
    verify: bool | str
    connect_timeout: float
    read_timeout: float
    max_connections: int


async def connect(options: Options) -> Client:
    """A client for the running event loop. Nothing is sent yet."""
    session = await Session.open(
        verify=options.verify,
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        max_connections=options.max_connections,
    )
    try:
        # In a thread: credentials are read from a file.
        token = None if options.anonymous else await THREADS.run(_token, options.service_file, session.http)
    except BaseException:
        await session.aclose()
        raise
    return Client(session, options.root, token)


class Client:
    """What one event loop uses.

    Args:
        session: sends every request once.
        root: address of the service.
        token: ``None`` sends no credentials.
    """

    def __init__(self, session: Session, root: str, token: _Token | None) -> None:
        self._session = session
        self._root = root
        self._token = token

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: AsyncIterable[bytes | memoryview] | bytes | None = None,
        byte_range: ByteRange | None = None,
    ) -> Answer:
        """Do one request; the answer is one of success.

        Raises:
            Missing: there is no such object.
            PastTheEnd: `byte_range` begins where the object has ended.
        """
        sent = dict(headers or {})
        token = None if self._token is None else await self._token.get()
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        asked = None if byte_range is None else range_header(byte_range)
        if asked is not None:
            sent["Range"] = asked
        request = self._session.request(method, self._root + path, params=params, headers=sent, data=body)
        answer = await exchange(request, byte_range=byte_range, version=generation_of)
        if answer.status == 416 and asked is not None:
            raise PastTheEnd(generation_of(answer.headers))
        if answer.status == 401 and self._token is not None:
            self._token.forget(token)
        if not 200 <= answer.status < 300:
            raise failure(answer.status, answer.headers, answer.body.decode("utf-8", "replace"))
        return answer

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.aclose()


class _Token(Token):
    """gcloud-aio's token without its retries, and without a task that one cancelled caller would end for all."""

    def __init__(self, service_file: str | None, session: Any) -> None:
        super().__init__(service_file=service_file, session=session, scopes=_SCOPES)
        self._lock = asyncio.Lock()
        self._begun = 0.0, 0.0
        self._seconds = 0.0

    async def get(self) -> str | None:
        if not self._fresh():
            async with self._lock:
                if not self._fresh():
                    await self._renew()
        return self.access_token

    def forget(self, token: str | None) -> None:
        """The service has refused this one: the next request fetches another, unless one has come meanwhile."""
        if token == self.access_token:
            self._seconds = 0.0

    def _fresh(self) -> bool:
        # One clock stands still while the machine sleeps, the other can be set back.
        monotonic, wall = self._begun
        return max(time.monotonic() - monotonic, time.time() - wall) < self._seconds

    async def _renew(self) -> None:
        begun = time.monotonic(), time.time()
        try:
            answer = await self.refresh(timeout=_TOKEN_TIMEOUT)
        except Exception as error:  # of aiohttp, of the system, or of a key file that is none
            raise self._error(error) from error
        self.access_token: str | None = answer.value
        self._begun, self._seconds = begun, _REFRESH_AFTER * answer.expires_in

    def _error(self, error: Exception) -> StoreError:
        """Whatever went wrong, the request that the token was for has not been sent."""
        if isinstance(error, aiohttp.ClientResponseError):
            connection_error(error)  # removes secrets
            temporary = error.status == 429 or not 300 <= error.status < 500
            return (Unavailable if temporary else Unauthenticated)(f"no access token: HTTP status {error.status}")
        if isinstance(error, aiohttp.ClientConnectorError) and self.token_type == Type.GCE_METADATA:
            return Unauthenticated("no credentials were found (public buckets can be read with anonymous=True)")
        if isinstance(error, TimeoutError):
            return AttemptTimeout("no access token in time", sent=False)
        if isinstance(error, (aiohttp.ClientError, OSError)):
            return ConnectionFailed(f"no access token: {type(error).__name__}", sent=False)
        return Unauthenticated(f"no access token: {type(error).__name__}")


def _token(service_file: str | None, session: aiohttp.ClientSession) -> _Token:
    try:
        return _Token(service_file, session)
    except (OSError, ValueError, KeyError) as error:
        raise Unauthenticated(f"the credentials cannot be read: {type(error).__name__}") from error


def failure(status: int, headers: Mapping[str, str], text: str) -> Exception:
    """What a status of 300 and above stands for, with the text of the answer."""
    found = _MESSAGE(text)
    said = (found[1] if found else text)[:300]
    if status == 404:
        # The documentation of Google shows an error that names nothing, and fake-gcs-server sends it.
        if _NO_OBJECT(said) or (said == "Not Found" and _NOT_FOUND(text)):
            return Missing()
        return NotFound("the bucket does not exist" if _NO_BUCKET(said) else f"HTTP status 404: {said}".rstrip(": "))
    if status == 403:
        return (Throttled if _TOO_FAST(text) else Forbidden)(f"HTTP status 403: {said}")
    if status == 400 and "crc32c" in text.lower():
        return IntegrityError(f"the value was changed on its way: {said}")
    return failure_of(status, headers, said)
