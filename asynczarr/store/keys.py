"""One rule for the keys of every store: a key that passes cannot leave the root of any of them.

A key is UTF-8 text of at most 1024 bytes (the limit of S3), segments joined by ``/``. Beyond the Zarr v3 specification
("Stores": no trailing ``/``) it may hold no empty segment, no ``.`` or ``..``, no backslash, no control character, no
lone surrogate, no drive letter, and no name of asynczarr's temporary files.
"""

from __future__ import annotations

import re
import secrets
from functools import lru_cache

from ..errors import KeyInvalid

__all__ = ["is_temporary", "is_valid_key", "temporary_name", "validate_key", "validate_prefix"]

_MAX_BYTES = 1024
# What nearly every key of a Zarr hierarchy looks like: decided by one match, without the cache below.
_USUAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.\-]*)*").fullmatch
_FORBIDDEN = re.compile(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff]").search
_DRIVE = re.compile(r"[A-Za-z]:").match
_TEMPORARY = re.compile(r"\.asynczarr\.[0-9a-f]{16}\.tmp").fullmatch


def temporary_name() -> str:
    """A fresh file name that no key may contain and no listing shows."""
    return f".asynczarr.{secrets.token_hex(8)}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a file name is one of :func:`temporary_name`."""
    return _TEMPORARY(name) is not None


def validate_key(key: str) -> str:
    """Return `key` if every store may be given it.

    Raises:
        KeyInvalid: it breaks one of the rules at the top of this module.
    """
    if isinstance(key, str) and len(key) <= _MAX_BYTES and _USUAL(key):
        return key
    reason = _objection(key) if isinstance(key, str) else f"a key is a str, not {type(key).__name__}"
    if reason:
        raise KeyInvalid(reason, key=_shown(key))
    return key


def validate_prefix(prefix: str) -> str:
    """Return `prefix` if it is empty, or a valid key with a final ``/``.

    Raises:
        KeyInvalid: it is neither.
    """
    if prefix == "":
        return prefix
    if not isinstance(prefix, str) or not prefix.endswith("/"):
        raise KeyInvalid("a prefix is empty or ends with '/'", key=_shown(prefix))
    validate_key(prefix[:-1])
    return prefix


def is_valid_key(key: str) -> bool:
    """Whether :func:`validate_key` accepts `key`; listings leave out what it does not."""
    return (len(key) <= _MAX_BYTES and _USUAL(key) is not None) or not _objection(key)


@lru_cache(maxsize=4096)
def _objection(key: str) -> str:
    """Why `key` is invalid, or an empty string."""
    if not key:
        return "a key may not be empty"
    if len(key) > _MAX_BYTES:
        return f"a key may not be longer than {_MAX_BYTES} bytes"
    if _FORBIDDEN(key):
        return "a key may not contain a backslash, a control character or a lone surrogate"
    if len(key.encode()) > _MAX_BYTES:
        return f"a key may not be longer than {_MAX_BYTES} bytes"
    if _DRIVE(key):
        return "a key may not begin with a drive letter"
    for segment in key.split("/"):
        if not segment:
            return "a key may not begin or end with '/' or contain '//'"
        if segment in (".", ".."):
            return "a key may not contain the segments '.' and '..'"
        if is_temporary(segment):
            return "the key is reserved for temporary files"
    return ""


def _shown(key: object) -> str:
    """`key` as far as it is fit for a message."""
    text = key if isinstance(key, str) else repr(key)
    return (text if len(text) <= 100 else text[:100] + "...").encode("utf-8", "backslashreplace").decode()
