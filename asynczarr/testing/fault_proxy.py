"""A proxy in front of any real server that slows, breaks and loses what passes.

::

    async with FaultProxy(server.port) as proxy:
        proxy.latency = 0.02                                                    # seconds, each way
        proxy.faults = Drawn({WireFault(reset="after"): 0.2}, verbs=["PUT"])        # lost acknowledgements
        store = S3Store("bucket", endpoint=proxy.address, ...)

An exchange is a request and its answer: what the client sends after it was answered begins the next one. That holds
for HTTP/1.1 without pipelining and for the protocols of databases that answer each command.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import Self

from .relay import Relay
from .wire import Recorder, Request, now, parse
from .wire_faults import NO_FAULT, Schedule, WireFault

__all__ = ["FaultProxy"]

_HTTP = re.compile(rb"[A-Z]+ [^ ]+ HTTP/1\.1\r\n").match
_RESP = re.compile(rb"\*\d+\r\n\$\d+\r\n(\w+)\r\n(?:\$\d+\r\n([^\r]*)\r\n)?").match


class FaultProxy(Recorder):
    """Forwards connections on the loopback, on the running event loop. An async context manager.

    Of a :class:`WireFault` it does ``delay``, ``reset``, ``silent`` and ``cut`` (bytes of the whole answer); the others
    need a server that knows them. ``reset="after"`` forwards the request, waits until the server has answered, and
    swallows the answer.

    Args:
        port: of the server.
        host: of the server.
        faults: chooses the fault of each exchange; may be replaced at any time.

    Attributes:
        latency: seconds that each byte is under way, in each direction; bytes follow each other without a pause.
        bandwidth: bytes a second of all connections together, in each direction.
        blackhole: what is sent arrives nowhere, and nobody is told.
        requests: what began each exchange. Of HTTP and Redis it has verb and key, of other protocols neither.
        connections: how many were opened.
    """

    def __init__(self, port: int, host: str = "127.0.0.1", *, faults: Schedule | None = None) -> None:
        super().__init__()
        self.faults = faults
        self.latency: float = 0.0
        self.bandwidth: float | None = None
        self.blackhole = False
        self.connections: int = 0
        self._to = (host, port)
        self._port = 0
        self._numbers = itertools.count()
        self._server: asyncio.Server | None = None
        self._open: set[Relay] = set()
        self._free = [0.0, 0.0]
        self._idle = asyncio.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def address(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen; again on the same port after :meth:`refuse`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._relay, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse new connections from now on. Those that are open go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def drop(self) -> None:
        """Reset all open connections."""
        for connection in list(self._open):
            connection.reset()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse()
        self.drop()
        if self._open:
            self._idle.clear()
            await self._idle.wait()

    def _relay(self) -> asyncio.Protocol:
        self.connections += 1
        return Relay(self, self.connections - 1, self._to).client

    def opened(self, relay: Relay) -> None:
        """Called by a relay when its client has come."""
        self._open.add(relay)

    def closed(self, relay: Relay) -> None:
        """Called by a relay when both of its ends are gone."""
        self._open.discard(relay)
        if not self._open:
            self._idle.set()

    def begin(self, first: bytes, connection: int) -> WireFault:
        """Note that an exchange has begun with these bytes; its fault."""
        request = _described(first, next(self._numbers), connection)
        self.note(request)
        fault = self.faults(request) if self.faults is not None else NO_FAULT
        known = {"delay": fault.delay, "reset": fault.reset, "silent": fault.silent, "cut": fault.cut}
        if fault is not NO_FAULT and fault != WireFault(**known):  # type: ignore[arg-type]  # fields of it
            raise ValueError(f"a proxy cannot do this: {fault}")
        return fault

    def arrival(self, direction: int, size: int) -> float:
        """When bytes that are sent now arrive, by the clock of the event loop."""
        at = now()
        if self.bandwidth is not None:
            at = self._free[direction] = max(self._free[direction], at) + size / self.bandwidth
        return at + self.latency


def _described(first: bytes, number: int, connection: int) -> Request:
    if _HTTP(first) is not None:
        return parse(first.partition(b"\r\n\r\n")[0], number, connection)
    command = _RESP(first)
    verb, key = (command[1].decode().upper(), command[2] or b"") if command else ("", b"")
    return Request(number, connection, now(), verb, "", key.decode("latin-1"), {}, {}, len(first))
