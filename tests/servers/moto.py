"""moto, the S3 of AWS played by a Python program: quick, strict about conditions, everything in memory."""

from __future__ import annotations

from .base import pip_install
from .s3 import S3Server

__all__ = ["MotoServer"]


class MotoServer(S3Server):
    """``http://127.0.0.1:PORT``; any credentials are good. :meth:`kill` loses everything that was stored."""

    name = "moto"

    @classmethod
    def install(cls) -> None:
        """From PyPI, in an environment of its own: it wants another botocore than the store may have."""
        pip_install(cls.name, "moto[server] >= 5.2")

    def start(self) -> None:
        """Ready after about a second."""
        program = pip_install(self.name, "moto[server] >= 5.2") / "moto_server"
        self.spawn([program, "-H", "127.0.0.1", "-p", str(self.port)])
        self.wait(self.listens)
