"""SecantusDB, which speaks MongoDB's protocol, from PyPI. It is under the GPL: it runs, and nothing links it."""

from __future__ import annotations

from .base import Server, pip_install

__all__ = ["SecantusServer"]

_REQUIREMENT = "secantusdb==0.7.0b3"


class SecantusServer(Server):
    """``mongodb://127.0.0.1:PORT``, a replica set of one; slow where a collection has thousands of files."""

    name = "secantusdb"

    @property
    def address(self) -> str:
        """``mongodb://127.0.0.1:PORT``."""
        return f"mongodb://127.0.0.1:{self.port}"

    @classmethod
    def install(cls) -> None:
        """From PyPI."""
        pip_install(cls.name, _REQUIREMENT)

    def start(self) -> None:
        """Its data is in the folder, journaled by WiredTiger."""
        program = pip_install(self.name, _REQUIREMENT) / "secantusd-py"
        options = {"host": "127.0.0.1", "port": str(self.port), "log-level": "WARNING"}
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        options["storage-path"] = str(data)
        self.spawn([program, *(part for name, value in options.items() for part in (f"--{name}", value))])
        self.wait(self.listens)
