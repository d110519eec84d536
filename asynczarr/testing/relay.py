"""One connection through the fault proxy: two ends, and to each a line of bytes that are under way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from .fault_server import reset
from .wire import now
from .wire_faults import NO_FAULT, WireFault

__all__ = ["Proxy", "Relay"]

_HELD = 4 << 20
"""Bytes under way in one direction of one connection from which on no more are taken."""


class Proxy(Protocol):
    """What a relay needs of its proxy."""

    blackhole: bool

    def begin(self, first: bytes, connection: int) -> WireFault:
        """Note that an exchange has begun with these bytes; its fault."""
        ...

    def arrival(self, direction: int, size: int) -> float:
        """When bytes that are sent now arrive, by the clock of the event loop."""
        ...

    def opened(self, relay: Relay) -> None:
        """A client has come."""
        ...

    def closed(self, relay: Relay) -> None:
        """Both ends are gone."""
        ...


class Relay:
    """A connection of a client, and the one to the server that belongs to it.

    Args:
        proxy: whose connection it is.
        number: its number there.
        to: host and port of the server.
    """

    def __init__(self, proxy: Proxy, number: int, to: tuple[str, int]) -> None:
        self.proxy = proxy
        self.number = number
        self.to = to
        self.client: _Side = _Side(self, 0)
        self.server: _Side = _Side(self, 1)
        self.client.peer, self.server.peer = self.server, self.client
        self.fault: WireFault = NO_FAULT
        self.answered: bool = True
        self.passed: int = 0

    def opened(self) -> None:
        """The client is there."""
        self.proxy.opened(self)
        self.client.pause()
        self.connecting: asyncio.Task[None] = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.server, *self.to)
            self.client.resume()
        except OSError:
            self.reset()

    def asked(self, data: bytes) -> None:
        """The client has sent this."""
        if self.answered:
            self.answered, self.passed = False, 0
            self.fault = self.proxy.begin(data, self.number)
            if self.fault.delay:
                self.server.line.not_before = now() + self.fault.delay
        if self.fault.reset == "before":
            self.reset()
        elif self.fault.silent != "before":
            self.server.line.put(data)

    def told(self, data: bytes) -> None:
        """The server has sent this."""
        line = self.client.line
        if data.startswith(b"HTTP/1.1 100 "):
            line.put(data)
            return
        self.answered = True
        if self.fault.reset == "after":
            self.reset()
        elif self.fault.silent == "after":
            pass
        elif self.fault.cut is not None or self.fault.reset == "body":
            left = max(0, (self.fault.cut or 1) - self.passed)
            self.passed += len(data)
            line.put(data[:left])
            if self.passed >= (self.fault.cut or 1):
                line.put(self.reset if self.fault.reset == "body" else self.close)
        else:
            line.put(data)

    def reset(self) -> None:
        """End both sides by RST."""
        for side in (self.client, self.server):
            side.end(by_reset=True)

    def close(self) -> None:
        """End the client's side in good order, although it was promised more."""
        self.client.end(by_reset=False)
        self.server.end(by_reset=True)

    def lost(self) -> None:
        """One side is gone."""
        if self.client.gone and not self.connecting.done():
            self.connecting.cancel()
        if self.client.gone and (self.server.gone or self.server.transport is None):
            self.proxy.closed(self)


class _Side(asyncio.Protocol):
    """One of the two ends."""

    peer: _Side

    def __init__(self, connection: Relay, number: int) -> None:
        self.connection = connection
        self.line: _Line = _Line(self, number)
        self.transport: asyncio.Transport | None = None
        self.gone: bool = False
        self.heard_end: bool = False
        self.told_end: bool = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self is self.connection.client:
            self.connection.opened()

    def data_received(self, data: bytes) -> None:
        if not self.connection.proxy.blackhole:
            (self.connection.asked if self is self.connection.client else self.connection.told)(data)

    def eof_received(self) -> bool:
        self.heard_end = True
        self.peer.line.put(self.peer.finish)
        return not self.told_end  # both ways are over: asyncio closes, which it does not by itself

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        if exc is not None:
            self.peer.end(by_reset=True)
        else:
            self.peer.line.put(lambda: self.peer.end(by_reset=False))
        self.connection.lost()

    def pause_writing(self) -> None:
        self.peer.pause()

    def resume_writing(self) -> None:
        self.peer.resume()

    def pause(self) -> None:
        """Take nothing more from this end for now."""
        if self.transport is not None and not self.gone:
            self.transport.pause_reading()

    def resume(self) -> None:
        """Go on taking."""
        if self.transport is not None and not self.gone:
            self.transport.resume_reading()

    def finish(self) -> None:
        """Tell this end that no more will come."""
        self.told_end = True
        if self.transport is None or self.transport.is_closing():
            return
        if self.heard_end:
            self.transport.close()
        else:
            self.transport.write_eof()

    def end(self, *, by_reset: bool) -> None:
        """Close the connection to this end."""
        if self.transport is None:
            return
        if by_reset:
            reset(self.transport)
        else:
            self.transport.close()


class _Line:
    """Bytes, and things to do, that are under way to one end."""

    def __init__(self, end: _Side, number: int) -> None:
        self.end = end
        self.number = number
        self.not_before: float = 0.0
        self.items: deque[tuple[float, bytes | Callable[[], None]]] = deque()
        self.held: int = 0
        self.timer: asyncio.TimerHandle | None = None

    def put(self, item: bytes | Callable[[], None]) -> None:
        """Let this arrive after all that was put before."""
        size = len(item) if isinstance(item, bytes) else 0
        due = max(self.end.connection.proxy.arrival(self.number, size), self.not_before)
        self.not_before = due
        self.items.append((due, item))
        self.held += size
        if self.held > _HELD:
            self.end.peer.pause()
        if self.timer is None:
            self._arrive()

    def _arrive(self) -> None:
        self.timer = None
        while self.items:
            wait = self.items[0][0] - now()
            if wait > 0:
                self.timer = asyncio.get_running_loop().call_later(wait, self._arrive)
                return
            _, item = self.items.popleft()
            if not isinstance(item, bytes):
                item()
            elif self.end.transport is not None and not self.end.transport.is_closing():
                self.end.transport.write(item)
                self.held -= len(item)
                if self.held <= _HELD < self.held + len(item):
                    self.end.peer.resume()
