"""The program as a process: its exit codes, what it needs, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import asynczarr
from asynczarr.cli import memory as memory_module
from asynczarr.cli.memory import PeakMemory

from .conftest import ROOT

Process = Callable[..., "subprocess.CompletedProcess[str]"]


def test_module(process: Process, store: Path) -> None:
    done = process("-m", "asynczarr", "info", store, "counts", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["shape"] == [6]
    assert process("-m", "asynczarr", "--version").stdout == f"asynczarr {asynczarr.__version__}\n"


def test_failure_is_one_line(process: Process, tmp_path: Path) -> None:
    done = process("-m", "asynczarr", "info", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: NotFound")
    assert done.stderr.count("\n") == 1
    done = process("-m", "asynczarr", "info", tmp_path, "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("missing", [["click"], ["rich"], ["click", "rich"]])
def test_missing_libraries(process: Process, missing: list[str]) -> None:
    hide = f"import sys; sys.modules.update(dict.fromkeys({missing}))"
    done = process(
        "-c", f"{hide}; sys.argv = ['asynczarr', 'info']; import asynczarr.cli; sys.exit(asynczarr.cli.main())"
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert " and ".join(missing) in done.stderr
    assert "pip install 'asynczarr[cli]'" in done.stderr


def test_missing_demo_libraries(process: Process, tmp_path: Path) -> None:
    hide = "import sys; sys.modules.update(dict.fromkeys(['matplotlib']))"
    run = f"sys.argv = ['asynczarr', 'demo', '--out', {str(tmp_path)!r}]; import asynczarr.cli; asynczarr.cli.main()"
    done = process("-c", f"{hide}; {run}")
    assert done.returncode == 2
    assert "matplotlib" in done.stderr
    assert "asynczarr[demo]" in done.stderr


def test_reader_that_goes_away(store: Path) -> None:
    command = [sys.executable, "-m", "asynczarr", "cat", str(store), "air/temperature"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as program:
        assert program.stdout
        assert program.stderr
        program.stdout.close()
        assert program.stderr.read() == b""


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_interrupt(tmp_path: Path, process: Process) -> None:
    make = (
        "import asyncio, asynczarr as az\n"
        "asyncio.run(az.create_array('big', shape=(2**50,), dtype='u1', chunks=(2**10,)).__aenter__())"
    )
    assert process("-c", make, cwd=tmp_path).returncode == 0
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "asynczarr", "stream", "big", "--json"]
    # A shell starts what it runs in the background with Ctrl-C ignored, and Python then leaves it so.
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=tmp_path)
    finally:
        signal.signal(signal.SIGINT, heeded)
    with program:
        assert program.stdout
        assert program.stderr
        assert program.stdout.readline().startswith(b'{"type": "chunk"')
        _wait_until_full(program.stdout.fileno())
        program.send_signal(signal.SIGINT)
        assert program.wait(60) == 130  # although nobody reads what it has to say
        assert program.stderr.read() == b"interrupted\n"
        assert program.stdout.read().endswith(b"}\n")


def _wait_until_full(pipe: int) -> None:
    import fcntl
    import termios

    held, before = -1, -2
    while held != before:
        time.sleep(0.3)
        before, held = held, int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_completion(process: Process) -> None:
    run = "from asynczarr.cli import main; main()"
    script = process("-c", run, env={"_ASYNCZARR_COMPLETE": "zsh_source"})
    assert "_ASYNCZARR_COMPLETE=zsh_complete" in script.stdout
    env = {"_ASYNCZARR_COMPLETE": "bash_complete", "COMP_WORDS": "asynczarr con", "COMP_CWORD": "1"}
    assert process("-c", run, env=env).stdout == "plain,consolidate\n"


class TestMemory:
    def test_growth_is_that_of_the_block(self) -> None:
        memory = PeakMemory()
        block = bytearray(64 * 2**20)
        block[:: 2**12] = b"x" * (len(block) // 2**12)
        del block
        growth = memory.growth()
        assert growth is None or growth >= 60 * 2**20
        again = PeakMemory().growth()
        assert again is None or again < 32 * 2**20

    def test_where_there_is_no_proc(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(memory_module, "_RESET", tmp_path / "none" / "clear_refs")
        monkeypatch.setattr(memory_module, "_STATUS", tmp_path / "status")
        assert PeakMemory().growth() is not None
        monkeypatch.setitem(sys.modules, "resource", None)
        assert PeakMemory().growth() is None
