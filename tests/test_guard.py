"""The guard that every test runs under: what blocks inside of asynczarr is found, what coverage does is let be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from blockbuster import BlockingError
from coverage import Coverage

import asynczarr as az


def inside_of_asynczarr(call: Callable[[], object]) -> object:
    """What `call()` returns, called by code that seems to stand in a file of the package (which coverage reads)."""
    return eval(compile("call()", az.__file__, "eval"), {"call": call})


async def test_a_call_that_blocks_the_loop_is_found(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("here")  # tests themselves may
    with pytest.raises(BlockingError):
        inside_of_asynczarr(file.stat)


async def test_waiting_for_a_lock_is_found_unless_it_is_of_coverage(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = threading.Lock()
    with lock:
        assert inside_of_asynczarr(lambda: lock.acquire(blocking=False)) is False
        with pytest.raises(BlockingError):
            inside_of_asynczarr(lambda: lock.acquire(timeout=0.01))
        monkeypatch.setattr(Coverage, "current", lambda: SimpleNamespace(_collector=SimpleNamespace(data_lock=lock)))
        assert inside_of_asynczarr(lambda: lock.acquire(timeout=0.01)) is False
