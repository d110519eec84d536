"""``asynczarr cat``: values in every format, as NumPy has them."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.cli import cat as cat_module

from .conftest import TEMPERATURE, Program


def _save(folder: Path, values: Any, dtype: Any = None, **spec: Any) -> Path:
    async def make() -> None:
        data = np.asarray(values)
        async with az.create_array(folder, shape=data.shape, dtype=dtype or data.dtype, **spec) as array:
            await array.write(data)

    asyncio.run(make())
    return folder


@pytest.fixture(params=[32 * 2**20, 64], ids=["one block", "many blocks"])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cat_module, "BLOCK_BYTES", request.param)


SHAPES = [(), (1,), (5,), (3, 4), (2, 3, 4), (2, 1, 2, 3), (40, 3), (2, 50)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("block")
def test_formats_agree_with_numpy(program: Program, tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape, dtype=int), dtype=">i4").reshape(shape)
    where = _save(tmp_path / "a", values, zarr_format=2, chunks=2)
    np.testing.assert_array_equal(np.load(io.BytesIO(program("cat", where, "--format", "npy").stdout_bytes)), values)
    assert program("cat", where, "--format", "raw").stdout_bytes == values.astype("<i4").tobytes()
    found = program.json("cat", where)
    assert found == {"shape": list(shape), "data_type": ">i4", "values": values.tolist()}
    text = program("cat", where).stdout
    assert [int(word) for word in text.split()] == values.ravel().tolist()
    assert text == _text(values)


def _text(values: np.ndarray) -> str:
    """Rows as lines, an empty line after each plane, two after each volume."""
    if values.ndim == 0:
        return f"{values}\n"
    if values.ndim == 1:
        return " ".join(map(str, values)) + "\n"
    return ("\n" * (values.ndim - 2)).join(_text(part) for part in values)


def test_selection(program: Program, store: Path) -> None:
    found = program.json("cat", store, "air/temperature", "--select", "1:3, ::-20")
    np.testing.assert_allclose(found["values"], TEMPERATURE[1:3, ::-20])
    assert program("cat", store, "air/temperature", "--select", "2,1").stdout == "8.1\n"


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 2)])
def test_no_elements(program: Program, tmp_path: Path, shape: tuple[int, ...]) -> None:
    where = _save(tmp_path / "a", np.empty(shape, "f4"))
    assert program("cat", where).stdout == ""
    assert program.json("cat", where) == {"shape": list(shape), "data_type": "float32", "values": []}
    assert np.load(io.BytesIO(program("cat", where, "--format", "npy").stdout_bytes)).shape == shape


def test_what_json_lacks(program: Program, tmp_path: Path) -> None:
    where = _save(tmp_path / "f", np.array([np.nan, np.inf, -np.inf, 0.1], "f4"))
    assert program.json("cat", where)["values"][:3] == ["NaN", "Infinity", "-Infinity"]
    assert program("cat", where).stdout == "nan inf -inf 0.1\n"
    where = _save(tmp_path / "c", np.array([1 + 2j]))
    assert program.json("cat", where)["values"] == [[1, 2]]
    where = _save(tmp_path / "d", np.array(["2020-01-02"], "M8[D]"))
    assert program("cat", where).stdout == "2020-01-02\n"
    assert program.json("cat", where)["values"] == [18263]
    where = _save(tmp_path / "b", [1.5, np.nan], "bfloat16")
    assert program.json("cat", where)["values"] == [1.5, "NaN"]
    assert len(program("cat", where, "--format", "raw").stdout_bytes) == 4


def test_strings(program: Program, store: Path) -> None:
    assert program("cat", store, "names").stdout == '"a b" c\n"" "\\u001b[31m"\n'
    assert program.json("cat", store, "names")["values"] == [["a b", "c"], ["", "\x1b[31m"]]


@pytest.mark.parametrize(("kind", "dtype"), [("npy", "str"), ("raw", "str"), ("npy", "bfloat16")])
def test_formats_that_cannot_hold_it(program: Program, tmp_path: Path, kind: str, dtype: str) -> None:
    where = _save(tmp_path / "a", np.zeros(2), dtype) if dtype != "str" else _save(tmp_path / "a", ["x"], "str")
    assert "MetadataError" in program("cat", where, "--format", kind, code=1).stderr


def test_output_file(program: Program, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    result = program("cat", store, "air/temperature", "--format", "npy", "-o", out)
    assert result.stdout == ""
    np.testing.assert_array_equal(np.load(out), TEMPERATURE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.npy", "test.zarr"]


def test_output_file_is_complete_or_as_before(program: Program, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text("before")
    shard = store / "air/temperature/c/2/0"
    shard.write_bytes(b"broken")
    program("cat", store, "air/temperature", "--json", "-o", out, code=1)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "test.zarr"]
    program("cat", store, "counts", "-o", tmp_path / "no/such/folder", code=1)


def test_json_is_one_document(program: Program, store: Path) -> None:
    assert json.loads(program("cat", store, "counts", "--json").stdout)["values"] == [1, 2, 7, 7, 7, 7]
    assert (
        program("cat", store, "counts", "--json").stdout == program("cat", store, "counts", "--format", "json").stdout
    )
