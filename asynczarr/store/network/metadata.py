"""User metadata as it travels in headers of HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ...errors import Unsupported

__all__ = ["hyphens", "underscores", "user_metadata", "verify_metadata"]

_NAME = re.compile(r"[a-z0-9_]+").fullmatch
_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?").fullmatch


def user_metadata(headers: Mapping[str, str], prefix: str) -> dict[str, str]:
    """What stands in headers whose names begin with `prefix`, in lower case, ``x-``."""
    size = len(prefix)
    return {
        name[size:].lower(): value
        for name, value in headers.items()
        if name[0] in "xX" and name[:size].lower() == prefix
    }


def verify_metadata(
    metadata: Mapping[str, str],
    good: Callable[[str], object] = _NAME,
    names: str = "lower-case letters, digits and underscores",
) -> None:
    """Check that all of it comes back as it was.

    Args:
        metadata: to be written.
        good: whether a name is kept.
        names: what these are, in words.

    Raises:
        Unsupported: any other name, or a value that is not printable ASCII without outer spaces.
    """
    for name, value in metadata.items():
        if not good(name):
            raise Unsupported(f"names of metadata are {names} here, not {name!r}")
        if not _VALUE(value):
            raise Unsupported(f"values of metadata are printable ASCII without outer spaces, unlike that of {name!r}")


def hyphens(name: str) -> str:
    """A name as it is sent to S3: Ceph and many proxies do not let underscores through."""
    return name.replace("_", "-")


def underscores(name: str) -> str:
    """A name that came back from S3."""
    return name.lower().replace("-", "_")
