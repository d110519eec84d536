"""Reading the configuration of a codec: every value is checked, every unknown key refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MetadataError

__all__ = ["boolean", "choice", "integer", "integers", "keys"]


def keys(configuration: Mapping[str, Any], *known: str) -> None:
    """Refuse keys that are not `known`.

    Raises:
        MetadataError: there is one.
    """
    for key in configuration:
        if key not in known:
            raise MetadataError(f"unknown configuration key {key!r}; known are {', '.join(known) or 'none'}")


def integer(configuration: Mapping[str, Any], key: str, low: int, high: int, default: int | None = None) -> int:
    """The integer under `key`, between `low` and `high` inclusive; required if there is no `default`.

    Raises:
        MetadataError: missing, not an integer, or out of range.
    """
    value = configuration.get(key, default)
    if type(value) is not int or not low <= value <= high:
        raise MetadataError(f"{key!r} must be an integer from {low} to {high}, not {value!r:.80}")
    return value


def integers(configuration: Mapping[str, Any], key: str) -> tuple[int, ...]:
    """The list of integers under `key`.

    Raises:
        MetadataError: missing, or something else.
    """
    value = configuration.get(key)
    if not isinstance(value, (list, tuple)) or any(type(item) is not int for item in value):
        raise MetadataError(f"{key!r} must be a list of integers, not {value!r:.80}")
    return tuple(value)


def choice(configuration: Mapping[str, Any], key: str, known: tuple[str, ...], default: str | None = None) -> str:
    """The string under `key`, one of `known`; required if there is no `default`.

    Raises:
        MetadataError: missing, or something else.
    """
    value = configuration.get(key, default)
    if not isinstance(value, str) or value not in known:
        raise MetadataError(f"{key!r} must be one of {', '.join(known)}, not {value!r:.80}")
    return value


def boolean(configuration: Mapping[str, Any], key: str, default: bool) -> bool:
    """The boolean under `key`.

    Raises:
        MetadataError: something else.
    """
    value = configuration.get(key, default)
    if not isinstance(value, bool):
        raise MetadataError(f"{key!r} must be true or false, not {value!r:.80}")
    return value
