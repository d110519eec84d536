"""Azurite, Microsoft's emulator of Azure Blob Storage, from npm."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request

from .base import Server, npm_install

__all__ = ["AzuriteServer"]

_PACKAGE = "azurite@3.37.0"


class AzuriteServer(Server):
    """``http://127.0.0.1:PORT/devstoreaccount1``; data on disk survives :meth:`kill`.

    Attributes:
        account: the one account of every emulator.
        key: its key, which everybody knows.
    """

    name = "azurite"
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    @property
    def address(self) -> str:
        """``http://127.0.0.1:PORT/devstoreaccount1``."""
        return f"http://127.0.0.1:{self.port}/{self.account}"

    @property
    def connection_string(self) -> str:
        """Address and key."""
        return f"AccountName={self.account};AccountKey={self.key};BlobEndpoint={self.address}"

    @classmethod
    def install(cls) -> None:
        """From npm."""
        if shutil.which("node") is None or shutil.which("npm") is None:
            raise RuntimeError("node and npm are not installed")
        npm_install(cls.name, _PACKAGE)

    def start(self) -> None:
        """Start it; every client version is welcome."""
        program = npm_install(self.name, _PACKAGE) / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", self.folder / "data"]
        flags = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        self.spawn(["node", program, *options, *flags])
        self.wait(self._answers)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.address, timeout=1).close()
        except urllib.error.HTTPError as answer:
            answer.close()
        return True
