"""``zarr.json``: round trips, every leniency in both modes, every malformed member."""

from __future__ import annotations

import json
import time
import tracemalloc
from dataclasses import replace

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
    V2Keys,
    encode_node,
)
from asynczarr.metadata.rectilinear import merge_runs
from asynczarr.metadata.v3 import parse_document, parse_node, to_document

ARRAY = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [10, 20],
    "data_type": "int32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [5, 5]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 7,
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    "attributes": {"a": [1, {"b": None}]},
}
GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {"a": 1}}


def array(**members):
    return {**ARRAY, **members}


def without(document, *names):
    return {name: value for name, value in document.items() if name not in names}


def parse(document, *, strict=False):
    return parse_node(json.dumps(document).encode(), "x/zarr.json", strict=strict)


FILLS = {
    "bool": st.booleans(),
    "int4": st.integers(-8, 7),
    "uint64": st.integers(0, 2**64 - 1),
    "float32": st.floats(width=32, allow_nan=False),
    "bfloat16": st.floats(width=16, min_value=0, max_value=240).map(lambda x: float(int(x))),
    "complex64": st.complex_numbers(max_magnitude=1e6, allow_nan=False),
    "complex_float16": st.complex_numbers(max_magnitude=1e3, allow_nan=False),
    "string": st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    "bytes": st.binary(),
    "r16": st.binary(min_size=2, max_size=2),
    "U3": st.text(alphabet="aé\U0001f600", max_size=3),
    "S3": st.text(alphabet="xyz", max_size=3),
    "M8[ms]": st.integers(-(2**63) + 1, 2**63 - 1),
}
ATTRIBUTES = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.lists(st.none(), max_size=2))


@st.composite
def arrays(draw):
    name = draw(st.sampled_from(sorted(FILLS)))
    data_type = DataType.from_numpy(name)
    shape = tuple(draw(st.lists(st.integers(0, 100) | st.integers(0, 2**62), max_size=4)))
    if draw(st.booleans()) and max(shape, default=0) <= 100:
        runs = st.lists(st.tuples(st.integers(1, 100), st.integers(1, 9)), min_size=1, max_size=3).map(merge_runs)
        grid = RectilinearGrid(tuple(((100, 1), *draw(runs)) if draw(st.booleans()) else 7 for _ in shape))
        grid = RectilinearGrid(tuple(merge_runs(c) if isinstance(c, tuple) else c for c in grid.chunk_shapes))
    else:
        grid = RegularGrid(tuple(draw(st.integers(1, 1000)) for _ in shape))
    return ArrayMetadata(
        zarr_format=3,
        shape=shape,
        data_type=data_type,
        chunk_grid=grid,
        chunk_key_encoding=draw(st.sampled_from([DefaultKeys(), DefaultKeys("."), V2Keys(), V2Keys("/")])),
        fill_value=data_type.scalar(draw(FILLS[name])),
        codecs=(NamedConfig("bytes", {"endian": "big"}), NamedConfig("maybe", {}, must_understand=draw(st.booleans()))),
        attributes=draw(ATTRIBUTES),
        dimension_names=draw(st.none() | st.tuples(*(st.none() | st.text(max_size=3) for _ in shape))),
        storage_transformers=draw(st.sampled_from([(), (NamedConfig("some", {"x": 1}, must_understand=False),)])),
        extra=draw(st.sampled_from([{}, {"ext": {"must_understand": False, "value": [1]}}])),
    )


@given(arrays())
def test_every_array_is_read_as_it_was_written(meta):
    encoded = encode_node(meta)
    again = parse_node(encoded["zarr.json"], "zarr.json", strict=True)
    assert again == meta
    assert encode_node(again) == encoded


@given(ATTRIBUTES, st.sampled_from([{}, {"ext": {"must_understand": False}}]))
def test_every_group_is_read_as_it_was_written(attributes, extra):
    meta = GroupMetadata(zarr_format=3, attributes=attributes, extra=extra)
    assert parse_node(encode_node(meta)["zarr.json"], "zarr.json", strict=True) == meta


def test_the_writer_is_strict():
    document = to_document(parse(array(codecs=["bytes", {"name": "crc32c"}], chunk_key_encoding="default")))
    assert document == array(
        codecs=[{"name": "bytes", "configuration": {}}, {"name": "crc32c", "configuration": {}}],
    )
    assert list(document) == list(ARRAY)


@pytest.mark.parametrize("strict", [False, True])
def test_shorthand_and_object_forms_mean_the_same(strict):
    short = array(codecs=["bytes"], chunk_key_encoding="default", data_type="uint8")
    long = array(
        codecs=[{"name": "bytes", "must_understand": True}],
        chunk_key_encoding={"name": "default"},
        data_type={"name": "uint8", "configuration": {}},
    )
    assert parse(short, strict=strict) == parse(long, strict=strict)


