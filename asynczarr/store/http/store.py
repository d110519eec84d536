"""Values behind http:// and https://, read-only; there is no listing, so groups need consolidated metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from ...errors import IntegrityError, PreconditionFailed, Truncated, Unavailable, Unsupported
from ...types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from ..answer import answer_awaited, answer_begins
from ..base import Capabilities
from ..extras import extra
from ..network.pinned import Reading, read_ranges
from ..network.ranges import content_range, range_header
from ..network.statuses import MISSING, http_date, status_error
from ..read_only import ReadOnlyStore
from ..sessions import PerLoop
from ..url import without_secrets

if TYPE_CHECKING:
    import ssl

    from aiohttp import ClientResponse

    from ..network.session import Session

__all__ = ["HTTPStore"]

_NO_SUFFIX = frozenset({400, 501})  # what servers without suffix ranges answer, besides 200 and 416
_ALL = ByteRange()


class HTTPStore(ReadOnlyStore):
    """Values that a web server gives out: each is at `url`, a slash and its key, quoted.

    A call is one request (one more where a server has no suffix ranges or a range lies past the end of a value). The
    version of a value is its ETag, if that is a strong one. Weak ones, and dates, are no versions; the ranges of one
    call are still compared by them.

    Args:
        url: ``http://`` or ``https://``; may hold a user and a password, and a query (a signature, say), which is sent
            with every request and never shown.
        headers: sent with every request to this host, e.g. ``{"Authorization": "Bearer ..."}``.
        auth: user and password for basic authentication.
        missing_statuses: status codes that mean "no such key". Public S3 buckets that may not be listed answer 403 for
            absent keys: add it if you know that nothing there is forbidden.
        unranged_limit: bytes that may be read to cut a range out of them, if the server ignores ranges.
        verify: ``False`` does not check certificates; a file of authorities to trust, or an ``ssl.SSLContext``.
        proxy: URL of a proxy.
        trust_env: use the proxy that the environment names.
        connections: open at the same time, in each event loop; further requests wait.
        connect_timeout: seconds for a connection.
        read_timeout: seconds of silence in a response.
        max_redirects: followed in a request. `headers` and `auth` go to no other host.

    Raises:
        KeyInvalid: not such a URL.
        Unsupported: aiohttp is not installed.
        ValueError: headers that the store sends itself, or two ways to authenticate.
    """

    # Values have versions as far as the server sends strong ETags.
    _capabilities = Capabilities(write=False, list=False, versions=True)

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        missing_statuses: Collection[int] = MISSING,
        unranged_limit: int = 32 * 2**20,
        verify: bool | str | ssl.SSLContext = True,
        proxy: str | None = None,
        trust_env: bool = False,
        connections: int = 64,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        max_redirects: int = 5,
    ) -> None:
        self._url = without_secrets(url).rstrip("/")
        with extra("http", store=self._url):
            from . import client as http
            from .address import parse_url, private_headers

        self._base, self._query, user = parse_url(url)
        self._service = "/".join(self._base.split("/", 3)[:3])
        self._private = private_headers(headers or {}, auth or user)
        self._missing = frozenset(missing_statuses)
        self._limit = unranged_limit
        self._suffix = True  # until the server turns out to have no suffix ranges
        self._ranged = True  # until it turns out to ignore ranges
        connection = http.Connection(
            verify=verify,
            proxy=proxy or (http.proxy_of_environment(self._base) if trust_env else None),
            connections=connections,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_redirects=max_redirects,
        )
        self._http, self._connection = http, connection
        self._sessions: PerLoop[Session] = PerLoop(
            lambda: http.open_session(connection), lambda session: session.aclose()
        )

    @property
    def service(self) -> str:
        """Scheme, host and port, which the URL as it is shown may lack."""
        return self._service

    @classmethod
    def from_url(cls, url: str, *, read_only: bool = True, **options: Any) -> Self:
        """The store of a URL; it can only be read, whatever `read_only` says."""
        return cls(url, **options)

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``.

        Raises:
            Unsupported: the server ignores ranges and the value is larger than `unranged_limit`.
        """
        with self._reading(key):
            reading = await self._read(key, byte_range or _ALL, None)
        return None if reading is None else reading.data

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``. One request a range, all with ``If-Range`` of one ETag."""

        async def read(part: ByteRange, pin: Version | None) -> Reading | None:
            return await self._read(key, part, pin)

        limit = self._connection.connections
        with self._reading(key):
            return await read_ranges(read, ranges, if_version, limit=limit, at_once=self._ranged)

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        with self._reading(key):
            found = await self._head(key)
        return None if found is None else found[0]

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """Refused: ``Unsupported``. HTTP has no listing; consolidated metadata tells what a group holds."""
        with self._listing(prefix):
            yield ""

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """Refused: ``Unsupported``. HTTP has no listing; consolidated metadata tells what a group holds."""
        with self._listing(prefix):
            yield ""

    async def aclose(self) -> None:
        """Close all connections."""
        self._closed = True
        await self._sessions.aclose()

    async def _send(self, method: str, key: str, headers: Mapping[str, str]) -> ClientResponse | None:
        """The response, not yet read; ``None`` if the key is missing."""
        session = await self._sessions.get()
        url = f"{self._base}/{quote(key)}{self._query}"
        response = await self._http.follow(
            session, method, url, {"Accept-Encoding": "identity", **headers}, self._private, self._connection
        )
        if response is not None and response.status in self._missing:
            response.release()
            return None
        return response

    async def _head(self, key: str) -> tuple[ObjectInfo, object] | None:
        response = await self._send("HEAD", key, {})
        if response is None:
            return None
        response.release()
        if response.status != 200:
            raise status_error(response.status, response.headers)
        _check_identity(response)
        if response.content_length is None:
            raise Unsupported("the server does not say how long the value is")
        modified = http_date(response.headers.get("Last-Modified"))
        return ObjectInfo(response.content_length, _version(response), modified), _mark(response)

    async def _read(self, key: str, part: ByteRange, pin: Version | None) -> Reading | None:
        """One range, by one GET where the server can do that."""
        if part.length == 0 or (part.start < 0 and not self._suffix):
            return await self._read_by_head(key, part, pin)
        asked = range_header(part)
        headers = {"Range": asked} if asked else {}
        if pin is not None and headers:
            # Not If-Match: after a 412 nginx promises to keep the connection, closes it, and the next request fails.
            headers["If-Range"] = pin
        answer_awaited()
        response = await self._send("GET", key, headers)
        if response is None:
            return None
        try:
            _check_version(response, pin)
            reading = await self._body(response, part)
        finally:
            response.release()
        return reading or await self._read_by_head(key, part, pin)

    async def _read_by_head(self, key: str, part: ByteRange, pin: Version | None) -> Reading | None:
        """What a GET cannot tell: an empty range, one past the end, or the last bytes without suffix ranges."""
        found = await self._head(key)
        if found is None:
            return None
        info, mark = found
        if pin is not None and pin != info.version:
            raise PreconditionFailed(f"the stored version is {info.version}, not {pin}")
        start, stop = part.resolve(info.size)
        if start == stop:
            return Reading(b"", info.size, info.version, mark)
        if part.start >= 0:
            raise Unavailable(f"the server refused bytes {start} to {stop} of {info.size}")
        self._suffix = False
        return await self._read(key, ByteRange(start, stop), info.version)

    async def _body(self, response: ClientResponse, part: ByteRange) -> Reading | None:
        """What the answer to a GET says of a range; ``None`` if it takes a HEAD to know that."""
        if response.status == 206 and part != _ALL:
            return await self._ranged_body(response, part)
        if response.status == 200:
            return None if _lacks_suffix(response, part) else await self._whole_body(response, part)
        if part == _ALL or (response.status != 416 and (part.start >= 0 or response.status not in _NO_SUFFIX)):
            raise status_error(response.status, response.headers)
        return None

    async def _ranged_body(self, response: ClientResponse, part: ByteRange) -> Reading | None:
        _check_identity(response)
        match = content_range(response.headers.get("Content-Range", ""))
        if match is None:
            raise Unsupported("the answer does not say which bytes of how many it holds")
        start, stop, size = int(match[1]), int(match[2]) + 1, int(match[3])
        wanted = part.resolve(size)
        if (start, stop) != wanted:
            if part.start < 0:
                return None  # there are servers that read "the last 8" as "the first 8"
            kind = Truncated if start == wanted[0] and stop < wanted[1] else IntegrityError
            raise kind(f"asked for bytes {wanted[0]} to {wanted[1]}, got {start} to {stop}")
        answer_begins(stop - start)
        data = await self._http.read_body(response, length=stop - start, version=_version(response))
        return Reading(data, size, _version(response), _mark(response))

    async def _whole_body(self, response: ClientResponse, part: ByteRange) -> Reading:
        """All of a value, or the part cut out of a body that should have been that part."""
        _check_identity(response)
        version, mark = _version(response), _mark(response)
        if part == _ALL:
            answer_begins(response.content_length or 0)
            data = await self._http.read_body(response, version=version)
            return Reading(data, len(data), version, mark, whole=data)
        self._ranged = False
        size = needed = response.content_length
        if size is not None and size > self._limit and part.stop is not None:
            needed = min(size, part.stop)  # else all of it: one body is of one version, also without ETags
        data = b""
        if needed is None or needed <= self._limit:
            data = await self._http.read_body(response, most=self._limit + 1 if needed is None else needed)
        if len(data) > self._limit or len(data) < (needed or 0):
            raise Unsupported(f"the server ignores ranges, and that takes reading more than {self._limit} bytes")
        whole = data if needed in (None, size) else None
        return Reading(part.of(data), len(data) if size is None else size, version, mark, whole)


def _lacks_suffix(response: ClientResponse, part: ByteRange) -> bool:
    """Whether a 200 means that the server takes ranges, but none that are counted from the end."""
    size = response.content_length
    return (
        part.start < 0 and size is not None and size > -part.start and response.headers.get("Accept-Ranges") == "bytes"
    )


def _version(response: ClientResponse) -> Version | None:
    """The ETag if it is a strong one: only then are equal ones a promise of equal bytes (RFC 9110, 8.8.1)."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else None


def _mark(response: ClientResponse) -> object:
    return response.headers.get("ETag"), response.headers.get("Last-Modified")


def _check_version(response: ClientResponse, pin: Version | None) -> None:
    """Another version is answered with all of it; a server that ignores If-Range still says which version it sends."""
    if pin is not None and response.status in (200, 206) and _version(response) != pin:
        raise PreconditionFailed(f"the stored version is {_version(response)}, not {pin}")


def _check_identity(response: ClientResponse) -> None:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise Unsupported(f"the server sends the value in the encoding {encoding[:20]!r}, which is not what is stored")
