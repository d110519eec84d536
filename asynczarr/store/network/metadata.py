"""User metadata as it travels in headers of HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import Unsupported

__all__ = ["hyphens", "underscores", "verify_metadata"]

_NAME = re.compile(r"[a-z0-9_]+").fullmatch
_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?").fullmatch


def verify_metadata(metadata: Mapping[str, str]) -> None:
    """Check that all of it comes back as it was.

    Raises:
        Unsupported: a name or value that would come back changed.
    """
    for name, value in metadata.items():
        if not _NAME(name):
            raise Unsupported(f"names of metadata are lower-case letters, digits and underscores here, not {name!r}")
        if not _VALUE(value):
            raise Unsupported(f"values of metadata are printable ASCII here, which that of {name!r} is not")


def hyphens(name: str) -> str:
    """A name as it is sent to S3: Ceph and many proxies do not let underscores through."""
    return name.replace("_", "-")


def underscores(name: str) -> str:
    """A name that came back from S3."""
    return name.lower().replace("-", "_")
