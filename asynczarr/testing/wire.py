"""Just enough HTTP/1.1 for a server that has to break its rules: requests as records, answers byte by byte."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

__all__ = ["Answer", "Recorder", "Request", "parse", "read_request"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in.

    Attributes:
        number: counts the requests of a server, from 0.
        connection: counts its connections, from 0.
        time: seconds on the clock of the event loop at which it was seen.
        verb: ``GET``, ``PUT``, ...
        bucket: first part of the path.
        key: the rest of the path, percent-decoded.
        query: parameters behind the ``?``.
        headers: by their names in lower case.
        size: bytes of the body.
    """

    number: int
    connection: int
    time: float
    verb: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    size: int


@dataclass(slots=True)
class Answer:
    """What is sent back. Content-Length is that of the body, unless the headers say something else.

    Attributes:
        status: HTTP status.
        body: its bytes; of ``HEAD`` those that are not sent.
        headers: names as they are sent.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def head(self, length: int) -> bytes:
        """Status line and headers, with `length` as Content-Length."""
        headers = {"Date": formatdate(usegmt=True)} | self.headers
        if self.status != 204:  # RFC 9110 forbids it there, and clients must not miss it
            headers = {"Content-Length": str(length)} | headers
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Recorder:
    """Notes requests.

    Attributes:
        requests: all of them, in the order in which they came.
        sent: how many there were of each verb.
        keep: whether `requests` grows; long runs need only `sent`.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.sent: Counter[str] = Counter()
        self.keep = True

    def note(self, request: Request) -> None:
        """Add one."""
        self.sent[request.verb] += 1
        if self.keep:
            self.requests.append(request)

    def verbs(self, key: str = "") -> list[str]:
        """The verbs of the requests whose key contains `key`, in order."""
        return [request.verb for request in self.requests if key in request.key]

    def forget(self) -> None:
        """Start anew."""
        self.requests.clear()
        self.sent.clear()


def now() -> float:
    """Seconds on the clock of the running event loop, which is the monotonic one unless a test has another."""
    return asyncio.get_running_loop().time()


def parse(head: bytes, number: int, connection: int) -> Request:
    """The request that begins with this head."""
    first, *lines = head.decode("latin-1").split("\r\n")
    verb, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    path, _, query = target.partition("?")
    bucket, _, key = unquote(path.removeprefix("/")).partition("/")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    size = int(headers.get("content-length", 0))
    return Request(number, connection, now(), verb, bucket, key, parameters, headers, size)


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, connection: int
) -> tuple[Request, bytes] | None:
    """The next request of a connection and its body; ``None`` when the client has closed it."""
    try:
        request = parse(await reader.readuntil(b"\r\n\r\n"), number, connection)
        if request.headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return request, await reader.readexactly(request.size)
    except asyncio.IncompleteReadError:
        return None
