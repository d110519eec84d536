"""An object server that goes wrong on purpose, and notes every request, so that tests can count what was sent.

::

    async with FaultServer() as server:
        store = S3Store("bucket", endpoint=server.address, ...)
        server.faults = Scripted(WireFault(reset="after"), verbs=["PUT"])   # a lost acknowledgement
        await store.set("k", b"value", create=True)
        assert [request.verb for request in server.requests] == ["PUT", ...]

It speaks as much of the S3 REST protocol as stores of bytes need, and takes every signature.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Literal, Self

from .objects import Bucket
from .wire import Answer, Recorder, Request, read_request
from .wire_faults import NO_FAULT, Schedule, WireFault

__all__ = ["FaultServer", "reset"]

_LIMIT = 1 << 16


class FaultServer(Recorder):
    """Serves a :class:`Bucket` on the loopback, on the running event loop. An async context manager.

    Args:
        faults: chooses the fault of each request; may be replaced at any time.
        port: 0 takes a free one.

    Attributes:
        bucket: what is stored.
        connections: how many were opened.
        busy: requests that are being carried out or answered.
    """

    def __init__(self, faults: Schedule | None = None, *, port: int = 0) -> None:
        super().__init__()
        self.faults = faults
        self.bucket: Bucket = Bucket()
        self.connections: int = 0
        self.busy: int = 0
        self._port = port
        self._numbers = itertools.count()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        return len(self._tasks)

    @property
    def tasks(self) -> frozenset[asyncio.Task[None]]:
        """Those of the server itself, one a connection; all others on the loop are the client's."""
        return frozenset(self._tasks)

    async def start(self) -> None:
        """Listen. After :meth:`stop` on the same port again, with what was stored."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, limit=_LIMIT)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and reset all connections, as when the process is killed."""
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A plain function, so that the task is ours: asyncio complains about one that it made and that is cancelled.
        task = asyncio.ensure_future(self._converse(reader, writer, self.connections))
        self.connections += 1
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        try:
            with suppress(OSError):  # the client has gone
                await self._answer_all(reader, writer, connection)
            await _closed(writer)
        except asyncio.CancelledError:
            reset(writer.transport)
            with suppress(asyncio.CancelledError):  # it was this that was cancelled
                await _closed(writer)

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while (read := await read_request(reader, writer, next(self._numbers), connection)) is not None:
            request, body = read
            self.note(request)
            fault = self.faults(request) if self.faults is not None else NO_FAULT
            self.busy += 1
            try:
                if not await self._serve(request, body, fault, reader, writer):
                    break
            finally:
                self.busy -= 1

    async def _serve(
        self,
        request: Request,
        body: bytes,
        fault: WireFault,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Carry out a request with its fault; whether the connection goes on."""
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if await _interrupted("before", fault, reader, writer):
            return False
        answer = self._carry_out(request, body, fault)
        if fault.late:
            await asyncio.sleep(fault.late)
        if await _interrupted("after", fault, reader, writer):
            return False
        return await _send(answer, request, fault, writer)

    def _carry_out(self, request: Request, body: bytes, fault: WireFault) -> Answer:
        if fault.before is not None:
            fault.before()
        if fault.whole or fault.shift:
            request = replace(request, headers=_displaced(request.headers, fault))
        if fault.status is not None and not fault.committed:
            return _refusal(fault)
        answer = self.bucket.handle(request, body, stale=fault.stale)
        if fault.duplicate is not None:
            asyncio.get_running_loop().call_later(fault.duplicate, self.bucket.handle, request, body)
        return answer if fault.status is None else _refusal(fault)


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and hear how it ended.

    asyncio keeps a reset by the client in a future, and counts on a finalizer to look at it before the future's own
    finalizer complains that nobody has: which of the two comes first is up to the garbage collector.
    """
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _interrupted(
    moment: Literal["before", "after"], fault: WireFault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Reset the connection, or hold it until the client gives up, if the fault wants it at this moment."""
    if fault.reset == moment:
        reset(writer.transport)
    elif fault.silent == moment:
        with suppress(OSError):
            await reader.read()
    return moment in (fault.reset, fault.silent)


def reset(transport: asyncio.WriteTransport) -> None:
    """End a connection by RST at once, whatever was not sent yet."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _displaced(headers: Mapping[str, str], fault: WireFault) -> dict[str, str]:
    asked = headers.get("range", "")
    rest = {name: value for name, value in headers.items() if name != "range"}
    if fault.whole or not asked:
        return rest
    start, _, stop = asked.removeprefix("bytes=").partition("-")
    ends = [str(int(end) + fault.shift) if end else "" for end in (start, stop)]
    return rest | {"range": "bytes=" + "-".join(ends)}


def _refusal(fault: WireFault) -> Answer:
    assert fault.status is not None
    codes = {503: "SlowDown", 429: "TooManyRequests", 500: "InternalError", 403: "AccessDenied"}
    code = codes.get(fault.status, "InjectedFault")
    headers = {"Content-Type": "application/xml"}
    if fault.retry_after is not None:
        headers["Retry-After"] = f"{fault.retry_after:g}"
    return Answer(fault.status, f"<Error><Code>{code}</Code><Message>on purpose</Message></Error>".encode(), headers)


async def _send(answer: Answer, request: Request, fault: WireFault, writer: asyncio.StreamWriter) -> bool:
    """Send an answer with its fault; whether the connection goes on."""
    body = b"" if answer.status in (204, 304) else answer.body
    if fault.flip is not None and body:
        flipped = bytearray(body)
        flipped[fault.flip // 8 % len(body)] ^= 1 << fault.flip % 8
        body = bytes(flipped)
    head = answer.head(len(body) + fault.length_error)
    if request.verb == "HEAD":
        body = b""
    if fault.length_error < 0:
        body = body[: fault.length_error]
    whole = len(body)
    if fault.cut is not None:
        body = body[: fault.cut]
    elif fault.reset == "body":
        body = body[: len(body) // 2]
    await _drip(head, body, fault.bandwidth, writer)
    if fault.reset == "body":
        reset(writer.transport)
        return False
    return len(body) == whole and not fault.length_error and request.headers.get("connection", "").lower() != "close"


async def _drip(head: bytes, body: bytes, bandwidth: float | None, writer: asyncio.StreamWriter) -> None:
    if bandwidth is None:
        writer.write(head + body)
        await writer.drain()
        return
    writer.write(head)
    step = max(1, int(bandwidth / 20))
    for start in range(0, len(body), step):
        piece = body[start : start + step]
        await asyncio.sleep(len(piece) / bandwidth)
        writer.write(piece)
        await writer.drain()
