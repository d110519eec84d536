"""``nox -s servers -- NAME``: a server that stays up until it is told to stop."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.__main__ import servers
from tests.servers.base import Server
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.xdist_group("redis")


def test_every_server_can_be_named() -> None:
    known = servers()
    assert known["redis"] is RedisServer
    assert all(issubclass(kind, Server) for kind in known.values())


@pytest.mark.usefixtures("redis_server")  # so that it is installed
def test_it_says_how_to_reach_it_and_leaves_nothing() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.servers", "redis"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert program.stdout is not None
    told = {}
    for line in program.stdout:
        name, _, value = line.strip().partition(" = ")
        told[name] = value
        if name == "folder":
            break
    assert told["address"] == f"redis://127.0.0.1:{told['port']}"
    folder = Path(told["folder"])
    assert folder.exists()
    program.send_signal(signal.SIGINT)
    assert program.wait(30) == 0
    program.stdout.close()
    assert not folder.exists()
