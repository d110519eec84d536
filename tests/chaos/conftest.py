"""How much a chaos test does, and where its figures go."""

from __future__ import annotations

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
    """Long runs take as long as they take."""
    if figures.LEVEL != "quick":
        for item in items:
            if "/chaos/" in item.path.as_posix():
                item.add_marker(pytest.mark.timeout(7200))
