"""A small store of every kind of node, and a runner of the command line program."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner, Result

import asynczarr as az

ROOT = Path(__file__).parents[2]


class Program(NamedTuple):
    """Runs `asynczarr` in this process."""

    runner: CliRunner

    def __call__(self, *args: object, code: int = 0) -> Result:
        from asynczarr.cli.app import app

        result = self.runner.invoke(app, [str(arg) for arg in args], prog_name="asynczarr")
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result

    def json(self, *args: object, code: int = 0) -> Any:
        return json.loads(self(*args, "--json", code=code).stdout)

    def lines(self, *args: object, code: int = 0) -> list[Any]:
        return [json.loads(line) for line in self(*args, "--json", code=code).stdout.splitlines()]


@pytest.fixture
def program() -> Program:
    return Program(CliRunner())


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``python ...`` with asynczarr importable, in a process of its own."""

    def run(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
        command = [sys.executable, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False, **options)

    return run


TEMPERATURE = np.arange(30 * 40, dtype="float32").reshape(30, 40) / 10


async def _make(root: Path) -> None:
    async with az.create_group(root, attributes={"title": "a test"}) as group:
        array = await group.create_array(
            "air/temperature",
            shape=(30, 40),
            dtype="float32",
            chunks=(5, 10),
            shards=(10, 40),
            dimension_names=("time", "x"),
            attributes={"units": "K"},
        )
        await array.write(TEMPERATURE)
        counts = await group.create_array("counts", shape=(6,), dtype="int16", chunks=(2,), fill_value=7)
        await counts[:2].write([1, 2])
        names = await group.create_array("names", shape=(2, 2), dtype="str", chunks=(2, 2))
        await names.write(np.array([["a b", "c"], ["", "\x1b[31m"]], dtype=object))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "test.zarr"
    asyncio.run(_make(root))
    return root
