"""JSON documents: every malformed one is one typed error that names the key, quickly; what is written is strict."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.errors import MetadataError
from asynczarr.metadata.json import MAX_DEPTH, dumps, loads

HOSTILE = {
    "empty": b"",
    "blank": b"  ",
    "truncated": b'{"a": ',
    "trailing data": b'{"a": 1} {}',
    "trailing comma": b'{"a": 1,}',
    "array": b"[]",
    "string": b'"a"',
    "null": b"null",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without mark": '{"a": 1}'.encode("utf-16-le"),
    "invalid UTF-8": b'{"a": "\xff"}',
    "encoded surrogate": b'{"a": "\xed\xa0\x80"}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone surrogate in a name": b'{"\\uDFFF": 1}',
    "duplicate names": b'{"a": 1, "b": 2, "a": 1}',
    "duplicate names inside": b'{"x": [{"a": 1, "a": 1}]}',
    "control character": b'{"a": "\n"}',
    "huge integer": b'{"a": ' + b"9" * 4301 + b"}",
    "deep arrays": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep and open": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "just too deep": b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    "deep behind strings": b'{"[": "]]]\\"]]", "a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "escaped quotes without end": b'{"a": "' + b'\\"' * 1_000_000,
    "backslashes without end": b'{"a": "' + b"[" * 1000 + b"\\" * 1_000_001,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_documents_are_one_error_that_names_the_key(data):
    started = time.process_time()
    with pytest.raises(MetadataError) as caught:
        loads(data, key="a/zarr.json")
    assert caught.value.key == "a/zarr.json"
    assert len(str(caught.value)) < 1000
    assert time.process_time() - started < 2


def test_documents_are_bounded_in_bytes():
    data = b'{"a": "' + b"x" * 1000 + b'"}'
    assert loads(data, key="k", max_bytes=len(data))
    with pytest.raises(MetadataError, match="1009 bytes"):
        loads(data, key="k", max_bytes=len(data) - 1)


def test_brackets_in_strings_are_no_depth_and_the_limit_itself_is_allowed():
    assert loads(json.dumps({"a": "[" * 1000 + '"\\' + "{" * 1000}).encode(), key="k")
    assert loads(b'{"a": ' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}", key="k")
    assert loads(b'{"a": [' + b"[]," * 1000 + b"[]]}", key="k")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_literals_that_are_no_json_are_read_but_not_when_strict(literal):
    data = f'{{"a": {literal}}}'.encode()
    assert str(loads(data, key="k")["a"]) in ("nan", "inf", "-inf")
    with pytest.raises(MetadataError, match=literal):
        loads(data, key="k", nan=False)


def test_surrogate_pairs_are_text():
    assert loads(b'{"a": "\\ud83d\\ude00"}', key="k") == {"a": "\U0001f600"}


def test_any_buffer_is_read():
    assert loads(memoryview(b'{"a": 1}'), key="k") == loads(bytearray(b'{"a": 1}'), key="k") == {"a": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON))
def test_what_is_written_is_read_again_even_strictly(document):
    data = dumps(document)
    assert loads(data, key="k", nan=False) == document
    assert dumps(loads(data, key="k")) == data


def test_writing_is_deterministic_and_keeps_the_order():
    assert dumps({"b": 1, "a": [1.5, "ä"]}) == '{\n  "b": 1,\n  "a": [\n    1.5,\n    "ä"\n  ]\n}'.encode()


@given(st.binary(max_size=200))
def test_random_bytes_are_a_document_or_one_error(data):
    key = "k"
    try:
        loads(data, key="k")
    except MetadataError as error:
        key = error.key
    assert key == "k"


CIRCULAR: list[object] = []
CIRCULAR.append(CIRCULAR)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"attributes": {"limit": float("nan")}}, "/attributes/limit is nan"),
        ({"a": [float("inf")]}, "inf"),
        ({"a": {1: 2}}, "no string"),
        ({"a": {None: 2}}, "no string"),
        ({"a": {1, 2}}, "JSON"),
        ({"a": np.int64(1)}, "JSON"),
        ({"a": b"x"}, "JSON"),
        ({"a": "\ud800"}, "JSON"),
        ({"a": CIRCULAR}, "deeper"),
    ],
)
def test_what_json_cannot_express_is_not_written(document, message):
    with pytest.raises(MetadataError, match=message):
        dumps(document)
