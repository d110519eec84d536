"""A TCP proxy that fails on purpose, and remembers what clients have sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

__all__ = ["Proxy"]

Fault = Literal["reset", "lose", "swallow"]


class Proxy:
    """Between clients and a server on the loopback; ``async with`` it.

    Attributes:
        port: where clients connect.
        sent: everything that clients have sent, whether it was passed on or not.
        connections: how many there have been.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._fault: tuple[Fault, bytes] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.sent = bytearray()
        self.connections = 0
        self.port = 0

    def fail(self, how: Fault, on: bytes) -> None:
        """Fail once, on a request with the bytes `on`.

        ``reset`` it before the server sees it, ``lose`` the server's answer to it and reset, or ``swallow`` it and all
        that follows on its connection.
        """
        self._fault = how, on

    def count(self, text: bytes) -> int:
        """How often clients have sent `text`."""
        return self.sent.count(text)

    async def __aenter__(self) -> Proxy:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        while self._tasks:
            await asyncio.wait([*self._tasks])

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        pair = [to_client, to_server]
        self._writers += pair
        fault: Fault | None = None

        async def requests() -> None:
            nonlocal fault
            while data := await client.read(1 << 16):
                self.sent += data
                if self._fault is not None and self._fault[1] in data:
                    fault, self._fault = self._fault[0], None
                if fault == "reset":
                    return
                if fault != "swallow":
                    to_server.write(data)

        async def answers() -> None:
            while (data := await server.read(1 << 16)) and fault != "lose":
                to_client.write(data)

        async def one_way(copy: Callable[[], Awaitable[None]]) -> None:
            with suppress(ConnectionError):
                await copy()
            for writer in pair:
                writer.transport.abort()  # and so the other way ends, too

        await asyncio.gather(one_way(requests), one_way(answers))
        self._tasks.discard(task)
