"""``.zarray``, ``.zgroup``, ``.zattrs``: round trips, every leniency in both modes, every malformed member."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.errors import MetadataError, UnknownExtension
from asynczarr.metadata import (
    ArrayMetadata,
    DataType,
    DefaultKeys,
    GroupMetadata,
    NamedConfig,
    RectilinearGrid,
    RegularGrid,
    V2Encoding,
    V2Keys,
    encode_node,
)
from asynczarr.metadata.v2 import parse_array, parse_group, to_documents

ARRAY = {
    "zarr_format": 2,
    "shape": [10, 20],
    "chunks": [5, 5],
    "dtype": "<i4",
    "compressor": {"id": "zlib", "level": 1},
    "fill_value": 7,
    "order": "C",
    "filters": None,
    "dimension_separator": ".",
}


def array(**members):
    return {**ARRAY, **members}


def without(document, *names):
    return {name: value for name, value in document.items() if name not in names}


def parse(document, *, strict=False, zattrs=None):
    return parse_array(json.dumps(document).encode(), zattrs, "x/.zarray", strict=strict)


FILLS = {
    "|b1": st.booleans(),
    ">i2": st.integers(-(2**15), 2**15 - 1),
    "<f4": st.floats(width=32, allow_nan=False),
    ">c16": st.complex_numbers(allow_nan=False),
    "|S3": st.text(alphabet="xyz", max_size=3),
    ">U3": st.text(alphabet="aé\U0001f600", max_size=3),
    "|V2": st.binary(min_size=2, max_size=2),
    "<M8[25s]": st.integers(-(2**63) + 1, 2**63 - 1),
}


@st.composite
def arrays(draw):
    dtype = draw(st.sampled_from([*FILLS, "|O"]))
    codec = draw(st.sampled_from(["vlen-utf8", "vlen-bytes", "json2"])) if dtype == "|O" else None
    data_type = DataType.from_v2(dtype, object_codec=codec)
    fill = None if codec else draw(st.none() | FILLS[dtype].map(data_type.scalar))
    shape = tuple(draw(st.lists(st.integers(0, 2**62), max_size=4)))
    others = draw(st.lists(st.sampled_from([{"id": "shuffle", "elementsize": 4}, {"id": "zstd"}]), max_size=2))
    filters = ([{"id": codec}] if codec else []) + others
    return ArrayMetadata(
        zarr_format=2,
        shape=shape,
        data_type=data_type,
        chunk_grid=RegularGrid(tuple(draw(st.integers(1, 1000)) for _ in shape)),
        chunk_key_encoding=draw(st.sampled_from([V2Keys("."), V2Keys("/")])),
        fill_value=fill,
        v2=V2Encoding(
            order=draw(st.sampled_from(["C", "F"])),
            filters=tuple(filters) or None,
            compressor=draw(st.sampled_from([None, {"id": "blosc", "cname": "lz4"}])),
        ),
        attributes=draw(st.dictionaries(st.text(max_size=4), st.integers())),
    )


@given(arrays())
def test_every_array_is_read_as_it_was_written(meta):
    encoded = encode_node(meta)
    assert set(encoded) == {".zarray", ".zattrs"}
    again = parse_array(encoded[".zarray"], encoded[".zattrs"], ".zarray", strict=True)
    assert again == meta
    assert encode_node(again) == encoded


def test_groups_are_read_as_they_were_written():
    for attributes in ({}, {"a": [1, None]}):
        meta = GroupMetadata(zarr_format=2, attributes=attributes)
        encoded = encode_node(meta)
        assert set(encoded) == {".zgroup", ".zattrs"}
        assert parse_group(encoded[".zgroup"], encoded[".zattrs"], ".zgroup", strict=True) == meta


def test_unknown_members_are_ignored_and_not_written():
    meta = parse(array(_NCZARR_ARRAY={"storage": "chunked"}), strict=True)
    assert to_documents(meta)[".zarray"] == ARRAY
    group = parse_group(b'{"zarr_format": 2, "_NCZARR_GROUP": {}}', None, ".zgroup", strict=True)
    assert to_documents(group)[".zgroup"] == {"zarr_format": 2}


@pytest.mark.parametrize(("value", "bits"), [("NaN", 0x7FC00000), ("-Infinity", 0xFF800000), (-0.0, 0x80000000)])
@pytest.mark.parametrize("order", "<>")
def test_floats_keep_their_bits_in_either_byte_order(order, value, bits):
    meta = parse(array(dtype=f"{order}f4", fill_value=value), strict=True)
    assert np.array(meta.fill_value, "<f4").view("<u4") == bits
    assert json.dumps(to_documents(meta)[".zarray"]["fill_value"]) == json.dumps(value)


LENIENT = {
    "byte order of single bytes": array(dtype="<u1"),
    "0 for text": array(dtype="<U3", fill_value=0),
    "0 for strings": array(dtype="|O", fill_value=0, filters=[{"id": "vlen-utf8"}]),
    "0 for bytes": array(dtype="|S3", fill_value=0),
    "0 for a struct": array(dtype=[["a", "<i2"]], fill_value=0),
    "1 for true": array(dtype="|b1", fill_value=1),
    "integral float": array(fill_value=7.0),
    "number in a string": array(dtype="<f4", fill_value="1.5"),
    "number beyond the largest": array(dtype="<f4", fill_value=1e300),
    "complex as one number": array(dtype="<c8", fill_value=1.5),
    "NaN literal": array(dtype="<f4", fill_value=float("nan")),
    "true for a chunk length": array(chunks=[True, 5]),
    "zero for a chunk length": array(shape=[0, 20], chunks=[0, 5]),
    "null separator": array(dimension_separator=None),
    "no filters": without(ARRAY, "filters"),
    "no compressor": without(ARRAY, "compressor"),
    "no fill value": without(ARRAY, "fill_value"),
    "object codec later": array(dtype="|O", fill_value=None, filters=[{"id": "zstd"}, {"id": "vlen-utf8"}]),
}


@pytest.mark.parametrize("document", LENIENT.values(), ids=LENIENT)
def test_documented_leniencies_in_both_modes(document):
    meta = parse(document)
    assert meta.v2 is not None
    with pytest.raises(MetadataError) as caught:
        parse(document, strict=True)
    assert caught.value.key == "x/.zarray"


def test_no_separator_and_empty_filters_are_the_defaults():
    for strict in (False, True):
        meta = parse(without(array(filters=[]), "dimension_separator"), strict=strict)
        assert (meta.chunk_key_encoding, meta.v2.filters) == (V2Keys("."), None)
    assert to_documents(meta)[".zarray"]["filters"] is None


MALFORMED = {
    **{f"no {name}": without(ARRAY, name) for name in ("zarr_format", "shape", "chunks", "dtype", "order")},
    **{f"null {name}": array(**{name: None}) for name in ("zarr_format", "shape", "chunks", "dtype", "order")},
    **{f"true {name}": array(**{name: True}) for name in ARRAY},
    "zarr_format 2.0": array(zarr_format=2.0),
    "zarr_format 3": array(zarr_format=3),
    "negative shape": array(shape=[-1, 20]),
    "float shape": array(shape=[10.0, 20]),
    "bool shape": array(shape=[True, 20]),
    "shape 10**400": array(shape=[10**400, 20]),
    "chunks of another rank": array(chunks=[5]),
    "chunk 0": array(chunks=[0, 5]),
    "chunk -1": array(chunks=[-1, 5]),
    "chunks beyond 2**63 bytes": array(shape=[2**40, 2**40], chunks=[2**40, 2**21]),
    "order A": array(order="A"),
    "order list": array(order=["C"]),
    "separator": array(dimension_separator="../"),
    "separator list": array(dimension_separator=["."]),
    "compressor string": array(compressor="zlib"),
    "compressor without id": array(compressor={"level": 1}),
    "compressor id number": array(compressor={"id": 1}),
    "filters object": array(filters={"id": "delta"}),
    "filter null": array(filters=[None]),
    "object without codec": array(dtype="|O", fill_value=None),
    "object with compressor as codec": array(dtype="|O", fill_value=None, compressor={"id": "vlen-utf8"}),
    "fill value out of range": array(fill_value=2**31),
    "fill value NaN for integers": array(fill_value="NaN"),
    "fill value of the wrong length": array(dtype="|V4", fill_value="AAAA"),
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("document", MALFORMED.values(), ids=MALFORMED)
def test_malformed_documents_are_one_error_that_names_the_key(document, strict):
    with pytest.raises(MetadataError) as caught:
        parse(document, strict=strict)
    assert caught.value.key == "x/.zarray"
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", ["pickle", "Pickle", "numcodecs.pickle"])
@pytest.mark.parametrize("strict", [False, True])
def test_pickle_is_refused_wherever_it_stands(name, strict):
    codec = {"id": name}
    for members in (
        {"filters": [codec]},
        {"filters": [{"id": "vlen-utf8"}, codec]},
        {"filters": [{"id": "delta"}, codec]},
        {"compressor": codec},
    ):
        for dtype in ("|O", "<i4"):
            with pytest.raises(UnknownExtension, match="runs code") as caught:
                parse(array(dtype=dtype, **members), strict=strict)
            assert caught.value.key == "x/.zarray"


def test_bad_groups_are_one_error_that_names_the_key():
    for data in (b'{"zarr_format": 3}', b"{}", b"[]"):
        with pytest.raises(MetadataError) as caught:
            parse_group(data, None, "x/.zgroup")
        assert caught.value.key == "x/.zgroup"
    with pytest.raises(MetadataError, match="v3 node"):
        to_documents(GroupMetadata(zarr_format=3))


def test_null_reads_as_zero():
    meta = parse(array(fill_value=None), strict=True)
    assert meta.fill_value is None
    assert meta.fill == 0
    assert to_documents(meta)[".zarray"]["fill_value"] is None


def test_attributes_are_checked_under_their_own_key():
    assert parse(ARRAY, zattrs=b'{"a": NaN}').attributes.keys() == {"a"}
    for zattrs, strict in ((b"[]", False), (b"{", False), (b'{"a": NaN}', True), (b'{"a": 1, "a": 2}', False)):
        with pytest.raises(MetadataError) as caught:
            parse(ARRAY, zattrs=zattrs, strict=strict)
        assert caught.value.key == "x/.zattrs"
    with pytest.raises(MetadataError) as caught:
        parse_group(b'{"zarr_format": 2}', b"", ".zgroup")
    assert caught.value.key == ".zattrs"


@pytest.mark.parametrize(
    "change",
    [
        {"chunk_grid": RectilinearGrid((5, 5))},
        {"chunk_key_encoding": DefaultKeys()},
        {"codecs": (NamedConfig("bytes"),)},
        {"dimension_names": ("x", "y")},
        {"data_type": DataType.from_v3("bfloat16")},
        {"data_type": DataType.from_v3("string"), "fill_value": ""},
        {"zarr_format": 3},
        {"v2": V2Encoding(compressor={"id": "pickle"})},
        {"v2": V2Encoding(order="A")},
        {"attributes": {"x": float("inf")}},
        {"shape": (10,)},
    ],
    ids=str,
)
def test_nobody_can_write_documents_that_break_the_specification(change):
    meta = parse(ARRAY)
    with pytest.raises(MetadataError):
        encode_node(replace(meta, **change))
