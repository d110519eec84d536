"""zarr-python reads the documents that are written here, and the other way round."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from asynczarr.metadata import (
    ArrayMetadata,
    DataType,
    DefaultKeys,
    GroupMetadata,
    NamedConfig,
    RegularGrid,
    V2Encoding,
    V2Keys,
    build_consolidated,
    encode_node,
)
from asynczarr.metadata.v2 import parse_array
from asynczarr.metadata.v3 import parse_node

zarr = pytest.importorskip("zarr")

pytestmark = pytest.mark.filterwarnings("ignore")

CASES = [
    ("bool", True),
    *((f"{kind}{bits}", 3) for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    ("int64", -(2**63)),
    ("uint64", 2**64 - 1),
    *((f"float{bits}", value) for bits in (16, 32, 64) for value in (0.1, "NaN", "-Infinity", -0.0)),
    ("float32", "0xffc00001"),
    ("complex64", 1 - 2j),
    ("complex128", complex("nan+infj")),
    ("U4", "né"),
    ("S4", b"ab"),
    ("V3", b"abc"),
    ("M8[ns]", 5),
    ("m8[25s]", "NaT"),
    ("string", "né"),
    ([("a", "i2"), ("b", "f8")], (1, 2.5)),
]


def meta_of(dtype, value, zarr_format):
    data_type = DataType.from_numpy(dtype, zarr_format=zarr_format)
    if data_type.kind == "raw" and zarr_format == 3:
        data_type = DataType.from_v3({"name": "raw_bytes", "configuration": {"length_bytes": data_type.itemsize}})
    codec = {"string": "vlen-utf8"}.get(data_type.name)
    endian = {"endian": "little"} if data_type.has_byte_order else {}
    filters = None if codec is None else ({"id": codec},)
    return ArrayMetadata(
        zarr_format=zarr_format,
        shape=(4, 0, 3),
        data_type=data_type,
        chunk_grid=RegularGrid((2, 1, 3)),
        chunk_key_encoding=DefaultKeys(".") if zarr_format == 3 else V2Keys("/"),
        fill_value=data_type.scalar(value),
        codecs=(NamedConfig(codec) if codec else NamedConfig("bytes", endian),) if zarr_format == 3 else (),
        v2=V2Encoding(order="F", filters=filters) if zarr_format == 2 else None,
        attributes={"a": [1, "né"]},
        dimension_names=("x", None, "x") if zarr_format == 3 else None,
    )


def store_of(files):
    from zarr.core.buffer import default_buffer_prototype
    from zarr.storage import MemoryStore

    to_buffer = default_buffer_prototype().buffer.from_bytes
    return MemoryStore({name: to_buffer(data) for name, data in files.items()})


def same_bits(left, right, dtype):
    if dtype.kind == "T":
        return str(left) == str(right)
    return np.array(left, dtype).tobytes() == np.array(right, dtype).tobytes()


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("dtype", "value"), CASES, ids=str)
def test_zarr_python_opens_what_is_written(dtype, value, zarr_format):
    meta = meta_of(dtype, value, zarr_format)
    files = encode_node(meta)
    if meta.data_type.name == "struct" and zarr_format == 3 and not _knows_struct():
        pytest.skip("zarr-python before 3.4 knows structs only as 'structured'")
    array = zarr.open_array(store_of(files), mode="r", zarr_format=zarr_format)
    assert array.shape == meta.shape
    assert array.chunks == (2, 1, 3)
    assert array.dtype == meta.data_type.numpy
    assert dict(array.attrs) == meta.attributes
    if zarr_format == 3:
        assert array.metadata.dimension_names == ("x", None, "x")
    if not (zarr_format == 2 and value == "0xffc00001"):  # v2 has only one NaN
        assert same_bits(array.fill_value, meta.fill_value, meta.data_type.numpy)


def _knows_struct():
    return tuple(map(int, zarr.__version__.split(".")[:2])) >= (3, 4)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("dtype", "value"), CASES, ids=str)
def test_what_zarr_python_writes_is_read(dtype, value, zarr_format):
    own = DataType.from_numpy(dtype, zarr_format=zarr_format)
    fill = own.scalar(value)
    store = store_of({})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = zarr.create_array(
            store, shape=(4, 3), chunks=(2, 3), dtype=own.numpy, fill_value=fill, zarr_format=zarr_format,
            attributes={"a": 1}, compressors=None, filters="auto",
        )  # fmt: skip
    files = {name: buffer.to_bytes() for name, buffer in store._store_dict.items()}
    if zarr_format == 3:
        meta = parse_node(files["zarr.json"], "zarr.json", strict=True)
    else:
        meta = parse_array(files[".zarray"], files[".zattrs"], ".zarray")
    assert meta.shape == (4, 3)
    assert meta.data_type.numpy == array.dtype
    assert meta.attributes == {"a": 1}
    if value != "0xffc00001":  # zarr-python writes "NaN" for it
        assert same_bits(meta.fill_value, fill, own.numpy)
    encode_node(meta)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_consolidated_metadata_is_read_by_zarr_python_and_back(zarr_format):
    child = meta_of("int32", 7, zarr_format)
    group = GroupMetadata(zarr_format=zarr_format, attributes={"g": 1})
    root = build_consolidated(group, {"a": group, "a/b": group, "a/b/x": child, "y": child})
    store = store_of(encode_node(root))
    opened = zarr.open_consolidated(store, mode="r", zarr_format=zarr_format)
    assert dict(opened.attrs) == {"g": 1}
    assert {path for path, _ in opened.members(max_depth=None)} == {"a", "a/b", "a/b/x", "y"}
    assert opened["a/b/x"].fill_value == 7

    written = store_of({})
    top = zarr.create_group(written, zarr_format=zarr_format)
    top.create_group("a").create_array("x", shape=(2,), dtype="i4")
    top.create_group("empty")
    zarr.consolidate_metadata(written)
    files = {name: buffer.to_bytes() for name, buffer in written._store_dict.items()}
    if zarr_format == 3:
        meta = parse_node(files["zarr.json"], "zarr.json", strict=True)
    else:
        from asynczarr.metadata.v2 import parse_consolidated

        meta = parse_consolidated(files[".zmetadata"], ".zmetadata", strict=True)
    assert set(meta.consolidated) == {"a", "a/x", "empty"}
    assert json.loads(next(iter(encode_node(meta).values())))
