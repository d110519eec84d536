"""Shards of zarr-python and tensorstore are read at the level of the layout, and ours are read by both."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynczarr.codec.base import ChunkSpec
from asynczarr.codec.chain import CodecChain
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.extension import extension_document, parse_extension
from asynczarr.metadata.node import NamedConfig

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
CRC = {"name": "crc32c"}
ZSTD = {"name": "zstd", "configuration": {"level": 1, "checksum": False}}


def shards(inner: list[int], codecs: list[Any], index: list[Any], location: str = "end") -> dict[str, Any]:
    config = {"chunk_shape": inner, "codecs": codecs, "index_codecs": index, "index_location": location}
    return {"name": "sharding_indexed", "configuration": config}


CASES = {
    "plain": [shards([2, 3], [BYTES], [BYTES, CRC])],
    "start": [shards([2, 3], [BYTES, ZSTD], [BYTES, CRC], "start")],
    "no checksum": [shards([1, 6], [BYTES], [BYTES])],
    "big-endian": [shards([4, 1], [BIG], [BIG, CRC])],
    "nested": [shards([4, 6], [shards([2, 3], [BYTES, CRC], [BYTES, CRC])], [BYTES, CRC])],
    "checksum around": [shards([2, 3], [BYTES], [BYTES, CRC]), CRC],
    "transposed": [{"name": "transpose", "configuration": {"order": [1, 0]}}, shards([3, 2], [BYTES], [BYTES, CRC])],
}
SHAPE, SHARD = (10, 14), (8, 12)


def document(codecs: list[Any], dtype: str) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": SHAPE,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": SHARD}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": 0,
        "codecs": codecs,
        "attributes": {},
    }


def chain_of(codecs: list[Any], dtype: str) -> CodecChain:
    data_type = DataType.from_v3(dtype)
    configs = [parse_extension(codec, "codec") for codec in codecs]
    return CodecChain.build(configs, ChunkSpec(SHARD, data_type, data_type.scalar(0)))


def sparse(dtype: str) -> np.ndarray:
    values = np.arange(140).reshape(SHAPE).astype(dtype)
    values[2:5, 3:9] = 0
    values[8:, :4] = 0
    return values


def open_tensorstore(path: Path) -> Any:
    tensorstore = pytest.importorskip("tensorstore")
    store = {"driver": "file", "path": str(path)}
    return tensorstore.open({"driver": "zarr3", "kvstore": store}).result()


def open_zarr(path: Path) -> Any:
    return pytest.importorskip("zarr").open_array(str(path), mode="r+")


def read_here(path: Path, chain: CodecChain) -> np.ndarray:
    """Put the array together, inner chunk by inner chunk where the layout allows it."""
    whole = np.zeros((16, 24), chain.spec.dtype.numpy)
    for i, j in itertools.product(range(2), range(2)):
        file = path / f"c.{i}.{j}"
        if not file.exists():
            continue
        data, layout = file.read_bytes(), chain.shard
        block = whole[8 * i : 8 * i + 8, 12 * j : 12 * j + 12]
        if layout is None:
            block[...] = chain.decode(data)
            continue
        a, b = layout.inner_shape
        for (m, n), chunk in layout.split(data).items():
            block[a * m : a * m + a, b * n : b * n + b] = layout.chain.decode(chunk)
        assert (block == chain.decode(data)).all()
    return whole[: SHAPE[0], : SHAPE[1]]


def write_here(path: Path, codecs: list[Any], dtype: str, values: np.ndarray) -> None:
    path.mkdir(exist_ok=True)
    (path / "zarr.json").write_text(json.dumps(document(codecs, dtype)))
    chain = chain_of(codecs, dtype)
    padded = np.zeros((16, 24), values.dtype)
    padded[: SHAPE[0], : SHAPE[1]] = values
    for i, j in itertools.product(range(2), range(2)):
        data = chain.encode(padded[8 * i : 8 * i + 8, 12 * j : 12 * j + 12])
        (path / f"c.{i}.{j}").write_bytes(data)


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec")
@pytest.mark.parametrize("peer", [open_zarr, open_tensorstore])
@pytest.mark.parametrize("dtype", ["int16", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_shards_go_both_ways(case: str, dtype: str, peer: Any, tmp_path: Path) -> None:
    if peer is open_zarr and case == "transposed":
        pytest.skip("zarr-python compares the inner chunks with the shard before it is transposed, and refuses")
    if peer is open_tensorstore and case == "checksum around":
        pytest.skip("tensorstore takes no codec after sharding")
    codecs, values = CASES[case], sparse(dtype)
    write_here(tmp_path / "ours", codecs, dtype, values)
    array = peer(tmp_path / "ours")
    read = array[...] if peer is open_zarr else array.read().result()
    assert (read == values).all()

    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "zarr.json").write_text(json.dumps(document(codecs, dtype)))
    array = peer(theirs)
    array[...] = values
    assert (read_here(theirs, chain_of(codecs, dtype)) == values).all()


def test_configurations_survive() -> None:
    for codecs in CASES.values():
        configs = chain_of(codecs, "int16").to_configs()
        again = chain_of([extension_document(config) for config in configs], "int16")
        assert again.to_configs() == configs
        assert all(isinstance(config, NamedConfig) for config in configs)
