"""Ping-pong with an echo server for some seconds; prints requests a second. Runs as a script: PORT SECONDS."""

from __future__ import annotations

import socket
import sys
import time

__all__ = ["requests_a_second"]


def requests_a_second(port: int, seconds: float) -> float:
    """One connection, one request at a time, so that client and server share one core."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = b"x" * 63 + b"\n"
        count, start = 0, time.perf_counter()
        while time.perf_counter() < start + seconds:
            connection.sendall(line)
            received = 0
            while received < len(line):
                received += len(connection.recv(len(line)))
            count += 1
        return count / (time.perf_counter() - start)


if __name__ == "__main__":
    sys.stdout.write(str(requests_a_second(int(sys.argv[1]), float(sys.argv[2]))))
