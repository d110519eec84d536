"""Keep one test server up for hands-on use: ``nox -s servers -- NAME``."""

from __future__ import annotations

import argparse
import pkgutil
import signal
import threading
from importlib import import_module

from .base import Server


def servers() -> dict[str, type[Server]]:
    """All servers of this package, by name."""
    import tests.servers

    for module in pkgutil.iter_modules(tests.servers.__path__):
        if not module.name.startswith(("test_", "__", "fixtures", "summary")):
            import_module(f"tests.servers.{module.name}")
    found: dict[str, type[Server]] = {}
    kinds = [Server]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if isinstance(kind.__dict__.get("name"), str):
            found[kind.name] = kind
    return found


def settings(server: Server) -> dict[str, object]:
    """What a client needs to know: the public attributes that are plain values."""
    found = {}
    for name in dir(server):
        if not name.startswith("_"):
            value = getattr(server, name)
            if isinstance(value, str | int | dict) and name != "name":
                found[name] = value
    return found


def main() -> None:
    """Start it, say how to reach it, stop it when asked to."""
    known = servers()
    parser = argparse.ArgumentParser(prog="nox -s servers --", description=__doc__)
    parser.add_argument("name", choices=sorted(known), help="the server")
    kind = known[parser.parse_args().name]
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    with kind() as server:
        print(f"{kind.name} is up; Ctrl-C stops it and removes its data")
        for name, value in {**settings(server), "folder": server.folder}.items():
            print(f"  {name} = {value}", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
