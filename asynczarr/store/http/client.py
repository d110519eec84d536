"""One request on the wire a call, by aiohttp, with its errors in our words. Imported only when it is needed."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from ...errors import Unavailable, Unsupported
from ..network.body import read_body
from ..network.session import Session, connection_error

__all__ = ["Connection", "follow", "open_session", "proxy_of_environment", "read_body"]

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


async def open_session(connection: Connection) -> Session:
    """Connect nothing yet."""
    return await Session.open(
        verify=connection.verify,
        max_connections=connection.connections,
        connect_timeout=connection.connect_timeout,
        read_timeout=connection.read_timeout,
        proxy=connection.proxy,
    )


def proxy_of_environment(url: str) -> str | None:
    """The proxy that the environment names for a URL, if any."""
    parts = URL(url)
    if proxy_bypass(parts.host or ""):
        return None
    return getproxies().get(parts.scheme)


async def follow(
    session: Session,
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
        connection: how many redirects.
    """
    everything = {**private, **headers}
    here = URL(url, encoded=True)
    for _ in range(connection.max_redirects + 1):
        try:
            response: aiohttp.ClientResponse = await session.request(method, here, headers=everything)
        except (aiohttp.ClientError, OSError) as error:
            raise connection_error(error) from error
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


def _target(response: aiohttp.ClientResponse) -> URL:
    location = response.headers.get("Location", "")
    try:
        target = response.url.join(URL(location, encoded=True))
        if location and target.scheme in ("http", "https") and target.host:
            return target
    except ValueError:
        pass
    raise Unavailable("redirected to something that is no URL")
