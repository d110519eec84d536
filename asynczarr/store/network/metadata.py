"""User metadata in headers, as the services behind a network keep it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ...errors import Unsupported

__all__ = ["refuse_unkept", "user_metadata"]

_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?").fullmatch


def user_metadata(headers: Mapping[str, str], prefix: str) -> dict[str, str]:
    """What stands in headers whose names begin with `prefix`, in lower case, ``x-``."""
    size = len(prefix)
    return {
        name[size:].lower(): value
        for name, value in headers.items()
        if name[0] in "xX" and name[:size].lower() == prefix
    }


def refuse_unkept(metadata: Mapping[str, str], good: Callable[[str], object], names: str) -> None:
    """Refuse metadata that would come back changed.

    Args:
        metadata: to be written.
        good: whether a name is kept.
        names: what these are, in words.

    Raises:
        Unsupported: such a name, or a value that is not printable ASCII without outer spaces.
    """
    for name, value in metadata.items():
        if not good(name):
            raise Unsupported(f"names of metadata are {names}, not {name!r}")
        if not _VALUE(value):
            raise Unsupported(f"values of metadata are printable ASCII without outer spaces, unlike that of {name!r}")
