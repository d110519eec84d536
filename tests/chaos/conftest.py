"""How much a chaos test does, in which time, and where its figures go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from . import figures
from .virtual_time import VirtualTimeLoop


@pytest.fixture
def scale() -> Callable[[int, int, int], int]:
    """``scale(quick, chaos, long)``: how much to do: in the ordinary suite, under ``nox -s chaos``, in its long run."""
    return lambda quick, chaos, long: {"quick": quick, "chaos": chaos, "long": long}[figures.LEVEL]


@pytest.fixture
def figure() -> Callable[..., None]:
    """``figure("title", "backend", writes=..., lost=...)``: a row of the tables in ``docs/promises.md``."""
    return figures.note


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of these tests."""
    config.addinivalue_line("markers", "virtual_time: the clock of the event loop jumps to the next timer")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    """The loop for tests in virtual time; others get what the whole suite gets."""
    return {"virtual": VirtualTimeLoop} if item.get_closest_marker("virtual_time") is not None else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test has its time: little in the ordinary suite, an hour where much is to be done."""
    limit = {"quick": 120, "chaos": 3600, "long": 36_000}[figures.LEVEL]
    for item in items:
        starts_a_server = item.get_closest_marker("timeout") is not None
        if "/chaos/" in item.path.as_posix() and not (starts_a_server and figures.LEVEL == "quick"):
            item.add_marker(pytest.mark.timeout(limit))
