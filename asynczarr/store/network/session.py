"""Sessions of aiohttp that send each request once, and what their failures stand for."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from typing import Any, Self

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from ...errors import AttemptTimeout, ConnectionFailed, StoreClosed, StoreError, Truncated
from .threads import THREADS

__all__ = ["Session", "connection_error"]

_IDLE = 4.0  # seconds; some servers close a connection after 5, and a request that crosses that would fail


class Session:
    """The connections of one event loop. They end with it, if not before by :meth:`aclose`.

    Attributes:
        http: the session of aiohttp.
    """

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http
        self._life = self._lifetime()

    @classmethod
    async def open(
        cls,
        *,
        verify: bool | str | ssl.SSLContext,
        max_connections: int,
        connect_timeout: float,
        read_timeout: float | None,
        proxy: str | None = None,
    ) -> Self:
        """Make a session without cookies, decompression and repetitions. Nothing is sent yet.

        How long a whole attempt may take is for middleware to say.

        Args:
            verify: check certificates; a path is that of a file with the certificates to trust.
            max_connections: open at the same time; further requests wait.
            connect_timeout: seconds for a connection.
            read_timeout: seconds without a byte of the answer; ``None``: without end.
            proxy: URL of a proxy.
        """
        trusted = await THREADS.run(_trusting, verify) if isinstance(verify, str) else verify
        session = cls(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=trusted, limit=max_connections, keepalive_timeout=_IDLE),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=read_timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": "identity", "User-Agent": "asynczarr"},
                skip_auto_headers=("Accept", "Content-Type"),
                auto_decompress=False,
                proxy=proxy,
            )
        )
        # aiohttp sends GET, HEAD, PUT and DELETE once more when a kept connection breaks. A conditional write whose
        # answer was lost would then fail on its own condition. There is no public switch; tests count the requests.
        session.http._retry_connection = False
        await anext(session._life)
        return session

    def request(self, method: str, url: Any, **options: Any) -> Any:
        """See ``aiohttp.ClientSession.request``; redirects are not followed.

        Raises:
            StoreClosed: the session was closed meanwhile.
        """
        if self.http.closed:
            raise StoreClosed("the store is closed")
        return self.http.request(method, url, allow_redirects=False, **options)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._life.aclose()

    async def _lifetime(self) -> AsyncGenerator[None]:
        # ``asyncio.run`` ends the generators that are still open.
        try:
            yield
        finally:
            await self.http.close()


def connection_error(error: Exception, *, reading: bool = True) -> StoreError:
    """What to raise ``from`` an error of aiohttp or of the system; secrets in a request that it carries are removed.

    Args:
        error: `sent` of what it becomes is false only where no connection was made.
        reading: the body is what was asked for; else it only confirms what the request did.
    """
    if isinstance(error, aiohttp.ClientResponseError):
        _remove_secrets(error)
        return ConnectionFailed(f"no valid HTTP answer: {error.message or type(error).__name__}")
    if isinstance(error, aiohttp.ClientPayloadError):
        return (Truncated if reading else ConnectionFailed)("the connection broke in the body")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        error.args = ("no connection in time",)  # aiohttp names the whole URL, which may hold a signature
        return AttemptTimeout("no connection in time", sent=False)
    if isinstance(error, TimeoutError):
        return AttemptTimeout("no answer in time")
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)):
        return StoreError(f"the certificate of the server is not trusted: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectionFailed(f"no connection: {error}", sent=False)
    return ConnectionFailed(f"the connection broke: {type(error).__name__}")


def _remove_secrets(error: aiohttp.ClientResponseError) -> None:
    asked = error.request_info
    error.request_info = aiohttp.RequestInfo(
        asked.url.with_query(None), asked.method, CIMultiDictProxy(CIMultiDict()), asked.real_url.with_query(None)
    )
    error.args = (error.request_info, ())


def _trusting(path: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)
