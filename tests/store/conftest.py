"""What the tests of stores share."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """PyMongo drops the socket of an attempt to connect that its ``close()`` cancels: collect it before the next test.

    It closes then, with a warning, which pytest would lay at the door of whatever test runs at that moment.
    """
    yield
    if "mongo" in item.nodeid:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
