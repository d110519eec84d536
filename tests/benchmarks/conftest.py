"""Small arrays on disk for the pieces of the benchmark suite."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tensorstore", reason="the suite writes its arrays by tensorstore")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where arrays are written, once for all tests."""
    return tmp_path_factory.mktemp("benchmarks")
