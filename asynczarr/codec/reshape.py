"""The ``reshape`` codec (registered extension), and ``zarrs.squeeze``, which drops axes of length 1."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from math import prod
from typing import Any, ClassVar, Self, TypeAlias

from ..errors import MetadataError
from . import config
from .base import Array, ArrayArrayCodec, ChunkSpec

__all__ = ["ReshapeCodec", "SqueezeCodec"]

_Rule: TypeAlias = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _ShapeCodec(ArrayArrayCodec):
    """Changes the shape and leaves the elements in C order."""

    decoded: tuple[int, ...] = ()
    encoded: tuple[int, ...] = ()

    def bind(self, spec: ChunkSpec) -> tuple[ArrayArrayCodec, ChunkSpec]:
        """The codec and the representation of the other shape; raises MetadataError if the shape does not fit."""
        encoded = self._shape(spec.shape)
        return replace(self, decoded=spec.shape, encoded=encoded), spec.reshaped(encoded)

    @abstractmethod
    def _shape(self, shape: tuple[int, ...]) -> tuple[int, ...]: ...

    def encode(self, array: Array) -> Array:
        """The array in its stored shape."""
        return array.reshape(self.encoded)

    def decode(self, array: Array) -> Array:
        """The array in its own shape."""
        return array.reshape(self.decoded)


@dataclass(frozen=True, slots=True)
class SqueezeCodec(_ShapeCodec):
    """``zarrs.squeeze``: without the axes of length 1. It has no configuration."""

    name: ClassVar[str] = "zarrs.squeeze"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; zarrs writes a version into the configuration, which is ignored."""
        config.keys(configuration, "_zarrs")
        return cls()

    def to_config(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def _shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(length for length in shape if length != 1)


@dataclass(frozen=True, slots=True)
class ReshapeCodec(_ShapeCodec):
    """Stores chunks in another shape.

    Attributes:
        shape: for each stored axis its length, the decoded axes that it unites (none: length 1), or -1, once, for
            whatever is left.
    """

    shape: tuple[_Rule, ...] = ()
    name: ClassVar[str] = "reshape"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from ``{"shape": [...]}``; raises MetadataError if that breaks the codec's rules."""
        config.keys(configuration, "shape")
        given = configuration.get("shape")
        if not isinstance(given, (list, tuple)):
            raise MetadataError(f"'shape' must be a list, not {given!r:.80}")
        shape = tuple(_rule(item) for item in given)
        axes = list(chain.from_iterable(rule for rule in shape if isinstance(rule, tuple)))
        if any(left >= right for left, right in pairwise(axes)) or shape.count(-1) > 1:
            raise MetadataError(f"'shape' must name axes in order, and -1 at most once: {given!r:.80}")
        return cls(shape=shape)

    def to_config(self) -> dict[str, Any]:
        """``{"shape": [...]}``."""
        return {"shape": [list(rule) if isinstance(rule, tuple) else rule for rule in self.shape]}

    def _shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        made = []
        for rule in self.shape:
            if isinstance(rule, tuple) and rule and rule[-1] >= len(shape):
                raise MetadataError(f"'shape' names axis {rule[-1]} of a chunk with {len(shape)}")
            made.append(prod(shape[axis] for axis in rule) if isinstance(rule, tuple) else rule)
        if -1 in made:
            known = prod(length for length in made if length != -1)
            made[made.index(-1)] = prod(shape) // known if known else 0
        unequal = prod(made) != prod(shape)
        for position, rule in enumerate(self.shape):
            # The elements along this axis have to be the ones along the axes that it unites.
            if isinstance(rule, tuple) and rule:
                unequal |= prod(made[:position]) != prod(shape[: rule[0]])
                unequal |= prod(made[position + 1 :]) != prod(shape[rule[-1] + 1 :])
        if unequal:
            raise MetadataError(f"a chunk of shape {shape} cannot be reshaped by {list(self.shape)!r:.80}")
        return tuple(made)


def _rule(item: Any) -> _Rule:
    if type(item) is int and (item > 0 or item == -1):
        return item
    if isinstance(item, (list, tuple)) and all(type(axis) is int and axis >= 0 for axis in item):
        return tuple(item)
    raise MetadataError(f"'shape' must hold positive integers, lists of axes, and -1, not {item!r:.80}")
