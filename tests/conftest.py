"""What every test gets: a guard against blocking calls in the event loop, and event loops to choose from."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import NoReturn

import pytest
from blockbuster import BlockBuster
from coverage import Coverage
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.fixtures", "tests.servers.summary"]

# A shared two-core runner is slow at random, and random slowness is no bug: only an absolute timeout is a failure.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers of this suite (the pytest options make an unknown marker an error)."""
    config.addinivalue_line("markers", "every_loop: run under asyncio, uvloop and, on 3.12+, eager tasks")
    config.addinivalue_line("markers", "xdist_group(name): tests that share a server run in one worker")
    config.addinivalue_line("markers", "allow_blocking(reason): blocking calls in the event loop are no error here")


def _skip_or_fail(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (under CI a missing peer is a failure)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def skip_or_fail() -> Callable[[str], NoReturn]:
    """``skip_or_fail("no node on PATH")``: a visible skip on a laptop, a failure where the variable ``CI`` is set."""
    return _skip_or_fail


@pytest.fixture(scope="session")
def session_skip_or_fail() -> Callable[[str], NoReturn]:
    """The same for fixtures that live as long as the test run."""
    return _skip_or_fail


def _or_lock_of_coverage(can_block: Callable[..., bool]) -> Callable[..., bool]:
    """Coverage guards its data with a lock that the tracers of all threads take, from C: no frame tells whose it is."""

    def predicate(lock: object, *args: object, **kwargs: object) -> bool:
        collector = getattr(Coverage.current(), "_collector", None)
        return lock is getattr(collector, "data_lock", None) or can_block(lock, *args, **kwargs)

    return predicate


@pytest.fixture(scope="session")
def _blockbuster() -> BlockBuster:
    # Only calls that asynczarr makes count: tests may write files inside of `async def` as they like.
    guard = BlockBuster("asynczarr")
    allowed = [
        # Entry points are read once a process, when a name is first looked up: a part of importing their package.
        ("os.stat", "importlib/metadata/__init__.py", "entry_points"),
        ("os.listdir", "importlib/metadata/__init__.py", "entry_points"),
        ("io.TextIOWrapper.read", "importlib/metadata/__init__.py", "entry_points"),
        ("io.TextIOWrapper.read", "gcloud/aio/auth/__init__.py", "<module>"),  # reads its own version when imported
        # PyMongo looks whether it runs in a container when it meets a server.
        ("os.stat", "pymongo/pool_options.py", "get_container_env_info"),
    ]
    for call, file, function in allowed:
        guard.functions[call].can_block_in(file, function)
    acquire = guard.functions["threading.Lock.acquire"]
    acquire.can_block_predicate = _or_lock_of_coverage(acquire.can_block_predicate)
    # multiprocessing, which numcodecs imports, and rich remember the folder they were started in.
    guard.functions["os.getcwd"].can_block_in("multiprocessing/process.py", "<module>")
    guard.functions["os.getcwd"].can_block_in("rich/__init__.py", "<module>")
    return guard


@pytest.fixture(autouse=True)
def no_blocking_calls(request: pytest.FixtureRequest, _blockbuster: BlockBuster) -> Iterator[None]:
    """Make every call that would block the event loop raise ``blockbuster.BlockingError``."""
    marker = request.node.get_closest_marker("allow_blocking")
    if marker is not None:
        assert marker.args, "allow_blocking needs a reason"
        yield
        return
    _blockbuster.activate()
    try:
        yield
    finally:
        _blockbuster.deactivate()


def _uvloop() -> asyncio.AbstractEventLoop:
    if find_spec("uvloop") is None:
        _skip_or_fail("uvloop is not installed")
    import uvloop

    return uvloop.new_event_loop()


def _eager() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loops that a test runs under: all of them if it is marked ``every_loop``, else plain asyncio."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.get_closest_marker("every_loop") is not None:
        loops["uvloop"] = _uvloop
        if sys.version_info >= (3, 12):
            loops["eager"] = _eager
    return loops