LENIENT = {
    "null for attributes": array(attributes=None),
    "null for dimension names": array(dimension_names=None),
    "null for storage transformers": array(storage_transformers=None),
    "null for consolidated metadata": {**GROUP, "consolidated_metadata": None},
    "a codec name of another form": array(codecs=["Bytes!"]),
    "must_understand on a data type": array(data_type={"name": "int32", "must_understand": False}),
    "must_understand on a grid": array(chunk_grid={**ARRAY["chunk_grid"], "must_understand": False}),
    "must_understand on keys": array(chunk_key_encoding={"name": "v2", "must_understand": False}),
    "an integral float": array(fill_value=7.0),
    "a number in a string": array(data_type="float32", fill_value="7.5"),
    "a number beyond the largest": array(data_type="float32", fill_value=1e300),
    "a raw fill value as base64": array(data_type="r16", fill_value="AAE="),
    "raw bytes as a list": array(
        data_type={"name": "raw_bytes", "configuration": {"length_bytes": 2}}, fill_value=[1, 2]
    ),
    "a struct fill value as base64": array(
        data_type={"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "int16"}]}},
        fill_value="AAE=",
    ),
    "struct fields as pairs": array(
        data_type={"name": "struct", "configuration": {"fields": [["a", "int16"]]}}, fill_value={"a": 1}
    ),
    "true for a chunk length": array(
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [True, 5]}},
    ),
    "zero for a chunk length": array(
        shape=[0, 20], chunk_grid={"name": "regular", "configuration": {"chunk_shape": [0, 5]}}
    ),
    "a mixed chunk shape": array(
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [[5, 5], 5]}},
    ),
    "another kind of consolidated metadata": {
        **GROUP, "consolidated_metadata": {"kind": "elsewhere", "must_understand": False, "metadata": {}}
    },
    "consolidated metadata that must be understood": {
        **GROUP, "consolidated_metadata": {"kind": "inline", "must_understand": True, "metadata": {}}
    },
    "a bad key in consolidated metadata": {
        **GROUP, "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {"../x": GROUP}}
    },
    "a bad document in consolidated metadata": {
        **GROUP, "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {"x": {}}}
    },
}  # fmt: skip


@pytest.mark.parametrize("document", LENIENT.values(), ids=LENIENT)
def test_documented_leniencies_in_both_modes(document):
    assert parse(document)
    with pytest.raises(MetadataError) as caught:
        parse(document, strict=True)
    assert caught.value.key is not None


def test_nan_literals_are_read_in_attributes_only_and_not_written():
    data = json.dumps(array(attributes={"a": float("nan")})).encode()
    meta = parse_node(data, "zarr.json")
    with pytest.raises(MetadataError, match="/attributes/a is nan"):
        encode_node(meta)
    with pytest.raises(MetadataError, match="NaN"):
        parse_node(data, "zarr.json", strict=True)
    with pytest.raises(MetadataError, match="fill value"):
        parse_node(json.dumps(array(data_type="float32", fill_value=float("nan"))).encode(), "zarr.json")


