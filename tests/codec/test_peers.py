"""Single chunks of other libraries are read here, and chunks of ours there: zarr-python, tensorstore and zarrs."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynczarr.codec import CodecChain
from asynczarr.metadata.extension import extension_document
from asynczarr.metadata.node import NamedConfig

from .samples import chain_of

SHAPE = (6, 10)
LITTLE = NamedConfig("bytes", {"endian": "little"})
BIG = NamedConfig("bytes", {"endian": "big"})


def blosc(cname: str, shuffle: str, clevel: int = 5) -> NamedConfig:
    return NamedConfig("blosc", {"cname": cname, "clevel": clevel, "shuffle": shuffle, "blocksize": 0})


CASES: dict[str, tuple[list[NamedConfig], list[str]]] = {
    "little": (
        [LITTLE],
        [
            "bool",
            "int8",
            "uint16",
            "int64",
            "float16",
            "float64",
            "complex64",
            "bfloat16",
            "int4",
            "float8_e4m3b11fnuz",
        ],
    ),
    "big": ([BIG], ["int16", "float32", "complex128", "bfloat16"]),
    "transpose": ([NamedConfig("transpose", {"order": [1, 0]}), LITTLE], ["int32", "bool"]),
    "gzip": ([LITTLE, NamedConfig("gzip", {"level": 6})], ["int32", "uint8"]),
    "zstd": ([LITTLE, NamedConfig("zstd", {"level": 3, "checksum": False})], ["int32", "float64"]),
    "zstd with checksum": ([LITTLE, NamedConfig("zstd", {"level": 1, "checksum": True})], ["int32"]),
    "crc32c": ([LITTLE, NamedConfig("crc32c")], ["int32"]),
    **{
        f"blosc {cname}": ([LITTLE, blosc(cname, "shuffle")], ["int16", "float64"])
        for cname in ("lz4", "lz4hc", "zstd", "zlib", "blosclz")
    },
    "blosc bits": ([LITTLE, blosc("zstd", "bitshuffle")], ["uint8", "int32"]),
    "blosc stored": ([LITTLE, blosc("lz4", "noshuffle", 0)], ["int32"]),
    "all": (
        [NamedConfig("transpose", {"order": [1, 0]}), BIG, blosc("lz4", "shuffle"), NamedConfig("crc32c")],
        ["float64"],
    ),
    "vlen-utf8": ([NamedConfig("vlen-utf8"), NamedConfig("zstd", {"level": 0, "checksum": False})], ["string"]),
    "packbits": ([NamedConfig("packbits")], ["bool", "int4", "uint8"]),
    "bitround": ([NamedConfig("bitround", {"keepbits": 4}), LITTLE], ["float32", "uint16"]),
    "reshape": ([NamedConfig("reshape", {"shape": [[0, 1]]}), LITTLE], ["int32"]),
    "zfp": ([NamedConfig("zfp", {"mode": "reversible"})], ["float32"]),
}

# What a peer does not have. If it learns it, the test fails and the line can go.
ABSENT = {
    "zarr-python": {"int4", "bfloat16", "float8_e4m3b11fnuz", "packbits", "bitround", "reshape", "zfp"},
    "tensorstore": {"vlen-utf8", "packbits", "bitround", "reshape", "zfp"},
    "zarrs": {"zfp"},  # zarrs itself has zfp, its Python binding has not
}


def _document(chain: CodecChain) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(SHAPE),
        "data_type": chain.spec.dtype.to_v3(),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(SHAPE)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": chain.spec.dtype.fill_to_json(chain.spec.fill),
        "codecs": [extension_document(config) for config in chain.to_configs()],
        "attributes": {},
    }


def _values(chain: CodecChain) -> Any:
    values = (np.arange(60).reshape(SHAPE) * 7 % 23 - 5 * (chain.spec.dtype.kind == "float")) % 8
    if chain.spec.dtype.name == "string":
        return np.array([[f"é{value}" * (value % 3) for value in row] for row in values], chain.spec.dtype.numpy)
    return (values % 2 == 0) if chain.spec.dtype.kind == "bool" else values.astype(chain.spec.dtype.numpy)


class _ZarrPython:
    def __init__(self, path: Path) -> None:
        zarr = pytest.importorskip("zarr")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.array = zarr.open_array(str(path), mode="r+", zarr_format=3)

    def read(self) -> Any:
        return self.array[...]

    def write(self, values: Any) -> None:
        self.array[...] = values


class _TensorStore:
    def __init__(self, path: Path) -> None:
        tensorstore = pytest.importorskip("tensorstore")
        store = {"driver": "file", "path": str(path)}
        self.array = tensorstore.open({"driver": "zarr3", "kvstore": store}).result()

    def read(self) -> Any:
        return self.array.read().result()

    def write(self, values: Any) -> None:
        self.array.write(values).result()


class _Zarrs:
    def __init__(self, path: Path) -> None:
        zarrista = pytest.importorskip("zarrista")
        self.bytes = zarrista.ArrayBytes
        self.array = zarrista.Array.open(zarrista.store.FilesystemStore(str(path)))

    def read(self) -> Any:
        return self.array.retrieve_chunk([0, 0]).to_numpy()

    def write(self, values: Any) -> None:
        if values.dtype.kind != "T":
            self.array.store_chunk([0, 0], self.bytes(values.tobytes()))
            return
        texts = [text.encode() for text in values.reshape(-1)]
        offsets = np.cumsum([0, *map(len, texts)]).tolist()
        self.array.store_chunk([0, 0], self.bytes(b"".join(texts), offsets=offsets))


PEERS = {"zarr-python": _ZarrPython, "tensorstore": _TensorStore, "zarrs": _Zarrs}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("case", "dtype"), [(case, dtype) for case, (_, dtypes) in CASES.items() for dtype in dtypes])
def test_chunks_of_both(peer, case, dtype, tmp_path):
    chain = chain_of(dtype, SHAPE, *CASES[case][0])
    values = _values(chain)
    ours = chain.encode(values)
    (tmp_path / "zarr.json").write_text(json.dumps(_document(chain)))
    (tmp_path / "c.0.0").write_bytes(ours)
    if {case, dtype} & ABSENT[peer]:
        with pytest.raises(Exception):  # noqa: B017, PT011  (each peer has its own)
            PEERS[peer](tmp_path).read()
        return
    opened = PEERS[peer](tmp_path)
    expected = chain.decode(ours).tolist()
    assert np.asarray(opened.read()).tolist() == expected
    (tmp_path / "c.0.0").unlink()
    opened.write(values)
    theirs = (tmp_path / "c.0.0").read_bytes()
    assert chain.decode(theirs).tolist() == expected
