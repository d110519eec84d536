"""Consolidated metadata in both formats: views, bad entries, hostile keys, a large one."""

from __future__ import annotations

import json
import time

import pytest

from asynczarr.errors import MetadataError
from asynczarr.metadata import ArrayMetadata, GroupMetadata, build_consolidated, encode_node, sub_consolidated
from asynczarr.metadata.v2 import parse_array, parse_consolidated
from asynczarr.metadata.v3 import parse_document, parse_node

ARRAY3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4],
    "data_type": "float32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": "NaN",
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    "attributes": {},
}
GROUP3 = {"zarr_format": 3, "node_type": "group", "attributes": {"g": 1}}
ZARRAY = {
    "zarr_format": 2,
    "shape": [4],
    "chunks": [2],
    "dtype": "<f4",
    "compressor": None,
    "fill_value": None,
    "order": "C",
    "filters": None,
    "dimension_separator": ".",
}


def inline(metadata):
    members = {"kind": "inline", "must_understand": False, "metadata": metadata}
    return json.dumps({**GROUP3, "consolidated_metadata": members}).encode()


def nodes(zarr_format):
    if zarr_format == 3:
        array, group = parse_document(ARRAY3), parse_document(GROUP3)
    else:
        array = parse_array(json.dumps(ZARRAY).encode(), b'{"a": 1}', ".zarray")
        group = GroupMetadata(zarr_format=2, attributes={"g": 1})
    return array, group


def read_back(zarr_format, encoded):
    if zarr_format == 3:
        return parse_node(encoded["zarr.json"], "zarr.json", strict=True)
    return parse_consolidated(encoded[".zmetadata"], ".zmetadata", strict=True)


def document_of(meta):
    return {name: json.loads(data) for name, data in encode_node(meta).items()}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_is_built_is_read_back_with_views_for_nested_groups(zarr_format):
    array, group = nodes(zarr_format)
    children = {"z": array, "a/b/x": array, "a": group, "a/b": group, "empty": group}
    root = build_consolidated(group, children)
    again = read_back(zarr_format, encode_node(root))
    assert list(again.consolidated) == sorted(children)
    assert {path: document_of(again.consolidated[path]) for path in children} == {
        path: document_of(child) for path, child in children.items()
    }
    for parent in (root, again):
        a = sub_consolidated(parent, "a")
        assert isinstance(a, GroupMetadata)
        assert set(a.consolidated) == {"b", "b/x"}
        b = sub_consolidated(a, "b")
        assert isinstance(b, GroupMetadata)
        assert set(b.consolidated) == {"x"}
        assert isinstance(sub_consolidated(b, "x"), ArrayMetadata)
        assert isinstance(sub_consolidated(parent, "a/b/x"), ArrayMetadata)
        assert sub_consolidated(parent, "nowhere") is None
        empty = sub_consolidated(parent, "empty")
        assert isinstance(empty, GroupMetadata)
        assert not empty.consolidated
        assert empty.consolidated is not None


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_rewriting_keeps_all_entries_as_they_were(zarr_format):
    array, group = nodes(zarr_format)
    encoded = encode_node(build_consolidated(group, {"a": group, "a/x": array}))
    assert encode_node(read_back(zarr_format, encoded)) == encoded


def test_a_group_without_consolidated_metadata_says_so():
    with pytest.raises(MetadataError, match="no consolidated"):
        sub_consolidated(GroupMetadata(zarr_format=3), "a")
    with pytest.raises(MetadataError, match="v2"):
        build_consolidated(GroupMetadata(zarr_format=3), {"a": GroupMetadata(zarr_format=2)})


def test_the_order_of_keys_does_not_matter_and_nested_documents_are_used():
    nested = {
        **GROUP3,
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {"x": ARRAY3}},
    }
    root = parse_node(inline({"b/x": ARRAY3, "b": GROUP3, "c": nested}), "zarr.json", strict=True)
    assert set(sub_consolidated(root, "b").consolidated) == {"x"}
    assert set(sub_consolidated(root, "c").consolidated) == {"x"}


