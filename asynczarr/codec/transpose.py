"""The ``transpose`` codec: another order of the axes (v3 specification, "Transpose codec")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import MetadataError
from . import config
from .base import Array, ArrayArrayCodec, ChunkSpec

__all__ = ["TransposeCodec"]


@dataclass(frozen=True, slots=True)
class TransposeCodec(ArrayArrayCodec):
    """Stores the axes in another order; both directions are views.

    Attributes:
        order: the axis of the decoded array that each axis of the encoded array is. ``"C"`` and ``"F"``, which an
            early draft had, are read and become explicit when bound.
    """

    order: tuple[int, ...] | str
    name: ClassVar[str] = "transpose"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from ``{"order": [...]}``; raises MetadataError if that is no permutation."""
        config.keys(configuration, "order")
        order = configuration.get("order")
        if isinstance(order, str):
            return cls(config.choice(configuration, "order", ("C", "F")))
        order = config.integers(configuration, "order")
        if sorted(order) != list(range(len(order))):
            raise MetadataError(f"'order' is no permutation: {order!r:.80}")
        return cls(order)

    def to_config(self) -> dict[str, Any]:
        """``{"order": [...]}``."""
        return {"order": self.order if isinstance(self.order, str) else list(self.order)}

    def bind(self, spec: ChunkSpec) -> tuple[TransposeCodec, ChunkSpec]:
        """The codec and the transposed representation; raises MetadataError for another number of axes."""
        axes = tuple(range(len(spec.shape)))
        order = {"C": axes, "F": axes[::-1]}[self.order] if isinstance(self.order, str) else self.order
        if len(order) != len(axes):
            raise MetadataError(f"'order' has {len(order)} axes, the chunk {len(axes)}")
        return TransposeCodec(order), spec.reshaped(tuple(spec.shape[axis] for axis in order))

    def encode(self, array: Array) -> Array:
        """The axes in stored order."""
        return array.transpose(_explicit(self.order))

    def decode(self, array: Array) -> Array:
        """The axes in their own order."""
        return array.transpose(np.argsort(_explicit(self.order)))


def _explicit(order: tuple[int, ...] | str) -> tuple[int, ...]:
    if isinstance(order, str):
        raise MetadataError("the codec is not bound to a chunk", codec="transpose")
    return order
