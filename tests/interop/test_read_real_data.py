"""Stores written by other projects decode to the values that other readers find in them, or are refused.

Each test goes through a whole data set and says at its end what it found; ``docs/interop.md`` repeats the counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az

from .values import canonical, digest, little_endian

Report = Callable[[str], None]

EXPECTED = {
    "gdal-zarr": 76,
    "ome-zarr-examples": 13,
    "pizzarr": 134,
    "titiler-fixtures": 26,
    "zarr-implementations": 4,
    "zarr-js": 29,
    "zarrita-v2": 93,
    "zarrita-v3": 180,
    "zarrs-snapshots": 240,
}
"""Arrays of each data set that zarr-python or tensorstore decodes."""

EXCEPTIONS: dict[str, str] = {}
"""Arrays among them that asynczarr does not decode to the same values, and why. docs/interop.md repeats them."""

SNAPSHOT_EXCEPTIONS = {
    "zarrs.optional": "data type of zarrs alone, unregistered: elements that may be missing",
    "zarrs.gdeflate": "codec of zarrs alone, unregistered: made for GPUs; no Python package decodes it",
    "zarrs.vlen": "codec of zarrs alone, unregistered, superseded by zarrs.vlen_v2",
}
"""Names in zarrs' snapshots that are refused as unknown."""


async def read(where: Path, path: str = "") -> np.ndarray:
    async with az.open_array(where, path) as array:
        return await array.read()


def records(real_data: Path, name: str) -> Iterator[tuple[str, Path, str, list[dict[str, Any]]]]:
    """Label, store, path in the store and, of each reader that decodes it, the hash."""
    for line in (real_data / "expected" / f"{name}.jsonl").read_text().splitlines():
        record = json.loads(line)
        readers = [record.get(reader, {}) for reader in ("zarr_python", "tensorstore")]
        member = record.get("member", "")
        label = f"{record['path']}:{member}" if member else record["path"]
        yield label, real_data / record["path"], member, [found for found in readers if "sha256" in found]


