"""The quickstart does what it says, and the documentation names what exists."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import asynczarr

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


async def test_quickstart_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = "\n".join(BLOCK.findall((DOCS / "quickstart.md").read_text()))
    code = compile(program, "quickstart.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, {})
    assert inspect.isawaitable(running)
    await running
    assert (tmp_path / "temperature.zarr" / "zarr.json").is_file()


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_pages_name_what_exists(page: Path) -> None:
    text = page.read_text()
    named = set(re.findall(r"\baz\.([A-Za-z_]\w*)", text)) | set(re.findall(r"`asynczarr\.([A-Z]\w*)`", text))
    assert named <= set(asynczarr.__all__)
