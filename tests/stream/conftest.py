"""Fixtures of the engine's tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from asynczarr.codec import pool


@pytest.fixture(scope="package", autouse=True)
def _frozen_heap() -> Iterator[None]:
    """What was imported so far is no garbage: without it, ``gc.collect()`` in a test takes a millisecond, not 50."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The pool for codecs has a single thread."""
    size = pool.pool_size()
    pool.set_pool_size(1)
    yield
    pool.set_pool_size(size)


def pytest_configure(config: pytest.Config) -> None:
    """Also called for a conftest that is found late."""
    config.addinivalue_line("markers", "slow: takes seconds; leave out with -m 'not slow'")
