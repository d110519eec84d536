"""Every program in examples/ runs to its end, and what README.md shows works."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEEDS = {"icechunk_session": "icechunk"}  # there is none for Python 3.11
LEAVES = {"mongodb_store": "ignore:unclosed <socket:ResourceWarning"}
"""PyMongo drops the socket of an attempt to connect that its ``close()`` cancels; Python closes it, with a warning."""

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_example_runs(script: Path, tmp_path: Path) -> None:
    if script.stem in NEEDS:
        pytest.importorskip(NEEDS[script.stem])
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", *(["-W", LEAVES[script.stem]] if script.stem in LEAVES else []), script],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert list(tmp_path.iterdir()) == []


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


async def test_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(block.splitlines()) <= 20
    code = compile(
        block.replace("asyncio.run(main())", "await main()"), "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    )
    running = eval(code, {})
    assert inspect.isawaitable(running)
    await running
    assert (tmp_path / "temperature.zarr" / "zarr.json").is_file()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_readme_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_readme_begins_with_its_two_commands() -> None:
    commands = re.findall(r"^python3 -m pip install nox && nox -s (\w+)", README, re.MULTILINE)
    assert commands == ["demo", "tests"]
