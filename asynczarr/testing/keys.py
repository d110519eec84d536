"""Keys to try a store with."""

from __future__ import annotations

__all__ = ["HOSTILE_KEYS", "HOSTILE_PREFIXES", "ODD_KEYS"]

HOSTILE_KEYS = (
    "", ".", "..", "/", "/etc/hostname", "../x", "a/../b", "a/./b", "./a", "a/..", "a//b", "a/", "//a", "a\\b", "..\\x",
    "a\0b", "a\nb", "\x7f", "\x85", "C:/x", "c:x", "\ud800", "a/\udfff", "k" * 1025, "é" * 513,
    ".asynczarr.0123456789abcdef.tmp", "a/.asynczarr.0123456789abcdef.tmp/b",
)  # fmt: skip
"""Keys that every verb of every store refuses with ``KeyInvalid``."""

HOSTILE_PREFIXES = ("a", "/", "../", "a/../", "a//", "./", "a\\/", "a\0/", "\ud800/")
"""Prefixes that every listing refuses with ``KeyInvalid``."""

ODD_KEYS = (
    "zarr.json", ".zarray", ".zmetadata", "c/0/0", "0.0", "__x/y", "...", "..a", "a..", "a b/c d", " ", "-", "~", "*",
    "%2e%2e/%2F", "x?y#z&a=b", "ab:c", "d/c:/e", "ключ/Ω/数据", "🧊", "e\u0301", "CON", "a.tmp", ".asynczarr.tmp",
    "/".join(["d"] * 40), "n" * 200,
)  # fmt: skip
"""Unusual keys that every store must hold, all at once."""
