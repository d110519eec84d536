"""The package as a stranger meets it: its names, its cost to import, its types and its version."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import asynczarr

PACKAGE = Path(asynczarr.__file__).parent
MODULES = sorted(
    info.name for info in pkgutil.walk_packages([str(PACKAGE)], "asynczarr.") if "__main__" not in info.name
)

# What a program pays for only when it uses it: codec libraries, the command line, other Zarr implementations, clouds.
HEAVY = {
    *("blosc2", "google_crc32c", "lz4", "ml_dtypes", "msgpack", "numcodecs", "pcodec", "zfpy", "zstandard"),
    *("click", "matplotlib", "rich"),
    *("dask", "fsspec", "pandas", "tensorstore", "torch", "xarray", "zarr"),
    *("aiofiles", "aiohttp", "boto3", "botocore", "httpx", "obstore", "opentelemetry"),
}

IMPORT_LIMIT = 0.080
FILE_LIMIT = 400


def _python(code: str) -> str:
    # Coverage would start in the child and be timed and seen in place of asynczarr.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_"))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean)
    return done.stdout.strip()


def _loaded(code: str) -> set[str]:
    return set(_python(f"{code}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})").split())


def test_import_is_quick() -> None:
    # CPU time of the import alone: neither the interpreter's start nor a busy machine counts.
    code = "import time; begin = time.process_time(); import asynczarr; print(time.process_time() - begin)"
    cost = min(float(_python(code)) for _ in range(7))
    assert cost < IMPORT_LIMIT, f"import asynczarr takes {1000 * cost:.0f} ms"


def test_import_loads_nothing_heavy() -> None:
    loaded = _loaded("import asynczarr")
    assert "asynczarr" in loaded
    assert not (HEAVY | {"numpy", "asyncio", "anyio"}) & loaded


def test_public_names_load_no_sdk() -> None:
    loaded = _loaded("from asynczarr import *")
    assert "asynczarr" in loaded
    assert not HEAVY & loaded


def test_every_public_name_resolves_and_is_listed() -> None:
    assert sorted(set(asynczarr.__all__)) == asynczarr.__all__
    assert set(asynczarr.__all__) <= set(dir(asynczarr))
    assert [name for name in asynczarr.__all__ if getattr(asynczarr, name) is None] == []


def test_lazy_names_are_the_typed_names() -> None:
    # Type checkers read the imports, programs use the table, readers look at `__all__`: they must not drift apart.
    imports = {
        alias.asname or alias.name: node.module
        for node in ast.walk(ast.parse(Path(asynczarr.__file__).read_text()))
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert set(imports) == set(asynczarr.__all__)
    eager = {name for name, module in imports.items() if module in {"errors", "types"}}
    assert {name: module for name, module in imports.items() if name not in eager} == asynczarr._LATER


def test_every_error_is_public() -> None:
    errors = importlib.import_module("asynczarr.errors")
    assert set(errors.__all__) <= set(asynczarr.__all__)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'open_the_door'"):
        _ = asynczarr.open_the_door
    assert not hasattr(asynczarr, "__wrapped__")


def test_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from asynczarr import *", names)
    assert set(asynczarr.__all__) <= set(names)


def test_version() -> None:
    assert asynczarr.__version__ == version("asynczarr")


def test_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("name", MODULES)
def test_module_has_docstring_and_all(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    missing = [public for public in module.__all__ if not hasattr(module, public)]
    assert not missing, f"{name}.__all__ names what is not there"


def test_public_objects_have_docstrings() -> None:
    undocumented = [
        name
        for name in asynczarr.__all__
        if callable(value := getattr(asynczarr, name)) and not (getattr(value, "__doc__", "") or "").strip()
    ]
    assert not undocumented


def test_files_fit_a_reader() -> None:
    lengths = {path.relative_to(PACKAGE): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {path: lines for path, lines in lengths.items() if lines > FILE_LIMIT}


def test_relative_imports_inside() -> None:
    absolute = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "asynczarr"
    ]
    assert not absolute
