"""An HTTP server that answers what a test tells it to, byte by byte, and remembers each request."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext

__all__ = ["CLOSE", "HANG", "RESET", "Received", "Scripted", "answer", "scripted"]

RESET, CLOSE, HANG = b"reset", b"close", b"hang"
"""In place of an answer or at its end: what becomes of the connection."""


@dataclass
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """Attributes: `requests` as they came, whole; `connections`, also those without a request."""

    address: str = ""
    script: Callable[[Received], bytes | tuple[bytes, ...]] = lambda request: answer(500)
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    reset_at_once: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.reset_at_once:
                reset(writer)
                return
            while await self.one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, target, _ = first.split(" ")
        request = Received(method, target, headers, body)
        self.requests.append(request)
        said = self.script(request)
        for piece in (said,) if isinstance(said, bytes) else said:
            if piece == RESET:
                reset(writer)
                return False
            if piece == CLOSE:
                return False
            if piece == HANG:
                await reader.read()
                return False
            writer.write(piece)
            await writer.drain()
        return True


def reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def answer(status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> bytes:
    """An answer of HTTP; ``length`` may lie. ``Retry_After="1"`` is the header ``Retry-After: 1``."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def scripted(ssl: SSLContext | None = None) -> AsyncIterator[Scripted]:
    """Run one on a free port of this machine."""
    this = Scripted()
    server = await asyncio.start_server(this.serve, "127.0.0.1", 0, ssl=ssl)
    port = server.sockets[0].getsockname()[1]
    this.address = f"https://localhost:{port}" if ssl else f"http://127.0.0.1:{port}"
    try:
        yield this
    finally:
        server.close()