MALFORMED = {
    **{f"no {name}": without(ARRAY, name) for name in ARRAY if name != "attributes"},
    **{f"null {name}": array(**{name: None}) for name in ARRAY if name != "attributes"},
    **{f"true {name}": array(**{name: True}) for name in ARRAY},
    **{f"an object with a bad name for {name}": array(**{name: {"name": 5}}) for name in ("data_type", "chunk_grid")},
    "zarr_format 3.0": array(zarr_format=3.0),
    "zarr_format 2": array(zarr_format=2),
    "zarr_format '3'": array(zarr_format="3"),
    "node_type": array(node_type="dataset"),
    "node_type list": array(node_type=["array"]),
    "negative shape": array(shape=[-1, 20]),
    "float shape": array(shape=[10.0, 20]),
    "bool shape": array(shape=[True, 20]),
    "shape 2**63": array(shape=[2**63, 20]),
    "shape 10**400": array(shape=[10**400, 20]),
    "shape of a million axes": array(shape=[1] * 10**6),
    "shape of 65 axes": array(
        shape=[1] * 65, chunk_grid={"name": "regular", "configuration": {"chunk_shape": [1] * 65}}
    ),
    "shape of another rank": array(shape=[10]),
    "chunks beyond 2**63 elements": array(
        shape=[2**40, 2**40], chunk_grid={"name": "regular", "configuration": {"chunk_shape": [2**40, 2**40]}}
    ),
    "chunks beyond 2**63 bytes": array(
        shape=[2**40, 2**22], chunk_grid={"name": "regular", "configuration": {"chunk_shape": [2**40, 2**22]}}
    ),
    "no codec": array(codecs=[]),
    "codecs object": array(codecs={}),
    "codec number": array(codecs=[1]),
    "codec without a name": array(codecs=[{"configuration": {}}]),
    "codec with an empty name": array(codecs=[""]),
    "codec with an unknown member": array(codecs=[{"name": "bytes", "endian": "little"}]),
    "codec with a configuration of another type": array(codecs=[{"name": "bytes", "configuration": [1]}]),
    "codec with must_understand of another type": array(codecs=[{"name": "bytes", "must_understand": "no"}]),
    "attributes list": array(attributes=[]),
    "dimension_names too short": array(dimension_names=["x"]),
    "dimension_names string": array(dimension_names="xy"),
    "dimension_names number": array(dimension_names=["x", 1]),
    "storage transformer": array(storage_transformers=["x"]),
    "storage transformers object": array(storage_transformers={"name": "x"}),
    "unknown member": array(ext=1),
    "unknown object": array(ext={"name": "x"}),
    "unknown object that must be understood": array(ext={"must_understand": True}),
    "unknown member with must_understand 0": array(ext={"must_understand": 0}),
    "unknown member of a group": {**GROUP, "shape": [1]},
    "group attributes": {**GROUP, "attributes": 1},
    "consolidated metadata list": {**GROUP, "consolidated_metadata": []},
    "consolidated metadata without metadata": {**GROUP, "consolidated_metadata": {"kind": "inline"}},
    "consolidated metadata of an array": array(consolidated_metadata={"kind": "inline", "metadata": {}}),
    "fill value out of range": array(fill_value=2**31),
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("document", MALFORMED.values(), ids=MALFORMED)
def test_malformed_documents_are_one_error_that_names_the_key(document, strict):
    with pytest.raises(MetadataError) as caught:
        parse(document, strict=strict)
    assert caught.value.key == "x/zarr.json"
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("document", "kind", "name"),
    [
        (array(data_type="float128"), "data type", "float128"),
        (array(chunk_grid={"name": "hexagonal"}), "chunk grid", "hexagonal"),
        (array(chunk_key_encoding={"name": "fanout"}), "chunk key encoding", "fanout"),
        (array(storage_transformers=[{"name": "mirror"}]), "storage transformer", "mirror"),
        (array(ext={"name": "x"}), "member", "ext"),
    ],
)
def test_unknown_extensions_are_named(document, kind, name):
    with pytest.raises(UnknownExtension) as caught:
        parse(document)
    assert (caught.value.kind, caught.value.name, caught.value.key) == (kind, name, "x/zarr.json")


def test_duplicate_dimension_names_are_legal():
    assert parse(array(dimension_names=["x", "x"]), strict=True).dimension_names == ("x", "x")
    assert parse(array(dimension_names=[None, ""]), strict=True).dimension_names == (None, "")


def test_a_legal_but_huge_array_opens_at_once():
    document = array(
        shape=[2**62] * 30, chunk_grid={"name": "regular", "configuration": {"chunk_shape": [2] * 30}}, fill_value=0
    )
    tracemalloc.start()
    started = time.process_time()
    meta = parse(document)
    assert [axis.nchunks for axis in meta.chunk_grid.axes(meta.shape)] == [2**61] * 30
    assert time.process_time() - started < 0.5
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_zero_dimensional_array_is_an_array():
    meta = parse(array(shape=[], chunk_grid={"name": "regular", "configuration": {"chunk_shape": []}}), strict=True)
    assert (meta.shape, meta.chunk_grid.axes(())) == ((), ())


def test_codecs_that_may_be_ignored_stay_marked():
    meta = parse(array(codecs=["bytes", {"name": "unheard", "must_understand": False}]))
    assert [codec.must_understand for codec in meta.codecs] == [True, False]
    assert to_document(meta)["codecs"][1] == {"name": "unheard", "configuration": {}, "must_understand": False}


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (-1, 20)},
        {"shape": (10,)},
        {"shape": (2**63, 20)},
        {"codecs": ()},
        {"codecs": (NamedConfig("Not A Name"),)},
        {"codecs": (NamedConfig("bytes", {"endian": b"no JSON"}),)},
        {"dimension_names": ("x",)},
        {"attributes": {"x": float("nan")}},
        {"attributes": {1: 2}},
        {"fill_value": None},
        {"zarr_format": 2},
        {"extra": {"x": 1}},
    ],
    ids=str,
)
def test_nobody_can_write_a_document_that_breaks_the_specification(change):
    meta = parse(ARRAY)
    assert encode_node(meta)
    with pytest.raises(MetadataError):
        encode_node(replace(meta, **change))


def test_a_v2_node_has_no_v3_document():
    with pytest.raises(MetadataError, match="v2"):
        to_document(GroupMetadata(zarr_format=2))


def test_errors_of_documents_without_a_key_have_none():
    with pytest.raises(MetadataError) as caught:
        parse_document([])
    assert caught.value.key is None
