"""Chunk keys there and back, and what is no chunk key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.errors import MetadataError, UnknownExtension
from asynczarr.metadata.chunk_key import (
    DefaultKeys,
    V2Keys,
    parse_chunk_key_encoding,
    register_chunk_key_encoding,
)

ENCODINGS = [DefaultKeys("/"), DefaultKeys("."), V2Keys("."), V2Keys("/")]


@pytest.mark.parametrize(
    ("encoding", "coords", "key"),
    [
        (DefaultKeys(), (1, 23, 45), "c/1/23/45"),
        (DefaultKeys("."), (1, 23, 45), "c.1.23.45"),
        (DefaultKeys(), (), "c"),
        (V2Keys(), (1, 23, 45), "1.23.45"),
        (V2Keys("/"), (1, 23, 45), "1/23/45"),
        (V2Keys(), (), "0"),
        (DefaultKeys(), (np.int64(7),), "c/7"),
    ],
)
def test_keys_of_the_specification(encoding, coords, key):
    assert encoding.key(coords) == key
    assert encoding.parse(key, ndim=len(coords)) == coords


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(coords=st.lists(st.integers(0, 2**63 - 1), max_size=64).map(tuple))
def test_every_key_names_its_chunk(encoding, coords):
    assert encoding.parse(encoding.key(coords), ndim=len(coords)) == coords
    if coords:
        assert encoding.parse(encoding.key(coords)) == coords
        assert encoding.parse(encoding.key(coords), ndim=len(coords) + 1) is None
    assert parse_chunk_key_encoding(encoding.to_json(), strict=True) == encoding


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "key",
    ["", "c/", "c/01", "c//1", "c/1/", "c/-1", "c/+1", "c/ 1", "c/1_0", "c/\u0661", "c/1.2/3", "zarr.json", "01", "1.",
     "1..2", "cc/1",
     "c/1\n", "c/" + "9" * 5000, ".zarray", "1/2.3", "d/0"],
)  # fmt: skip
def test_what_is_no_chunk_key(encoding, key):
    assert encoding.parse(key) is None


@given(st.text(alphabet="c/.0123456789", max_size=12), st.sampled_from(ENCODINGS))
def test_what_parses_is_the_key_itself(key, encoding):
    coords = encoding.parse(key)
    assert coords is None or encoding.key(coords) == key


def test_a_zero_dimensional_array_has_one_chunk():
    assert V2Keys().parse("0", ndim=0) == ()
    assert V2Keys().parse("0") == (0,)
    assert V2Keys().parse("1", ndim=0) is None
    assert DefaultKeys().parse("c", ndim=1) is None
    assert DefaultKeys().parse("c") == ()


@pytest.mark.parametrize(
    ("document", "encoding"),
    [
        ("default", DefaultKeys("/")),
        ("v2", V2Keys(".")),
        ({"name": "default"}, DefaultKeys("/")),
        ({"name": "v2", "configuration": {}}, V2Keys(".")),
        ({"name": "v2", "configuration": {"separator": "/"}}, V2Keys("/")),
    ],
)
def test_documents_and_their_defaults(document, encoding):
    assert parse_chunk_key_encoding(document, strict=True) == encoding


@pytest.mark.parametrize("separator", ["", "../", "//", "./", "-", None, 1, ["/"], True])
@pytest.mark.parametrize("name", ["default", "v2"])
def test_other_separators_are_refused(name, separator):
    with pytest.raises(MetadataError, match="separator"):
        parse_chunk_key_encoding({"name": name, "configuration": {"separator": separator}})


def test_malformed_encodings_are_refused():
    for document in (
        None,
        [],
        {},
        {"name": "default", "configuration": {"sep": "/"}},
        {"name": "v2", "separator": "/"},
    ):
        with pytest.raises(MetadataError):
            parse_chunk_key_encoding(document)
    tolerant = {"name": "v2", "must_understand": False}
    assert parse_chunk_key_encoding(tolerant) == V2Keys()
    with pytest.raises(MetadataError, match="must_understand"):
        parse_chunk_key_encoding(tolerant, strict=True)


def test_unknown_encodings_say_so_and_can_be_registered(monkeypatch):
    from asynczarr.metadata import chunk_key

    monkeypatch.setattr(chunk_key, "_FACTORIES", dict(chunk_key._FACTORIES))
    with pytest.raises(UnknownExtension, match="fanout"):
        parse_chunk_key_encoding({"name": "fanout", "configuration": {"max_children": 1000}})
    register_chunk_key_encoding("fanout", lambda configuration: V2Keys("/"))
    assert parse_chunk_key_encoding("fanout") == V2Keys("/")