@pytest.mark.parametrize("name", EXPECTED)
async def test_same_values_as_other_readers(name: str, real_data: Path, report: Report) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for label, where, path, readers in records(real_data, name):
        try:
            array = await read(where, path)
        except az.AsyncZarrError as error:
            if not readers:
                counts["refused, as by the others"] += 1
            elif label in EXCEPTIONS:
                counts["excepted"] += 1
            else:
                wrong.append(f"{label}: {type(error).__name__}: {error}")
            continue
        counts["decoded"] += 1
        if not readers:
            counts["decoded by no other"] += 1
        elif list(array.shape) == readers[0]["shape"] and digest(array, readers[0]["enc"]) == readers[0]["sha256"]:
            counts["equal"] += 1
        else:
            wrong.append(f"{label}: {array.dtype} {array.shape}, {array.reshape(-1)[:4]}, not {readers[0]}")
    report(f"{name}: " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    assert not wrong, "\n".join(wrong)
    assert counts["equal"] + counts["excepted"] == EXPECTED[name]


def snapshots(real_data: Path) -> Iterator[tuple[Path, str, str, dict[str, Any]]]:
    """Folder, data type, codec and metadata of each of zarrs' snapshots."""
    for document in sorted((real_data / "zarrs-snapshots" / "supported").rglob("zarr.json")):
        data_type, _, codec = document.parts[-5:-2]
        yield document.parent, data_type, codec.partition("(")[0], json.loads(document.read_text())


async def test_snapshots_have_the_reference_values(real_data: Path, report: Report) -> None:
    """Each snapshot of a data type has the same values, whatever the codec, unless the codec rounds."""
    references = real_data / "expected" / "zarrs-snapshots-reference"
    counts: Counter[str] = Counter()
    strings: dict[str, set[str]] = {"string": set(), "bytes": set()}
    wrong: list[str] = []
    for folder, data_type, codec, document in snapshots(real_data):
        try:
            array = await read(folder)
        except az.UnknownExtension as error:
            counts[f"excepted: {error.name}"] += 1
            if error.name not in SNAPSHOT_EXCEPTIONS:
                wrong.append(f"{folder}: {error}")
            continue
        if data_type in strings:  # the reference has none of these: they must agree with each other
            strings[data_type].add(json.dumps(canonical(array)))
            counts["equal"] += 1
            continue
        reference = (references / f"{data_type}.bin").read_bytes()
        if little_endian(array) == reference:
            counts["equal"] += 1
        elif codec == "numcodecs.fixedscaleoffset" and array.dtype.kind == "f":
            # offset 0 and scale 1: whole numbers
            truth = np.frombuffer(reference, document["data_type"]).reshape(array.shape)
            np.testing.assert_array_equal(array, np.trunc(array))
            np.testing.assert_allclose(array, truth, rtol=0, atol=0.5)
            counts["equal after rounding"] += 1
        else:
            wrong.append(f"{folder}: {array.dtype}, {array.reshape(-1)[:4]}")
    report("zarrs-snapshots, values: " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    assert not wrong, "\n".join(wrong)
    assert [len(values) for values in strings.values()] == [1, 1]
    assert counts["equal"] >= 571
    assert counts["equal after rounding"] == 4


async def test_snapshots_are_written_byte_by_byte_as_zarrs_does(real_data: Path, report: Report) -> None:
    """The same values under the same metadata become the same stored bytes, where a codec leaves no choice."""
    # Compressors may find other matches in other versions, and the upper bits of small integers may be anything.
    free = ("gzip", "numcodecs.zlib", "numcodecs.bz2", "zstd", "blosc", "numcodecs.pcodec")
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for folder, data_type, codec, _ in snapshots(real_data):
        if (
            codec in free
            or data_type in ("int2", "int4")
            or data_type.startswith("zarrs.")
            or codec in SNAPSHOT_EXCEPTIONS
        ):
            continue
        store = az.MemoryStore()
        await store.set("zarr.json", (folder / "zarr.json").read_bytes())
        async with az.open_array(store, mode="r+", options=az.NodeOptions(write_empty_chunks=False)) as array:
            await array.write(await read(folder))
        ours = {key: await store.get(key) async for key in store.list("")}
        files = (path for path in folder.rglob("*") if path.is_file())
        theirs = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
        counts[codec] += 1
        if ours != theirs:
            wrong.append(str(folder))
    report(
        "zarrs-snapshots, written again: " + ", ".join(f"{count} {codec}" for codec, count in sorted(counts.items()))
    )
    assert not wrong, "\n".join(wrong)
    assert counts.total() >= 325


async def test_unsupported_snapshots_are_refused(real_data: Path, report: Report) -> None:
    """69 combinations of data type and codec that make no sense: at opening, or at the latest when they are used."""
    counts: Counter[str] = Counter()
    accepted: list[str] = []
    for path in sorted((real_data / "zarrs-snapshots" / "unsupported").rglob("*.json")):
        store = az.MemoryStore()
        await store.set("zarr.json", json.dumps(json.loads(path.read_text())["array_metadata"]).encode())
        try:
            await az.open_array(store)
            accepted.append("/".join(path.parts[-5:-1]))
        except az.AsyncZarrError as error:
            counts[type(error).__name__] += 1
    report("zarrs-snapshots, unsupported: " + ", ".join(f"{n} {name}" for name, n in sorted(counts.items())))
    assert not accepted
    assert counts.total() == 69


async def test_zarr_js_v3_is_refused(real_data: Path) -> None:
    """Written before the format was final: ``zarr_format`` 3 in documents that are none."""
    refused = 0
    for label, where, path, _ in records(real_data, "zarr-js"):
        if "/v3/" not in label:
            continue
        with pytest.raises(az.AsyncZarrError):
            await read(where, path)
        refused += 1
    assert refused == 38


async def test_json2_strings(real_data: Path) -> None:
    """No other reader at hand decodes them; zarrita.js, whose fixture it is, expects these."""
    array = await read(real_data / "zarrita-v2" / "data.zarr", "1d.contiguous.json2.O")
    assert array.tolist() == ["foo", "bar", "baz", "qux"]
