"""Every command, for people and for scripts, with its exit codes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

import asynczarr as az

from .conftest import TEMPERATURE, Program


def _read(store: Path, path: str) -> np.ndarray:
    async def read() -> np.ndarray:
        async with az.open_array(store, path) as array:
            return await array.read()

    return asyncio.run(read())


def _break_chunk(store: Path) -> Path:
    """Damage one stored object of counts."""
    (key,) = (store / "counts" / "c").iterdir()
    key.write_bytes(b"nonsense")
    return key


def _edit(document: Path, **changes: object) -> None:
    document.write_text(json.dumps(json.loads(document.read_text()) | changes))


class TestInfo:
    def test_array(self, program: Program, store: Path) -> None:
        text = program("info", store, "/air/temperature/", "--stored").stdout
        for word in (
            "array /air/temperature",
            "time=30 x x=40",
            "float32",
            "5 x 10: 24",
            "10 x 40: 3",
            "zstd",
            'units = "K"',
        ):
            assert word in text
        assert "in 3 objects" in text
        assert not any(line != line.rstrip() for line in text.splitlines())

    def test_array_json(self, program: Program, store: Path) -> None:
        found = program.json("info", store, "air/temperature", "--stored")
        assert (found["shape"], found["chunks"], found["shards"]) == ([30, 40], [5, 10], [10, 40])
        assert (found["node_type"], found["data_type"], found["zarr_format"]) == ("array", "float32", 3)
        assert (found["nchunks"], found["nbytes"], found["fill_value"]) == (24, 4800, 0)
        assert found["codecs"][0]["name"] == "sharding_indexed"
        assert found["attributes"] == {"units": "K"}
        assert found["stored"]["objects"] == 3
        assert found["stored"]["bytes"] == sum(
            file.stat().st_size for file in (store / "air/temperature/c").rglob("*/*")
        )

    def test_group(self, program: Program, store: Path) -> None:
        text = program("info", store).stdout
        assert "group /" in text
        assert 'title = "a test"' in text
        found = program.json("info", store, "--stored")
        assert (found["node_type"], found["consolidated"], found["stored"]["objects"]) == ("group", False, 5)

    def test_v2_and_rectilinear(self, program: Program, tmp_path: Path) -> None:
        async def make() -> None:
            async with az.create_array(tmp_path / "2", shape=(4,), dtype=">i2", chunks=(2,), zarr_format=2):
                pass
            async with az.create_array(tmp_path / "r", shape=(6,), dtype="i1", chunks=[[1, 2, 3]]):
                pass

        asyncio.run(make())
        assert program.json("info", tmp_path / "2")["data_type"] == ">i2"
        assert "Zarr v2" in program("info", tmp_path / "2").stdout
        assert "3 of different shapes" in program("info", tmp_path / "r").stdout


class TestListing:
    def test_tree(self, program: Program, store: Path) -> None:
        lines = program("tree", store).stdout.splitlines()
        assert lines[0] == "/"
        assert lines[1:3] == ["├── air", "│   └── temperature (30, 40) float32"]
        assert "temperature" not in program("tree", store, "--depth", 1).stdout
        assert program("tree", store, "counts").stdout == "counts (6,) int16\n"

    def test_tree_json(self, program: Program, store: Path) -> None:
        found = program.json("tree", store)
        assert [child["name"] for child in found["children"]] == ["air", "counts", "names"]
        assert found["children"][0]["children"][0]["shape"] == [30, 40]

    def test_ls(self, program: Program, store: Path) -> None:
        text = program("ls", store).stdout
        assert text.splitlines()[0].split() == ["name", "type", "shape", "data", "type"]
        assert [line.split()[0] for line in text.splitlines()[1:]] == ["air", "counts", "names"]
        assert [child["name"] for child in program.json("ls", store, "air")] == ["temperature"]
        assert program.json("ls", store, "counts")[0]["node_type"] == "array"


class TestStream:
    def test_text(self, program: Program, store: Path) -> None:
        text = program("stream", store, "air/temperature").stdout
        for word in ("24, 0 of them not stored", "1,200 in 4.7 KiB", "throughput", "first chunk", "119.9"):
            assert word in text

    @pytest.mark.parametrize("options", [[], ["--unordered", "--concurrency", 2, "--max-bytes", "1KiB"]])
    def test_json_lines(self, program: Program, store: Path, options: list[object]) -> None:
        *chunks, summary = program.lines("stream", store, "air/temperature", *options)
        assert len(chunks) == summary["chunks"] == 24
        for chunk in chunks:
            part = TEMPERATURE[tuple(slice(*bounds) for bounds in chunk["region"])]
            assert chunk["statistics"]["max"] == pytest.approx(float(part.max()))
        assert {tuple(chunk["index"]) for chunk in chunks} == set(np.ndindex(6, 4))
        assert summary["elements"] == 1200
        assert summary["statistics"]["mean"] == pytest.approx(float(TEMPERATURE.mean()))
        assert summary["first_chunk_seconds"] <= summary["seconds"]

    def test_missing_chunks_count_as_fill_values(self, program: Program, store: Path) -> None:
        *chunks, summary = program.lines("stream", store, "counts")
        assert [chunk["missing"] for chunk in chunks] == [False, True, True]
        assert summary["missing"] == 2
        assert summary["statistics"] == {"count": 6, "nan": 0, "min": 1, "max": 7, "mean": 31 / 6}

    def test_selection_and_strings(self, program: Program, store: Path) -> None:
        assert program.lines("stream", store, "air/temperature", "--select", "0, ::-1")[-1]["elements"] == 40
        assert program.lines("stream", store, "names")[-1]["statistics"] is None
        assert program.lines("stream", store, "counts", "--select", "2:2")[-1]["first_chunk_seconds"] is None
        assert "elements" in program("stream", store, "counts", "--select", "2:2").stdout

    def test_errors(self, program: Program, store: Path) -> None:
        _break_chunk(store)
        result = program("stream", store, "counts", code=1)
        assert "CodecError" in result.stderr
        assert result.stderr.count("\n") == 1
        result = program("stream", store, "counts", "--skip-errors", code=1)
        assert "chunk (0,)" in result.stdout
        summary = program.lines("stream", store, "counts", "--skip-errors", code=1)[-1]
        assert (summary["chunks"], summary["failed"][0]["chunk"]) == (2, [0])
        assert "group" in program("stream", store, code=1).stderr


class TestCopy:
    def test_as_it_is(self, program: Program, store: Path, tmp_path: Path) -> None:
        found = program.json("copy", store, tmp_path / "copy.zip")
        assert (found["arrays"], found["groups"], found["recoded"]) == (3, 2, 0)
        np.testing.assert_array_equal(_read(tmp_path / "copy.zip", "air/temperature"), TEMPERATURE)

    def test_rechunk_and_recode(self, program: Program, store: Path, tmp_path: Path) -> None:
        target = tmp_path / "copy.zarr"
        options = [
            "--chunks",
            "15,8",
            "--shards",
            "none",
            "--codecs",
            "gzip,crc32c",
            "--source-path",
            "air/temperature",
        ]
        text = program("copy", store, target, *options, "--path", "/t").stdout
        assert "10 of them made anew" in text
        found = program.json("info", target, "t")
        assert (found["chunks"], found["shards"]) == ([15, 8], None)
        assert [codec["name"] for codec in found["codecs"]] == ["bytes", "gzip", "crc32c"]
        np.testing.assert_array_equal(_read(target, "t"), TEMPERATURE)

    def test_formats_and_shards(self, program: Program, store: Path, tmp_path: Path) -> None:
        one, two = tmp_path / "v2.zarr", tmp_path / "v3.zarr"
        program("copy", store, one, "--source-path", "air/temperature", "--zarr-format", 2, "--chunks", 10)
        assert (one / ".zarray").is_file()
        program("copy", one, two, "--zarr-format", 3, "--shards", "20,20", "--max-bytes", "1MiB")
        assert program.json("info", two)["shards"] == [20, 20]
        np.testing.assert_array_equal(_read(two, ""), TEMPERATURE)

    def test_targets_are_not_overwritten_unasked(self, program: Program, store: Path, tmp_path: Path) -> None:
        target = tmp_path / "copy.zarr"
        program("copy", store, target)
        assert "AlreadyExists" in program("copy", store, target, code=1).stderr
        program("copy", store, target, "--overwrite")

    @pytest.mark.parametrize("path", ["", "air", "air/temperature/x"])
    def test_a_node_is_not_copied_into_itself(self, program: Program, store: Path, path: str) -> None:
        result = program("copy", store, store, "--source-path", "air", "--path", path, "--overwrite", code=1)
        assert "into itself" in result.stderr
        np.testing.assert_array_equal(_read(store, "air/temperature"), TEMPERATURE)

    def test_usage(self, program: Program, store: Path, tmp_path: Path) -> None:
        assert "an array has chunks" in program("copy", store, tmp_path / "x", "--chunks", "none", code=2).stderr
        program("copy", store, tmp_path / "x", "--codecs", "zippy", code=1)
        program("copy", store, tmp_path / "x", "--zarr-format", "4", code=2)
        program("copy", store, code=2)


class TestValidate:
    def test_valid(self, program: Program, store: Path) -> None:
        assert (
            "0 errors in 2 groups, 3 arrays and 26 chunks (2 more are not stored)" in program("validate", store).stdout
        )
        found = program.json("validate", store)
        assert found == {"valid": True, "groups": 2, "arrays": 3, "chunks": 26, "missing": 2, "errors": []}

    def test_every_error_is_reported(self, program: Program, store: Path) -> None:
        _break_chunk(store)
        shard = store / "air/temperature/c/0/0"
        shard.write_bytes(shard.read_bytes()[:-1])
        _edit(store / "names/zarr.json", node_type="arrow")
        found = program.json("validate", store, code=1)
        assert not found["valid"]
        kinds = [(error["path"], error["what"], error["error"]) for error in found["errors"]]
        assert ("names", "metadata", "MetadataError") in kinds
        assert ("counts", "chunk", "CodecError") in kinds
        broken = [error["chunk"] for error in found["errors"] if error["path"] == "air/temperature"]
        assert sorted(broken) == [list(index) for index in np.ndindex(2, 4)]
        text = program("validate", store, code=1).stdout
        assert "/names: metadata" in text
        assert "10 errors" in text

    def test_tolerated_metadata_is_an_error_and_chunks_are_still_read(self, program: Program, store: Path) -> None:
        _edit(store / "counts/zarr.json", fill_value=7.0)
        program("info", store, "counts")
        found = program.json("validate", store, "counts", code=1)
        assert [(error["path"], error["what"]) for error in found["errors"]] == [("counts", "metadata")]
        assert found["chunks"] == 1

    def test_consolidated_metadata_is_compared(self, program: Program, store: Path) -> None:
        assert program.json("consolidate", store)["nodes"] == 4
        assert program.json("info", store)["consolidated"]
        program("validate", store)
        document = store / "counts/zarr.json"
        _edit(document, attributes={"new": 1})
        (store / "names/zarr.json").unlink()
        asyncio.run(_add_group(store / "late"))
        found = program.json("validate", store, code=1)
        reasons = {error["path"]: error["message"] for error in found["errors"] if error["what"] == "consolidated"}
        assert "differs" in reasons.pop("counts")
        assert "not stored" in reasons.pop("names")
        assert "not in the consolidated" in reasons.pop("late")
        assert not reasons

    @pytest.mark.parametrize("shape", [(), (0,), (0, 3)])
    def test_scalars_and_empty_arrays(self, program: Program, tmp_path: Path, shape: tuple[int, ...]) -> None:
        asyncio.run(_add_array(tmp_path / "a", shape))
        assert program.json("validate", tmp_path / "a")["arrays"] == 1
        for command in ("info", "ls", "tree", "stream"):
            program(command, tmp_path / "a")

    def test_a_lone_bad_node_and_no_node(self, program: Program, tmp_path: Path) -> None:
        (tmp_path / "zarr.json").write_text("{")
        assert program.json("validate", tmp_path, code=1)["errors"][0]["what"] == "metadata"
        assert "NotFound" in program("validate", tmp_path / "nothing", code=1).stderr


async def _add_group(folder: Path) -> None:
    async with az.create_group(folder):
        pass


async def _add_array(folder: Path, shape: tuple[int, ...]) -> None:
    async with az.create_array(folder, shape=shape, dtype="int8"):
        pass


class TestConsolidate:
    def test_text(self, program: Program, store: Path) -> None:
        assert "4 nodes" in program("consolidate", store).stdout
        assert "array" in program("consolidate", store, "counts", code=1).stderr


class TestErrors:
    def test_one_line_without_a_traceback(self, program: Program, store: Path) -> None:
        result = program("info", store, "nothing", code=1)
        assert result.stdout == ""
        assert result.stderr.startswith("Error: NotFound: no Zarr array or group here")
        assert result.stderr.count("\n") == 1

    def test_debug_shows_the_traceback(self, program: Program, store: Path) -> None:
        result = program("info", store, "nothing", "--debug", code=1)
        assert isinstance(result.exception, az.NotFound)

    @pytest.mark.parametrize(
        "where", ["s3://bucket/x", "nope://x", "file:///a/../b", "memory://empty", "zip:///does/not/exist.zip"]
    )
    def test_places_that_cannot_be_opened(self, program: Program, where: str) -> None:
        assert program("info", where, code=1).stderr.startswith("Error: ")

    @pytest.mark.parametrize(
        "args", [["nope"], ["info"], ["stream", "x", "--max-bytes", "much"], ["cat", "x", "--format", "xls"]]
    )
    def test_usage(self, program: Program, args: list[str]) -> None:
        program(*args, code=2)

    def test_selections_that_do_not_fit(self, program: Program, store: Path) -> None:
        assert "SelectionError" in program("cat", store, "counts", "--select", "99", code=1).stderr
        assert "SelectionError" in program("cat", store, "counts", "--select", "0,0", code=1).stderr

    def test_names_of_foreign_stores_cannot_control_the_terminal(self, program: Program, store: Path) -> None:
        _edit(store / "counts/zarr.json", attributes={"\x1b[2J": "\x1b]0;x\x07"}, dimension_names=["\x1b[1A"])
        for args in (["info", store, "counts"], ["cat", store, "names"], ["ls", store], ["info", store, "\x1b[2J"]):
            result = program(*args, code=1 if "\x1b[2J" in args else 0)
            assert "\x1b" not in result.output
            assert "\x07" not in result.output
