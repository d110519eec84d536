"""What others write is what asynczarr reads.

They write into arrays that asynczarr has created, with every codec they have, and create arrays of their own.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

import asynczarr as az

from .combinations import Combination, every_codec, every_layout
from .peers import PEERS, need_peers
from .unreadable import why_not
from .values import canonical, little_endian

LEAST_EQUAL = {"zarr-python": 400, "tensorstore": 180, "zarrista": 250}
"""Arrays that each peer must have written."""


@pytest.fixture(autouse=True)
def _peers(skip_or_fail: Callable[[str], NoReturn]) -> None:
    need_peers(skip_or_fail)


WRITTEN = frozenset(
    (
        *(
            "bool",
            "int4",
            "int16",
            "float64",
            "bfloat16",
            "complex128",
            "string",
            "bytes",
            "fixed_length_utf32",
            "struct",
        ),
        *("numpy.datetime64", "|b1", "<i2", ">f8", "|S5", "<U3"),
    )
)


def arrays() -> Iterator[Combination]:
    """A few data types with every codec, and every layout."""
    for zarr_format, layout in ((3, "chunks"), (3, "shards"), (2, "order C")):
        yield from (each for each in every_codec(zarr_format, layout) if each.type in WRITTEN)
    yield from (each for each in every_layout() if each.values.size)


def write_by(peer: str, folder: Path, zarr_format: int, values: np.ndarray) -> None:
    """Open the array in a folder by a library and write all of it."""
    if peer == "zarr-python":
        import zarr

        with zarr.config.set({"array.rectilinear_chunks": True}):
            zarr.open_array(folder, mode="r+", zarr_format=zarr_format)[...] = values
    elif peer == "tensorstore":
        import tensorstore

        driver = "zarr3" if zarr_format == 3 else "zarr"
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(folder)}}
        array = tensorstore.open(spec, read=True, write=True, open=True).result()
        array.write(values.astype(values.dtype.newbyteorder("="))).result()
    else:
        import zarrista

        array = zarrista.Array.open(zarrista.store.FilesystemStore(str(folder)))
        array[...] = np.ascontiguousarray(values) if values.dtype.kind in "biuf" else little_endian(values)


@pytest.mark.parametrize("peer", PEERS)
async def test_values_that_others_write(peer: str, tmp_path: Path, report: Callable[[str], None]) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for number, combination in enumerate(arrays()):
        if why_not(peer, combination) is not None:
            continue
        if peer == "zarrista" and (combination.zarr_format == 2 or combination.values.dtype.hasobject):
            continue  # writes v3 only, and takes no strings from NumPy
        folder = tmp_path / str(number)
        await az.create_array(az.FilesystemStore(folder, durability="none"), **combination.arguments)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                write_by(peer, folder, combination.zarr_format, combination.values)
        except Exception as error:  # libraries raise what they like; some read what they do not write
            counts[f"not written: {type(error).__name__}: {str(error)[:90]}"] += 1
            continue
        async with az.open_array(folder) as array:
            found = await array.read()
        theirs = PEERS[peer].read(folder, combination.zarr_format, array.dtype)
        if canonical(found) != theirs:
            wrong.append(combination.label)
        elif combination.lossless and theirs != canonical(combination.values):
            counts["equal, but the writer itself reads other values than it was given"] += 1
        else:
            counts["equal"] += 1
    report(f"written by {peer}: " + "\n      ".join(f"{count} {what}" for what, count in counts.most_common()))
    assert not wrong, "\n".join(wrong)
    assert counts["equal"] >= LEAST_EQUAL[peer]


NUMBERS = ("bool", "int8", "int32", "uint16", "uint64", "float16", "float32", "float64", "complex64", "complex128")
TEXTS = np.array([["a", "", "ä€"], ["𝄞", "abc", "z"]])


def zarr_python_cases() -> dict[str, dict[str, Any]]:
    """Arguments of ``zarr.create_array``, with ``data`` to write."""
    from numcodecs import BZ2, LZ4, Blosc, Delta, GZip, Shuffle, Zlib
    from zarr.codecs import BloscCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

    numbers = np.arange(35).reshape(7, 5)
    cases: dict[str, dict[str, Any]] = {
        f"v{zarr_format} {name}": {
            "data": (numbers % 2 if name == "bool" else numbers).astype(name),
            "zarr_format": zarr_format,
        }
        for name in NUMBERS
        for zarr_format in (2, 3)
    }
    data = numbers.astype("i4")
    for compressor in (
        BloscCodec(cname="zstd"),
        BloscCodec(shuffle="bitshuffle"),
        GzipCodec(),
        ZstdCodec(level=3),
        None,
    ):
        cases[f"v3 {compressor}"] = {"data": data, "compressors": compressor}
        cases[f"v3 shards {compressor}"] = {"data": data, "compressors": compressor, "chunks": (3, 2), "shards": (6, 4)}
    for compressor in (Zlib(), GZip(), BZ2(), LZ4(), Blosc(shuffle=2), None):
        for order in ("C", "F"):
            cases[f"v2 {compressor} {order}"] = {
                "data": data,
                "zarr_format": 2,
                "compressors": compressor,
                "order": order,
            }
    nested = ShardingCodec(chunk_shape=(6, 4), codecs=[ShardingCodec(chunk_shape=(3, 2), index_location="start")])
    return cases | {
        "v2 filters": {"data": data, "zarr_format": 2, "filters": [Delta("<i4"), Shuffle(4)]},
        "v2 separator": {"data": data, "zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
        "v2 big-endian": {"data": data.astype(">i4"), "zarr_format": 2},
        "v2 fill NaN": {"data": data.astype("f4"), "zarr_format": 2, "fill_value": np.nan, "write": False},
        "v3 fill NaN": {"data": data.astype("f4"), "fill_value": np.nan, "write": False},
        "v3 fill -inf": {"data": data.astype("f8"), "fill_value": -np.inf, "write": False},
        "v3 transpose": {"data": data, "filters": [TransposeCodec(order=(1, 0))]},
        "v3 shards in shards": {"data": data, "chunks": (6, 4), "serializer": nested, "compressors": None},
        "v3 keys": {"data": data, "chunk_key_encoding": {"name": "v2", "separator": "."}},
        "v3 0-d": {"data": np.array(7.5), "chunks": ()},
        "v3 empty": {"data": np.zeros((0, 3), "u1"), "chunks": (1, 2)},
        "v3 dates": {"data": data.astype("M8[D]")},
        "v2 dates": {"data": data.astype("m8[25s]"), "zarr_format": 2},
        "v3 fixed text": {"data": TEXTS, "chunks": (1, 2)},
        "v2 fixed text": {"data": TEXTS, "chunks": (1, 2), "zarr_format": 2},
        "v3 text": {"data": TEXTS.astype(np.dtypes.StringDType()), "chunks": (1, 2)},
        "v2 text": {"data": TEXTS.astype(np.dtypes.StringDType()), "chunks": (1, 2), "zarr_format": 2},
        "v3 bytes": {"data": np.char.encode(TEXTS, "utf-8"), "chunks": (1, 2)},
        "v2 bytes": {"data": np.char.encode(TEXTS, "utf-8"), "chunks": (1, 2), "zarr_format": 2},
        "v2 struct": {
            "data": np.array([(1, 2.5), (3, 4.5)], [("a", "<i2"), ("b", "<f8")]),
            "chunks": 1,
            "zarr_format": 2,
        },
        "v3 struct": {"data": np.array([(1, 2.5), (3, 4.5)], [("a", "<i2"), ("b", "<f8")]), "chunks": 1},
    }


async def test_arrays_that_zarr_python_creates(tmp_path: Path, report: Callable[[str], None]) -> None:
    import zarr

    wrong = []
    cases = zarr_python_cases()
    for number, (label, case) in enumerate(cases.items()):
        arguments = {"chunks": (3, 2)} | {key: value for key, value in case.items() if key not in ("data", "write")}
        data = case["data"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = zarr.create_array(tmp_path / str(number), shape=data.shape, dtype=data.dtype, **arguments)
            if case.get("write", True):
                array[...] = data
            else:
                array[:2] = data[:2]
            truth = np.asarray(array[...])
        async with az.open_array(tmp_path / str(number)) as ours:
            if canonical(await ours.read()) != canonical(truth) or ours.shape != truth.shape:
                wrong.append(label)
    report(f"created by zarr-python: {len(cases)} arrays, {len(cases) - len(wrong)} equal")
    assert not wrong


def tensorstore_cases() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Driver, dtype, and metadata for each array."""
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    codecs: dict[str, list[Any]] = {
        "default": [],
        "big-endian": [{"name": "bytes", "configuration": {"endian": "big"}}],
        "transpose": [{"name": "transpose", "configuration": {"order": [1, 0]}}, little],
        "gzip": [little, {"name": "gzip", "configuration": {"level": 5}}],
        "zstd": [little, {"name": "zstd", "configuration": {"level": 3}}],
        "crc32c": [little, {"name": "crc32c"}],
        "blosc": [little, {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"}}],
        **{
            f"shards, index at the {location}": [
                {
                    "name": "sharding_indexed",
                    "configuration": {
                        "chunk_shape": [3, 2],
                        "codecs": [little, {"name": "gzip", "configuration": {"level": 5}}],
                        "index_codecs": [little, {"name": "crc32c"}],
                        "index_location": location,
                    },
                }
            ]
            for location in ("start", "end")
        },
    }
    grid = {"name": "regular", "configuration": {"chunk_shape": [6, 4]}}
    cases = {
        f"v3 {dtype} {label}": ("zarr3", dtype, {"chunk_grid": grid} | ({"codecs": chain} if chain else {}))
        for dtype in ("uint8", "int32", "float64", "complex64", "bfloat16", "int4")
        for label, chain in codecs.items()
    }
    v2 = {
        f"v2 {dtype} {compressor} {order}": (
            "zarr",
            dtype,
            {"chunks": [3, 2], "compressor": compressor, "order": order},
        )
        for dtype in ("<u2", ">f8", "|b1")
        for compressor in (None, {"id": "zlib", "level": 5}, {"id": "blosc"}, {"id": "zstd", "level": 3}, {"id": "bz2"})
        for order in "CF"
    }
    return cases | v2


async def test_arrays_that_tensorstore_creates(tmp_path: Path, report: Callable[[str], None]) -> None:
    import tensorstore

    wrong = []
    cases = tensorstore_cases()
    for number, (label, (driver, dtype, metadata)) in enumerate(cases.items()):
        key = "data_type" if driver == "zarr3" else "dtype"
        spec = {
            "driver": driver,
            "kvstore": {"driver": "file", "path": str(tmp_path / str(number))},
            "metadata": metadata | {"shape": [7, 5], key: dtype},
        }
        array = tensorstore.open(spec, create=True).result()
        array[:6].write((np.arange(30) % 7).reshape(6, 5).astype(array.dtype.numpy_dtype)).result()
        async with az.open_array(tmp_path / str(number)) as ours:
            if canonical(await ours.read()) != canonical(array.read().result()):
                wrong.append(label)
    report(f"created by tensorstore: {len(cases)} arrays, {len(cases) - len(wrong)} equal")
    assert not wrong
