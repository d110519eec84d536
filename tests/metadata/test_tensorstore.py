"""tensorstore opens the documents that are written here."""

from __future__ import annotations

import numpy as np
import pytest

from asynczarr.metadata import (
    ArrayMetadata,
    DataType,
    DefaultKeys,
    NamedConfig,
    RegularGrid,
    V2Encoding,
    V2Keys,
    encode_node,
)

tensorstore = pytest.importorskip("tensorstore")

CASES = [
    ("bool", True),
    ("int4", -3),
    ("uint8", 255),
    ("int64", -(2**63)),
    ("float16", "NaN"),
    ("float32", -0.0),
    ("float64", "-Infinity"),
    ("bfloat16", 1.5),
    ("complex64", 1 - 2j),
]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("name", "value"), CASES)
async def test_tensorstore_opens_what_is_written(tmp_path, name, value, zarr_format):
    data_type = DataType.from_v3(name)
    if zarr_format == 2 and name in ("int4", "bfloat16"):
        pytest.skip("v2 has no such data type")
    endian = {"endian": "little"} if data_type.has_byte_order else {}
    meta = ArrayMetadata(
        zarr_format=zarr_format,
        shape=(5, 3),
        data_type=data_type,
        chunk_grid=RegularGrid((2, 3)),
        chunk_key_encoding=DefaultKeys() if zarr_format == 3 else V2Keys("/"),
        fill_value=data_type.scalar(value),
        codecs=(NamedConfig("bytes", endian), NamedConfig("crc32c")) if zarr_format == 3 else (),
        v2=V2Encoding(compressor={"id": "zlib", "level": 1}) if zarr_format == 2 else None,
        attributes={"a": 1},
    )
    for file, data in encode_node(meta).items():
        (tmp_path / file).write_bytes(data)
    driver = "zarr3" if zarr_format == 3 else "zarr"
    array = await tensorstore.open({"driver": driver, "kvstore": f"file://{tmp_path}"}, open=True)
    assert array.shape == (5, 3)
    assert array.chunk_layout.write_chunk.shape == (2, 3)
    assert array.dtype.numpy_dtype == data_type.numpy
    values = await array.read()
    expected = np.array(meta.fill_value, data_type.numpy)
    assert values[4, 2].tobytes() == expected.tobytes() or (name == "int4" and values[4, 2] == value)
