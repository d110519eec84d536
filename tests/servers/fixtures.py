"""Session fixtures of the servers, and which of them a test run has used.

A module that uses one marks itself ``pytestmark = pytest.mark.xdist_group("NAME")``: all of its tests then run in one
worker process, so that one server is started and not one for each worker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

import pytest

from .azurite import AzuriteServer
from .base import Server
from .ceph import CephServer
from .fake_gcs import FakeGCSServer
from .moto import MotoServer
from .nginx import NginxServer
from .plain import PlainServer
from .redis import RedisServer
from .secantusdb import SecantusServer

__all__ = [
    "azurite_server",
    "ceph_server",
    "fake_gcs_server",
    "moto_server",
    "nginx_server",
    "own_server",
    "plain_server",
    "redis_server",
    "secantusdb_server",
    "server_fixture",
]

S = TypeVar("S", bound=Server)


@pytest.fixture(scope="session")
def own_server(session_skip_or_fail: Callable[[str], NoReturn]) -> Callable[[type[S]], S]:
    """``with own_server(RedisServer) as server:``: for a test that kills its server or changes how it is set up.

    A visible skip where the server cannot be installed, under CI a failure; always a skip where servers are off.
    """

    def make(kind: type[S]) -> S:
        if os.environ.get("ASYNCZARR_SERVERS") == "off":
            pytest.skip("ASYNCZARR_SERVERS=off: another Python runs the tests on servers")
        try:
            kind.install()
        except RuntimeError as error:
            session_skip_or_fail(f"no {kind.name} server: {error}")
        return kind()

    return make


def server_fixture(kind: type[S]) -> Callable[..., Iterator[S]]:
    """A session fixture that runs a server, for all tests that leave it as it is."""

    @pytest.fixture(scope="session", name=f"{kind.name}_server")
    def running(own_server: Callable[[type[S]], S]) -> Iterator[S]:
        with own_server(kind) as server:
            yield server

    return running


azurite_server = server_fixture(AzuriteServer)
ceph_server = server_fixture(CephServer)
fake_gcs_server = server_fixture(FakeGCSServer)
moto_server = server_fixture(MotoServer)
nginx_server = server_fixture(NginxServer)
plain_server = server_fixture(PlainServer)
redis_server = server_fixture(RedisServer)
secantusdb_server = server_fixture(SecantusServer)
