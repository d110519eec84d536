"""A server that answers every request with the same value, as cheaply as asyncio can; prints its port."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

__all__ = ["SIZE"]

SIZE = 64 * 1024
"""Bytes of the value."""

_HEAD = (
    f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nContent-Type: binary/octet-stream\r\n"
    'ETag: "0123456789abcdef0123456789abcdef"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n'
    "Accept-Ranges: bytes\r\nx-amz-request-id: 0123456789ABCDEF\r\nServer: benchmark\r\n\r\n"
)
_ANSWER = _HEAD.encode() + bytes(SIZE)
_END = b"\r\n\r\n"


class _Connection(asyncio.Protocol):
    """Only requests without a body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        *requests, self._received = (self._received + data).split(_END)
        for _ in requests:
            self._transport.write(_ANSWER)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
