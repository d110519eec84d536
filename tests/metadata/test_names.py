"""Paths of nodes."""

from __future__ import annotations

import pytest

from asynczarr.errors import KeyInvalid
from asynczarr.metadata import validate_path


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("", ""),
        ("/", ""),
        ("a", "a"),
        ("/a//b/", "a/b"),
        ("a.b/c-d/_x", "a.b/c-d/_x"),
        ("ü/日本", "ü/日本"),
        ("a b", "a b"),
    ],
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_paths_have_a_normal_form(path, normal, zarr_format):
    assert validate_path(path, zarr_format=zarr_format) == normal


@pytest.mark.parametrize(
    "path", [".", "..", "a/../b", "a/./b", "...", "a/....", "zarr.json", "a/zarr.json/b", ".zarray", "a/.zattrs",
             "a\0b", "\ud800"]
)  # fmt: skip
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_forbidden_names(path, zarr_format):
    with pytest.raises(KeyInvalid):
        validate_path(path, zarr_format=zarr_format)


def test_backslashes_separate_in_v2_and_are_refused_in_v3():
    assert validate_path("\\a\\b/c", zarr_format=2) == "a/b/c"
    with pytest.raises(KeyInvalid):
        validate_path("a\\..\\b", zarr_format=2)
    with pytest.raises(KeyInvalid):
        validate_path("a\\b")


def test_names_that_start_with_two_underscores_are_reserved_in_v3():
    assert validate_path("__x", zarr_format=2) == "__x"
    with pytest.raises(KeyInvalid, match="reserved"):
        validate_path("a/__x")
