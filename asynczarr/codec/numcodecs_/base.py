"""What the codecs of this folder share: a configuration that is checked against a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

import numpy as np

from ...errors import MetadataError
from ..config import keys

__all__ = [
    "REQUIRED",
    "Configured",
    "Parameter",
    "Parameters",
    "dtype",
    "flag",
    "integer",
    "number",
    "one_of",
    "optional",
]

REQUIRED = object()
"""Default of a parameter that has none."""


class Parameter(NamedTuple):
    """One key of a configuration: which values it takes, in code and in words, and its default."""

    allows: Callable[[Any], bool]
    expected: str
    default: Any = REQUIRED


Parameters: TypeAlias = Mapping[str, Parameter]
"""All keys of a configuration."""


@dataclass(frozen=True, slots=True)
class Configured:
    """Base of codecs whose configuration is a table of :attr:`parameters`.

    Attributes:
        config: a value for every parameter.
    """

    config: Mapping[str, Any]

    name: ClassVar[str]
    parameters: ClassVar[Parameters] = {}

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Check the configuration and fill in the defaults.

        Raises:
            MetadataError: an unknown key, a missing one, or a value that is not allowed.
        """
        keys(configuration, *cls.parameters)
        config = {}
        for key, parameter in cls.parameters.items():
            value = configuration.get(key, parameter.default)
            if value is REQUIRED or not (value is parameter.default or parameter.allows(value)):
                shown = "missing" if value is REQUIRED else f"{value!r:.80}"
                raise MetadataError(f"{key!r} must be {parameter.expected}, it is {shown}")
            config[key] = value
        return cls(config)

    def to_config(self) -> dict[str, Any]:
        """The configuration, without what is ``None``."""
        return {key: value for key, value in self.config.items() if value is not None}


def integer(low: int, high: int, default: Any = REQUIRED) -> Parameter:
    """An integer from `low` to `high`."""
    return Parameter(lambda value: type(value) is int and low <= value <= high, f"from {low} to {high}", default)


def number(default: Any = REQUIRED) -> Parameter:
    """A finite number."""
    return Parameter(lambda value: type(value) in (int, float) and abs(value) < 1e308, "a number", default)


def flag(default: bool) -> Parameter:
    """True or false."""
    return Parameter(lambda value: type(value) is bool, "true or false", default)


def one_of(*values: Any, default: Any = REQUIRED) -> Parameter:
    """One of a few values."""
    return Parameter(lambda value: value in values, f"one of {values}", default)


def dtype(kinds: str = "biufcmM", default: Any = REQUIRED) -> Parameter:
    """A NumPy dtype as a string, of one of `kinds`."""

    def allows(value: Any) -> bool:
        try:
            found = np.dtype(value) if isinstance(value, str) and len(value) < 32 else None
        except (TypeError, ValueError, OverflowError):
            return False
        return found is not None and found.kind in kinds and found.itemsize <= 2**24

    return Parameter(allows, f"the name of a NumPy dtype (kinds {kinds})", default)


def optional(parameter: Parameter) -> Parameter:
    """The same parameter, ``None`` if it is not there."""
    return parameter._replace(default=None)
