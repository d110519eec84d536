"""What there is to run: ``nox -s tests``, ``nox -s lint typing docs``, ``nox -l`` for the rest.

A session installs all that it needs. A Python that is not on the machine is skipped, and nox says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

if sys.version_info < (3, 11):  # noqa: UP036 - nox itself also runs on older ones
    sys.exit("asynczarr needs Python 3.11 or newer: run nox by one, e.g. `python3.12 -m pip install nox`")

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = sorted({"3.11", "3.12", "3.13", HERE}, key=lambda version: [int(part) for part in version.split(".")])
COVERAGE_MINIMUM = 95

nox.needs_version = ">= 2024.10"
nox.options.sessions = ["lint", "typing", "tests", "docs", "build"]
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

if shutil.which("pyenv"):
    # There, `python3.12` on PATH is a shim that fails unless that version is selected: select all that we can use.
    # The shim of `nox` itself has selected one already, which stays the first.
    versions = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False).stdout
    usable = [version for version in versions.split() if version.rpartition(".")[0] in PYTHONS]
    selected = [version for version in os.environ.get("PYENV_VERSION", "").split(":") if version]
    if usable:
        os.environ["PYENV_VERSION"] = ":".join(dict.fromkeys([*selected, *usable]))

PROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str, extras: str = "") -> None:
    """Install asynczarr, editable, with dependency groups of pyproject.toml."""
    wanted = [requirement for group in groups for requirement in nox.project.dependency_groups(PROJECT, group)]
    session.install("-e", f".[{extras}]" if extras else ".", *wanted)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The suite, on every Python that is here: on the newest with all servers and peers, and the coverage of that."""
    install(session, "test", "interop")
    here = [version for version in PYTHONS if version == HERE or shutil.which(f"python{version}")]
    newest = session.python == here[-1]
    # Servers, files and other libraries do not care which Python asks, and tracing makes threads wait for each other.
    env = {} if newest else {"ASYNCZARR_SERVERS": "off", "ASYNCZARR_INTEROP": "quick"}
    options = ["-n", "2", "--dist", "loadgroup", *(["--cov", "--cov-report="] if newest else [])]
    session.run("python", "-m", "pytest", *(session.posargs or options), env=env)
    if newest and not session.posargs:
        session.notify("coverage")


@nox.session
def coverage(session: nox.Session) -> None:
    """Fail where the `tests` session measured less than the minimum."""
    session.install("coverage")
    session.run("coverage", "report", f"--fail-under={COVERAGE_MINIMUM}")


@nox.session
def chaos(session: nox.Session) -> None:
    """The chaos tests, in less than an hour, and their figures into the docs; ASYNCZARR_CHAOS=long: ten times."""
    install(session, "test")
    env = {"ASYNCZARR_CHAOS": os.environ.get("ASYNCZARR_CHAOS", "chaos")}
    # A test may take long here and is then not stuck. Of two cores, one server and its clients leave much of one idle.
    options = ["-n", "2", "--dist", "loadgroup", "-o", "faulthandler_timeout=0"]
    session.run("python", "-m", "pytest", "tests/chaos", *options, *session.posargs, env=env)
    session.run("python", "-m", "tests.chaos.figures")


@nox.session
def servers(session: nox.Session) -> None:
    """Keep one of the test servers up until Ctrl-C: `nox -s servers -- redis`; without a name, which there are."""
    install(session, "test")
    session.run("python", "-m", "tests.servers", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, spelling, and the order of the layers."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("lint-imports")


@nox.session
def typing(session: nox.Session) -> None:
    """mypy and pyright, both strict, and the share of the public names that a type checker knows: all."""
    install(session, "typing", "test", extras="cli,codecs")
    # The stubs of NumPy are written for the Python that is installed, so check for that one.
    session.run("mypy", "--strict", f"--python-version={HERE}")
    session.run("pyright", f"--pythonversion={HERE}")
    # --verifytypes needs an installed package: an editable one is found by its path file only.
    session.run("pyright", f"--pythonversion={HERE}", "--verifytypes", "asynczarr", "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, with every warning an error."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """The main job on real data: write a sharded array, stream it, read it by zarr-python, draw it."""
    session.install(".[demo]")
    session.run("asynczarr", "demo", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """Every script in examples/ runs to its end."""
    session.install(".[demo,http,obstore]", "icechunk; python_version >= '3.12'")
    for script in sorted(Path("examples").glob("*.py")):
        if script.stem != "icechunk_session" or sys.version_info >= (3, 12):
            session.run("python", "-W", "error", str(script))


@nox.session(python=["3.13", "3.11"])
def bench(session: nox.Session) -> None:
    """Compare with the other Zarr libraries and write docs/performance.md; about an hour, ``-- --quick`` two minutes.

    On the newer Python everything, on the older one what only the older zarr-python needs.
    """
    install(session, "bench")
    newer = session.python == "3.13"
    if session.posargs:
        if newer:
            session.run("python", "-m", "benchmarks", *session.posargs)
        return
    if newer:
        session.run("python", "-m", "benchmarks", "micro")
        session.run("python", "-m", "benchmarks", "remote")
    session.run("python", "-m", "benchmarks", "--plan", "full" if newer else "older")


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel, install the wheel where nothing else is, and use it."""
    session.install("build")
    out = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(out, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(out))
    (wheel,) = out.glob("*.whl")
    session.install("--force-reinstall", str(wheel))
    session.chdir(out)  # away from the sources, so that the wheel is what gets imported
    session.run("python", "-W", "error", "-c", SMOKE_TEST)


SMOKE_TEST = """
import asyncio, pathlib, numpy as np, asynczarr as az

async def main():
    async with az.create_array("smoke.zarr", shape=(100, 100), dtype="int32", chunks=(30, 30)) as array:
        await array.write(np.arange(10_000, dtype="int32").reshape(100, 100))
    async with az.open_array("smoke.zarr") as array:
        total = sum([int(chunk.data.sum()) async for chunk in array.stream_chunks()])
    assert total == 49_995_000, total
    package = pathlib.Path(az.__file__).parent
    assert "site-packages" in package.parts and (package / "py.typed").exists()
    print("asynczarr", az.__version__, "works from", package)

asyncio.run(main())
"""


@nox.session
def changelog(session: nox.Session) -> None:
    """The next entry of the changelog, made of the fragments in changes/."""
    session.install("towncrier")
    session.run("towncrier", "build", "--draft", "--version", PROJECT["project"]["version"])
