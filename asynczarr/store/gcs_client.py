"""Google Cloud Storage by gcloud-aio: a session of one event loop, credentials, and failures in our words."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
from gcloud.aio.auth import Token
from gcloud.aio.auth.token import Type
from gcloud.aio.storage import Storage

from ..errors import (
    AttemptTimeout,
    ConnectionFailed,
    Forbidden,
    IntegrityError,
    NotFound,
    StoreError,
    Throttled,
    Truncated,
    Unauthenticated,
    Unavailable,
)
from ..types import ByteRange
from .exchange import Answer, connection_error, exchange, open_session, retry_after, status_error
from .ranges import range_header

__all__ = ["Client", "Missing", "Options", "connect"]

T = TypeVar("T")
_SCOPES = ["https://www.googleapis.com/auth/devstorage.read_write"]
_TOKEN_TIMEOUT = 10
_REFRESH_AFTER = 0.8  # of the life of a token
_NO_BUCKET = re.compile(r"bucket does not exist", re.IGNORECASE).search
_MESSAGE = re.compile(r'"message":\s*"([^"]*)"').search
_TOO_FAST = re.compile(r'"reason":\s*"(?:userR|r)ateLimitExceeded"').search


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
    session = await open_session(
        verify=options.verify,
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        max_connections=options.max_connections,
    )
    try:
        token = None if options.anonymous else await asyncio.to_thread(_token, options.service_file, session)
        return Client(session, options.root, token)
    except BaseException:
        await session.close()
        raise


class Client:
    """What one event loop uses: the verbs of gcloud-aio that serve, and single requests where they do not.

    Args:
        session: sends every request once.
        root: the service.
        token: ``None`` sends no credentials.

    Attributes:
        storage: gcloud-aio's; await its methods by :meth:`ask`.
        patience: the `timeout` to give to them; their own are totals of 10 and 30 seconds.
    """

    def __init__(self, session: aiohttp.ClientSession, root: str, token: _Token | None) -> None:
        self._session = session
        self._root = root
        self._token = token
        known_token: Any = token or _NoToken()
        aiohttp_session: Any = session  # typed as requests' session, which the same source is compiled for
        self.storage = Storage(session=aiohttp_session, api_root=root, api_is_dev=token is None, token=known_token)
        self.patience: Any = session.timeout

    async def ask(self, call: Awaitable[T]) -> T:
        """Await a method of gcloud-aio's storage.

        Raises:
            Missing: there is no such object.
        """
        try:
            return await call
        except StoreError:
            raise
        except aiohttp.ClientResponseError as error:
            failure = connection_error(error)
            if error.status < 300:
                raise failure from error
            raise _failure(error.status, error.message, error.headers or {}) from error
        except (aiohttp.ClientError, OSError) as error:
            failure = connection_error(error)
            if isinstance(failure, Truncated):
                failure = ConnectionFailed("the connection broke in the answer")
            raise failure from error
        except ValueError as error:
            raise Unavailable("the answer is no JSON") from error

    async def download(self, bucket: str, name: str, byte_range: ByteRange, generation: str | None) -> Answer:
        """One range of an object, with the headers, which gcloud-aio throws away; status 200, 206 or 416.

        Raises:
            Missing: there is no such object.
        """
        params = {"alt": "media"}
        if generation is not None:
            params["ifGenerationMatch"] = generation
        asked = range_header(byte_range)
        headers = {} if asked is None else {"Range": asked}
        path = f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
        answer = await self._send("GET", path, params=params, headers=headers, byte_range=byte_range)
        if answer.status not in (200, 206, 416):
            raise _failure(answer.status, _text(answer), answer.headers)
        return answer

    async def post(self, path: str, body: bytes, content_type: str) -> bytes:
        """Post something; the body of the answer."""
        answer = await self._send("POST", path, data=body, headers={"Content-Type": content_type})
        if answer.status != 200:
            raise _failure(answer.status, _text(answer), answer.headers)
        return answer.body

    def failure(self, status: int) -> StoreError:
        """The error that a status inside of an answer stands for."""
        return status_error(status, "")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _send(
        self, method: str, path: str, *, headers: dict[str, str], byte_range: ByteRange | None = None, **options: Any
    ) -> Answer:
        if self._token is not None:
            headers["Authorization"] = f"Bearer {await self._token.get()}"
        request = self._session.request(method, self._root + path, headers=headers, allow_redirects=False, **options)
        return await exchange(request, reads=method == "GET", byte_range=byte_range)


class _NoToken:
    async def get(self) -> None:
        return None


class _Token(Token):
    """gcloud-aio's token without its retries, and without a task that one cancelled caller would end for all."""

    def __init__(self, service_file: str | None, session: Any) -> None:
        super().__init__(service_file=service_file, session=session, scopes=_SCOPES)
        self._lock = asyncio.Lock()
        self._fresh_until = 0.0

    async def get(self) -> str | None:
        if time.monotonic() >= self._fresh_until:
            async with self._lock:
                if time.monotonic() >= self._fresh_until:
                    await self._renew()
        return self.access_token

    async def _renew(self) -> None:
        begin = time.monotonic()
        try:
            answer = await self.refresh(timeout=_TOKEN_TIMEOUT)
        except Exception as error:
            raise self._error(error) from error
        self.access_token = answer.value
        self._fresh_until = begin + _REFRESH_AFTER * answer.expires_in

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


def _text(answer: Answer) -> str:
    return answer.body.decode("utf-8", "replace")


def _failure(status: int, text: str, headers: Mapping[str, str]) -> Exception:
    if status == 404:
        return NotFound("the bucket does not exist") if _NO_BUCKET(text) else Missing()
    found = _MESSAGE(text)
    reason = (found[1] if found else text)[:300]
    if status == 403:
        kind = Throttled if _TOO_FAST(text) else Forbidden
        return kind(f"HTTP status 403: {reason}")
    if status == 400 and "crc32c" in text.lower():
        return IntegrityError(f"the value was changed on its way: {reason}")
    return status_error(status, reason, retry_after(headers))
