"""An HTTP server that follows a script and remembers every request that was on the wire."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from ssl import SSLContext


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes = b""


@dataclass
class Reply:
    """What to answer.

    Attributes:
        status: the code.
        body: sent as it is.
        headers: Content-Length is added unless it is there, or ``None`` to leave it out.
        cut: send only so many bytes of the body, then close.
        reset: close with a reset in place of ``cut``'s end of stream; before anything is sent if `cut` is ``None``.
        silent: seconds to wait before the answer.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str | None] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    silent: float = 0.0


RESET, CLOSE, HANG = b"reset", b"close", b"hang"
"""In place of raw bytes or behind them: what becomes of the connection."""

Raw = bytes | tuple[bytes, ...]
Script = Callable[[Request], Reply | Raw]


def answer(status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> bytes:
    """An answer byte by byte; ``length`` may lie. ``Retry_After="1"`` is the header ``Retry-After: 1``."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class ScriptedServer:
    """``async with ScriptedServer(script) as server``.

    Args:
        script: gives the answer of each request, as a reply or as raw bytes, or is a list of replies.

    Attributes:
        requests: as they came, whole.
        opened: how many connections there were, also those without a request.
        reset_at_once: connections are reset before they are read.
    """

    def __init__(self, script: Script | list[Reply] = lambda _: answer(500), ssl: SSLContext | None = None) -> None:
        self.script = script
        self._ssl = ssl
        self.requests: list[Request] = []
        self.opened = 0
        self.reset_at_once = False
        self.fault: Callable[[Reply], object] | None = None  # changes each answer
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> ScriptedServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._ssl)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}" if self._ssl is None else f"https://localhost:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def connections(self) -> int:
        """Open now."""
        return len(self._writers)

    @property
    def seen(self) -> list[tuple[str, str]]:
        """Method and range of every request."""
        return [(request.method, request.headers.get("range", "")) for request in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.opened += 1
        try:
            if self.reset_at_once:
                _reset(writer)
                return
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        request = Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))
        self.requests.append(request)
        reply = self.script(request) if callable(self.script) else self.script[len(self.requests) - 1]
        if not isinstance(reply, Reply):
            return await _write(reply, reader, writer)
        if self.fault is not None:
            self.fault(reply)
        await asyncio.sleep(reply.silent)
        if reply.reset and reply.cut is None:
            _reset(writer)
            return False
        length = {"Content-Length": str(len(reply.body))}
        fields = [f"{name}: {value}\r\n" for name, value in {**length, **reply.headers}.items() if value is not None]
        writer.write(f"HTTP/1.1 {reply.status} X\r\n{''.join(fields)}\r\n".encode("latin-1"))
        if method != "HEAD":
            writer.write(reply.body if reply.cut is None else reply.body[: reply.cut])
        await writer.drain()
        if reply.cut is None:
            return "Content-Length" not in reply.headers or reply.headers["Content-Length"] is not None
        if reply.reset:
            await asyncio.sleep(0.05)
            _reset(writer)
        return False


async def _write(raw: Raw, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Write pieces; whether the connection goes on."""
    for piece in (raw,) if isinstance(raw, bytes) else raw:
        if piece == RESET:
            _reset(writer)
            return False
        if piece == CLOSE:
            return False
        if piece == HANG:
            await reader.read()
            return False
        writer.write(piece)
        await writer.drain()
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