BAD_KEYS = ["", "/", "/a", "a/", "a//b", "../x", "a/../b", ".", "zarr.json", "a/zarr.json", "__x", "a\\b", "a\0", "..."]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_bad_keys_are_left_out_or_refused_when_strict(key):
    data = inline({key: ARRAY3, "good": ARRAY3})
    assert list(parse_node(data, "zarr.json").consolidated) == ["good"]
    with pytest.raises(MetadataError, match="not paths"):
        parse_node(data, "zarr.json", strict=True)


@pytest.mark.parametrize(
    "key", ["/.zarray", "../x/.zarray", "/a/.zarray", "a//b/.zarray", "zarr.json/.zarray", "./.zarray"]
)
def test_bad_v2_keys_are_left_out_or_refused_when_strict(key):
    members = {".zgroup": {"zarr_format": 2}, key: ZARRAY, "good/.zarray": ZARRAY}
    data = json.dumps({"zarr_consolidated_format": 1, "metadata": members}).encode()
    assert list(parse_consolidated(data, ".zmetadata").consolidated) == ["good"]
    with pytest.raises(MetadataError):
        parse_consolidated(data, ".zmetadata", strict=True)


@pytest.mark.parametrize(
    "bad", [None, [], {}, {"zarr_format": 3, "node_type": "array"}, {**ARRAY3, "shape": [-1]}, "x"]
)
def test_a_bad_entry_is_an_error_for_its_node_only(bad):
    root = parse_node(inline({"bad": bad, "good": ARRAY3}), "zarr.json")
    assert set(root.consolidated) == {"bad", "good"}
    assert isinstance(root.consolidated["good"], ArrayMetadata)
    with pytest.raises(MetadataError) as caught:
        sub_consolidated(root, "bad")
    assert caught.value.key == "bad"
    with pytest.raises(MetadataError):
        parse_node(inline({"bad": bad}), "zarr.json", strict=True)


def test_a_bad_v2_entry_is_an_error_for_its_node_only():
    members = {
        ".zgroup": {"zarr_format": 2},
        "bad/.zarray": {**ZARRAY, "dtype": "=i4"},
        "list/.zarray": [],
        "pickle/.zarray": {**ZARRAY, "compressor": {"id": "pickle"}},
        "good/.zarray": ZARRAY,
        "stray/.zattrs": {},
        "stray/notes": {},
    }
    data = json.dumps({"zarr_consolidated_format": 1, "metadata": members}).encode()
    root = parse_consolidated(data, ".zmetadata")
    assert set(root.consolidated) == {"bad", "list", "pickle", "good"}
    assert isinstance(root.consolidated["good"], ArrayMetadata)
    for path in ("bad", "list", "pickle"):
        with pytest.raises(MetadataError) as caught:
            root.consolidated[path]
        assert caught.value.key == path
    with pytest.raises(MetadataError):
        parse_consolidated(data, ".zmetadata", strict=True)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"zarr_consolidated_format": 2, "metadata": {".zgroup": {"zarr_format": 2}}},
        {"zarr_consolidated_format": True, "metadata": {".zgroup": {"zarr_format": 2}}},
        {"zarr_consolidated_format": 1},
        {"zarr_consolidated_format": 1, "metadata": []},
        {"zarr_consolidated_format": 1, "metadata": {}},
        {"zarr_consolidated_format": 1, "metadata": {".zarray": ZARRAY}},
        {"zarr_consolidated_format": 1, "metadata": {".zgroup": {"zarr_format": 3}}},
        {"zarr_consolidated_format": 1, "metadata": {".zgroup": {"zarr_format": 2}, ".zattrs": []}},
    ],
)
def test_malformed_zmetadata_is_one_error_that_names_the_key(document):
    with pytest.raises(MetadataError) as caught:
        parse_consolidated(json.dumps(document).encode(), "x/.zmetadata")
    assert caught.value.key == "x/.zmetadata"


def test_a_large_hierarchy_opens_without_parsing_every_document():
    data = inline({f"g{n // 100}/a{n}": ARRAY3 for n in range(20_000)})
    started = time.process_time()
    root = parse_node(data, "zarr.json")
    elapsed = time.process_time() - started
    assert len(root.consolidated) == 20_000
    assert isinstance(sub_consolidated(root, "g7/a777"), ArrayMetadata)
    assert elapsed < 5
