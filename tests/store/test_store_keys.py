"""validate_key: what it accepts cannot leave a root, what it refuses is refused for a reason."""

from __future__ import annotations

import os.path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asynczarr.errors import KeyInvalid
from asynczarr.store import validate_key, validate_prefix
from asynczarr.store.keys import is_temporary, is_valid_key, temporary_name
from asynczarr.testing import HOSTILE_KEYS, HOSTILE_PREFIXES, ODD_KEYS

pieces = st.sampled_from(["a", "zarr.json", ".", "..", "/", "//", "\\", "\0", "C:", "\ud800", "é", "...", " ", "~"])


@given(st.one_of(st.text(), st.lists(pieces).map("".join)))
@example("a/../b")
def test_a_valid_key_stays_below_every_root(key):
    if not is_valid_key(key):
        with pytest.raises(KeyInvalid):
            validate_key(key)
        return
    assert validate_key(key) == key
    assert validate_prefix(key + "/") == key + "/"
    assert os.path.normpath(f"/root/{key}") == f"/root/{key}"
    assert not key.endswith("/")
    assert 0 < len(key.encode()) <= 1024
    assert not set(key) & {"\\", "\0", "\n"}


@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=ascii)
def test_hostile_keys(key):
    with pytest.raises(KeyInvalid) as caught:
        validate_key(key)
    assert len(str(caught.value)) < 300
    str(caught.value).encode()  # fit for any log
    assert not is_valid_key(key)


@pytest.mark.parametrize("key", ODD_KEYS, ids=ascii)
def test_odd_keys(key):
    assert validate_key(key) is key
    assert is_valid_key(key)


@pytest.mark.parametrize("prefix", HOSTILE_PREFIXES, ids=ascii)
def test_hostile_prefixes(prefix):
    with pytest.raises(KeyInvalid):
        validate_prefix(prefix)


@pytest.mark.parametrize("key", [None, b"zarr.json", 3])
def test_only_text_is_a_key(key):
    with pytest.raises(KeyInvalid):
        validate_key(key)
    with pytest.raises(KeyInvalid):
        validate_prefix(key)


def test_the_limit_is_in_bytes():
    assert validate_key("k" * 1024)
    assert validate_key("é" * 512)
    with pytest.raises(KeyInvalid):
        validate_key("é" * 511 + "kkk")


def test_temporary_names_are_no_keys():
    name = temporary_name()
    assert is_temporary(name)
    assert not is_valid_key(name)
    assert not is_valid_key(f"a/{name}/b")
    assert name != temporary_name()
