"""How much a chaos test does, and where its figures go."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from . import figures


@pytest.fixture
def scale() -> Callable[[int, int, int], int]:
    """``scale(quick, chaos, long)``: how much to do: in the ordinary suite, under ``nox -s chaos``, in its long run."""
    return lambda quick, chaos, long: {"quick": quick, "chaos": chaos, "long": long}[figures.LEVEL]


@pytest.fixture
def figure() -> Callable[..., None]:
    """``figure("title", "backend", writes=..., lost=...)``: a row of the tables in ``docs/promises.md``."""
    return figures.note


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only on demand: several depend on how quick the machine is. Long runs take as long as they take."""
    if "ASYNCZARR_CHAOS" not in os.environ:
        reason = pytest.mark.skip(reason="chaos tests run by `nox -s chaos`, or where ASYNCZARR_CHAOS=quick is set")
        for item in items:
            if "/chaos/" in item.path.as_posix() and item.path.name != "test_promises.py":
                item.add_marker(reason)
        return
    if figures.LEVEL != "quick":
        for item in items:
            if "/chaos/" in item.path.as_posix():
                item.add_marker(pytest.mark.timeout(7200))
