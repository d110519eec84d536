"""Python's http.server: a folder of files over HTTP without ranges and without ETags."""

from __future__ import annotations

import os
import sys

from .base import Server

__all__ = ["PlainServer"]


class PlainServer(Server):
    """Gives out the files below ``root``."""

    name = "plain"

    @property
    def root(self) -> str:
        """The folder that is given out."""
        return os.fspath(self.folder / "root")

    @classmethod
    def install(cls) -> None:
        """It comes with Python."""

    def start(self) -> None:
        """HTTP/1.1, so that connections are kept."""
        (self.folder / "root").mkdir(exist_ok=True)
        arguments = ["--bind", "127.0.0.1", "--protocol", "HTTP/1.1", "--directory", self.root, str(self.port)]
        self.spawn([sys.executable, "-m", "http.server", *arguments])
        self.wait(self.listens)
