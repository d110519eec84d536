"""At the end of a test run: which backend was tested on which server. At its head: the seed of all chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from asynczarr.middleware import Wrapper
from asynczarr.store import Store, StoreBase
from asynczarr.testing import seed

from .base import Server

_PROPERTY = "tested on"


def pytest_configure() -> None:
    """Draw the seed before worker processes are started, so that they share it."""
    seed()


def pytest_report_header() -> str:
    """How to repeat this run."""
    return f"ASYNCZARR_SEED={seed()}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note the server of a test, and the backend if it has a store."""
    values = list(getattr(item, "funcargs", {}).values())
    servers = {value.name for value in values if isinstance(value, Server)}
    stores = {type(_bare(value)).__name__ for value in values if isinstance(value, (StoreBase, Wrapper))}
    for server in servers:
        item.user_properties.append((_PROPERTY, f"{server}: {' '.join(sorted(stores)) or item.path.stem}"))
    yield


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each server and backend."""
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == _PROPERTY and report.when == "call":
                    counts.setdefault(value, Counter())[outcome] += 1
    if counts:
        terminalreporter.section("backends on servers")
        for where, outcomes in sorted(counts.items()):
            told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
            terminalreporter.write_line(f"{where} ({told})")


def _bare(store: Store) -> Store:
    while isinstance(store, Wrapper):
        store = store.inner
    return store
