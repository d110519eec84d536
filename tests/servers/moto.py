"""moto, the S3 of AWS played by a Python program: quick, strict about conditions, everything in memory."""

from __future__ import annotations

from .base import pip_install
from .s3 import S3Server

__all__ = ["MotoServer"]

# moto's own program answers requests in threads, and its conditions are then check-then-act: of 200 compare-and-swaps
# one was lost. One request after the other, as here, they hold.
_PROGRAM = """
import sys
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple
application = DomainDispatcherApplication(create_backend_app)
run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=False, request_handler=MotoRequestHandler)
"""


class MotoServer(S3Server):
    """``http://127.0.0.1:PORT``; any credentials are good. :meth:`kill` loses everything that was stored."""

    name = "moto"

    @classmethod
    def install(cls) -> None:
        """From PyPI, in an environment of its own: it wants another botocore than the store may have."""
        pip_install(cls.name, "moto[server] >= 5.2")

    def start(self) -> None:
        """Ready after about a second."""
        python = pip_install(self.name, "moto[server] >= 5.2") / "python"
        self.spawn([python, "-c", _PROGRAM, str(self.port)])
        self.wait(self.listens)
