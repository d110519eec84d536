"""A bucket far away: the files of a folder over S3's protocol, each answer late and all of them through one line.

``python -m benchmarks.remote.bucket FOLDER LATENCY BYTES_PER_SECOND`` prints its port. Paths are ``/bucket/`` and that
of a file. It is a process of its own, signatures are ignored, and files are read once: it must not be what takes long.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import cast
from urllib.parse import unquote

__all__ = ["BUCKET", "RESET", "STATISTICS"]

BUCKET = "bucket"
RESET, STATISTICS = "/-/reset", "/-/statistics"
"""Paths that are answered at once and not counted: begin to count, and what was counted, as JSON."""

_TICK = 0.0005
"""Seconds by which a timer of asyncio is late on average: it waits in whole milliseconds."""

_RANGE = re.compile(rb"\r\nrange: *bytes=(\d*)-(\d*)", re.IGNORECASE).search
_MISSING = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>There is no such key.</Message></Error>"
_HEAD = "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n{more}x-amz-request-id: 0\r\n\r\n"
_FILE = 'ETag: "{etag}"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nAccept-Ranges: bytes\r\n'
_OCTETS = "binary/octet-stream"


@dataclass(slots=True)
class _Value:
    data: memoryview
    about: str
    whole: bytes


class _Files:
    """Files by path, kept once they were read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._values: dict[bytes, _Value | None] = {}

    def get(self, path: bytes) -> _Value | None:
        if path not in self._values:
            self._values[path] = self._read(unquote(path.decode()).partition("?")[0])
        return self._values[path]

    def _read(self, path: str) -> _Value | None:
        file = self._folder / path.removeprefix(f"/{BUCKET}/")
        if not file.is_file():
            return None
        data = file.read_bytes()
        about = _FILE.format(etag=md5(data, usedforsecurity=False).hexdigest())
        return _Value(memoryview(data), about, _head("200 OK", len(data), about))


class _Line:
    """Latency and bandwidth, and what went over the line since it was last reset."""

    def __init__(self, latency: float, bandwidth: float) -> None:
        self._latency = latency
        self._bandwidth = bandwidth
        self._free_at = 0.0
        self.reset()

    def reset(self) -> None:
        self._requests = self._bytes = self._now = self._most = 0
        self._busy = self._waited = 0.0
        self._changed_at = time.monotonic()
        self._cpu = time.process_time()

    def statistics(self) -> dict[str, float]:
        """Requests, bytes, most requests at a time, sum of the seconds that each took in here, CPU seconds."""
        self._count(0)
        return {
            "requests": self._requests,
            "bytes": self._bytes,
            "most": self._most,
            "waited": self._waited,
            "cpu": time.process_time() - self._cpu,
        }

    def send(self, connection: _Connection, parts: list[bytes | memoryview]) -> None:
        """Send an answer when its time has come: half of a round trip there, half back, and its turn on the line."""
        loop, nbytes = asyncio.get_running_loop(), sum(map(len, parts))
        self._requests += 1
        self._bytes += nbytes
        self._count(1)
        self._free_at = max(loop.time() + self._latency, self._free_at) + nbytes / self._bandwidth
        loop.call_at(self._free_at - _TICK, self._answer, connection, parts)

    def _answer(self, connection: _Connection, parts: list[bytes | memoryview]) -> None:
        self._count(-1)
        connection.write(parts)

    def _count(self, more: int) -> None:
        now = time.monotonic()
        self._waited += self._now * (now - self._changed_at)
        self._changed_at = now
        self._now = max(0, self._now + more)
        self._most = max(self._most, self._now)


class _Connection(asyncio.Protocol):
    """Requests without a body, one after the other."""

    def __init__(self, files: _Files, line: _Line) -> None:
        self._files, self._line = files, line
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            self._handle(request)

    def write(self, parts: list[bytes | memoryview]) -> None:
        if not self._transport.is_closing():
            self._transport.writelines(parts)

    def _handle(self, request: bytes) -> None:
        method, path, _ = request.split(b" ", 2)
        if path.startswith(b"/-/"):
            if path == RESET.encode():
                self._line.reset()
            body = json.dumps(self._line.statistics()).encode()
            self.write([_head("200 OK", len(body)), body])
            return
        value = self._files.get(path)
        if value is None:
            self._line.send(self, [_head("404 Not Found", len(_MISSING)), b"" if method == b"HEAD" else _MISSING])
        elif method == b"HEAD":
            self._line.send(self, [value.whole])
        else:
            self._line.send(self, _part(value, _RANGE(request)))


def _part(value: _Value, asked: re.Match[bytes] | None) -> list[bytes | memoryview]:
    size = len(value.data)
    if asked is None:
        return [value.whole, value.data]
    if asked[1]:
        start, stop = int(asked[1]), min(size, int(asked[2]) + 1 if asked[2] else size)
    else:
        start, stop = max(0, size - int(asked[2])), size
    if start >= stop:
        return [_head("416 Range Not Satisfiable", 0)]
    where = f"Content-Range: bytes {start}-{stop - 1}/{size}\r\n"
    return [_head("206 Partial Content", stop - start, value.about + where), value.data[start:stop]]


def _head(status: str, length: int, more: str = "", kind: str = _OCTETS) -> bytes:
    return _HEAD.format(status=status, length=length, kind=kind, more=more).encode()


async def _serve(folder: Path, latency: float, bandwidth: float) -> None:
    files, line = _Files(folder), _Line(latency, bandwidth)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(files, line), "127.0.0.1", 0, backlog=1024
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until the other end of the pipe is closed
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
    os._exit(0)
