"""Stores that other projects wrote, and what their values are."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every data set unpacked, next to a link ``expected`` to what is known of them."""
    if not DATA.is_dir():
        pytest.skip("the data sets of other projects are not next to this repository")
    root = tmp_path_factory.mktemp("real-data")
    for archive in sorted(DATA.glob("*.tar.gz")):
        with tarfile.open(archive) as tar:
            tar.extractall(root, filter="data")
    (root / "expected").symlink_to(DATA / "expected")
    return root


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """``report(text)`` prints, whether the test passes or fails and whatever pytest captures."""

    @contextmanager
    def shown() -> Iterator[None]:
        with capsys.disabled():
            yield

    def write(text: str) -> None:
        with shown():
            print(f"\n{text}")

    return write
