"""The page of promises names tests that exist, has a row for every verb of every backend, and figures of a real run."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

from . import figures

ROOT = Path(__file__).parents[2]
VERBS = ("get", "get_ranges", "head", "set", "set create", "set if_version", "delete", "delete if_version")
VERBS += ("delete_many", "list list_dir")
BACKENDS = ("Memory", "Filesystem", "Zip", "LMDB", "Redis", "MongoDB", "S3", "Google Cloud Storage")
BACKENDS += ("Azure Blob Storage", "HTTP", "obstore", "Stores of zarr-python")


def _sections() -> dict[str, list[list[str]]]:
    """The rows of each backend's table, as cells."""
    page = figures.PAGE.read_text().partition("## Proof under faults")[0]
    sections = re.split(r"^### (.+)$", page, flags=re.MULTILINE)[1:]
    return {
        title: [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines()
            if line.startswith("| `")
        ]
        for title, text in zip(sections[::2], sections[1::2], strict=True)
    }


def test_every_verb_of_every_backend_has_a_row() -> None:
    sections = _sections()
    assert tuple(sections) == BACKENDS
    for title, rows in sections.items():
        assert [cells[0].replace("`", "").replace(",", "") for cells in rows] == list(VERBS), title
        for cells in rows:
            assert len(cells) == 7, (title, cells)
            assert all(cells[1:]), (title, cells)
            assert "::" in cells[6], (title, cells[0], "names no test")


@cache
def _defined(stem: str) -> frozenset[str]:
    """Functions and classes of the test file of this name."""
    files = [*ROOT.glob(f"tests/*/{stem}.py"), *ROOT.glob(f"asynczarr/testing/{stem}.py")]
    assert len(files) == 1, f"{stem} is {len(files)} files"
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return frozenset(node.name for node in ast.walk(ast.parse(files[0].read_text())) if isinstance(node, kinds))


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(\w+)::(\w+)`", figures.PAGE.read_text())
    assert len(named) > 200
    missing = sorted({f"{stem}::{name}" for stem, name in named if name not in _defined(stem)})
    assert missing == []


def test_every_chaos_test_is_named() -> None:
    """A file of this folder that the page does not mention would prove something that nobody is told."""
    page = figures.PAGE.read_text()
    for file in Path(__file__).parent.glob("test_*.py"):
        assert file.stem == Path(__file__).stem or f"`{file.stem}::" in page, file.stem


@pytest.mark.skipif(figures.LEVEL != "quick", reason="the page is made when this run is over")
def test_the_figures_are_those_of_the_last_run() -> None:
    page = figures.PAGE.read_text()
    shown = page.partition(figures.BEGIN)[2].partition(figures.END)[0]
    assert shown.strip() == figures.render(json.loads(figures.RESULTS.read_text())).strip()
