"""Redis, from Debian, with its append-only file."""

from __future__ import annotations

import socket

from .base import Server, apt_install

__all__ = ["RedisServer"]


class RedisServer(Server):
    """``redis://127.0.0.1:PORT``."""

    name = "redis"

    @property
    def address(self) -> str:
        """``redis://127.0.0.1:PORT``."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def socket(self) -> str:
        """Its Unix socket."""
        return str(self.folder / "redis.sock")

    @classmethod
    def install(cls) -> None:
        """From Debian."""
        apt_install("redis-server", "redis-server")

    def start(self) -> None:
        """Every write is in the append-only file before it is acknowledged."""
        options = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self.folder), "daemonize": "no"}
        options |= {"save": "", "appendonly": "yes", "appendfsync": "always", "unixsocket": self.socket}
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self.spawn([apt_install("redis-server", "redis-server"), *arguments])
        self.wait(self.answers)

    def answers(self) -> bool:
        """Whether it has loaded its data."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(100).startswith(b"+PONG")
