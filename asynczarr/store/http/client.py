"""One request on the wire a call, by aiohttp, with its errors in our words. Imported only when it is needed."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from ...errors import AttemptTimeout, ConnectionFailed, StoreError, Truncated, Unavailable, Unsupported
from ...threads import Threads

__all__ = [
    "ERRORS",
    "Connection",
    "client_error",
    "close_session",
    "follow",
    "open_session",
    "proxy_of_environment",
    "read_body",
]

ERRORS = (aiohttp.ClientError, OSError, TimeoutError)
"""What a request may raise."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Connection:
    """How to connect; see :class:`~asynczarr.store.http.HTTPStore`, whose arguments these are."""

    verify: bool | str | ssl.SSLContext = True
    proxy: str | None = field(default=None, repr=False)
    connections: int = 64
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_redirects: int = 5


async def open_session(connection: Connection) -> aiohttp.ClientSession:
    """A session without cookies, retries, redirects of its own and decompression."""
    verify: bool | ssl.SSLContext
    if isinstance(connection.verify, str):
        verify = await Threads(1).run(_trust, connection.verify)
    else:
        verify = connection.verify
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connection.connections, ssl=verify),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=connection.connect_timeout, sock_read=connection.read_timeout
        ),
    )
    # aiohttp sends GET, HEAD, PUT and DELETE again when a kept connection breaks, and has no public switch for it.
    session._retry_connection = False
    return session


def proxy_of_environment(url: str) -> str | None:
    """The proxy that the environment names for a URL, if any."""
    parts = URL(url)
    if proxy_bypass(parts.host or ""):
        return None
    return getproxies().get(parts.scheme)


async def close_session(session: aiohttp.ClientSession) -> None:
    """Close all of its connections."""
    await session.close()


async def follow(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: Mapping[str, str],
    private: Mapping[str, str],
    connection: Connection,
) -> aiohttp.ClientResponse | None:
    """Send a request and follow redirects; the caller releases the response. ``None``: it is a folder, not a value.

    Args:
        session: where to send it.
        method: ``GET`` or ``HEAD``.
        url: already quoted.
        headers: what every server may know.
        private: headers for the host of `url` only.
        connection: proxy and number of redirects.
    """
    everything = {**private, **headers}
    here = URL(url, encoded=True)
    for _ in range(connection.max_redirects + 1):
        response = await session.request(
            method, here, headers=everything, proxy=connection.proxy, allow_redirects=False
        )
        if response.status not in _REDIRECTS:
            return response
        response.release()
        target = _target(response)
        if target.raw_path == f"{here.raw_path}/" and target.host == here.host:
            return None  # how web servers answer for a folder
        if here.scheme == "https" and target.scheme != "https":
            raise Unsupported("redirected from https to something weaker")
        if target.origin() != here.origin():
            everything = dict(headers)
        here = target
    raise Unavailable(f"redirected more than {connection.max_redirects} times")


async def read_body(response: aiohttp.ClientResponse, *, length: int | None = None, most: int | None = None) -> bytes:
    """Read the body of a response whose headers have arrived.

    Args:
        response: not read yet.
        length: bytes that it must have, if that is known.
        most: stop after so many bytes; whether the body ends there is not looked at.

    Raises:
        Truncated: it has fewer bytes than `length`.
        Unavailable: it has more.
        Unsupported: nothing says how long it is, so that a broken connection would look like its end.
    """
    announced = response.content_length
    if length is None and announced is None and "Transfer-Encoding" not in response.headers:
        raise Unsupported("the server does not say how long the value is")
    if length is not None and announced is not None:
        _compare(announced, length)
    bound = length if most is None else most
    if bound is None or (announced is not None and announced <= bound):
        return await response.read()
    enough = bound if most is not None else bound + 1
    pieces: list[bytes] = []
    got = 0
    while got < enough and (piece := await response.content.readany()):
        pieces.append(piece)
        got += len(piece)
    if most is not None:
        return b"".join(pieces)[:most]
    _compare(got, bound)
    return b"".join(pieces)


def client_error(error: Exception) -> StoreError:
    """The error to raise ``from`` one of aiohttp, asyncio or the system; ``sent=False`` only where that is certain."""
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)):
        return StoreError(f"the certificate of the server is not trusted: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectionFailed(str(error), sent=False)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        error.args = ("no connection in time",)  # aiohttp names the whole URL, which may hold a signature
        return AttemptTimeout("no connection in time", sent=False)
    if isinstance(error, TimeoutError):
        return AttemptTimeout("the server was silent for too long", sent=True)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Truncated("the body ended too early")
    if isinstance(error, (aiohttp.ClientConnectionError, OSError)):
        return ConnectionFailed(f"the connection broke: {type(error).__name__}", sent=True)
    return Unavailable(f"the answer is not understood: {type(error).__name__}")


def _compare(got: int, wanted: int) -> None:
    if got != wanted:
        raise (Truncated if got < wanted else Unavailable)(f"a body of {got} bytes where {wanted} were promised")


def _target(response: aiohttp.ClientResponse) -> URL:
    location = response.headers.get("Location", "")
    try:
        target = response.url.join(URL(location, encoded=True))
        if location and target.scheme in ("http", "https") and target.host:
            return target
    except ValueError:
        pass
    raise Unavailable("redirected to something that is no URL")


def _trust(path: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)
