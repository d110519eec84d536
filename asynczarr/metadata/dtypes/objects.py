"""Python objects, which only v2 has: what they are is the business of an object codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import MetadataError
from .base import DataType, Kind

__all__ = ["OBJECT_CODECS", "Objects"]

OBJECT_CODECS = ("vlen-utf8", "vlen-bytes", "vlen-array", "json2", "msgpack2", "categorize")
"""Codecs that turn objects into bytes. ``pickle`` is none of them: loading it runs code that the file names."""

_OBJECT = np.dtype(object)


@dataclass(frozen=True, slots=True)
class Objects(DataType):
    """The ``"|O"`` of v2 with an object codec other than ``vlen-utf8`` and ``vlen-bytes``.

    Elements are what the codec makes: JSON values, arrays (``vlen-array``) or labels (``categorize``).

    Attributes:
        codec: id of the object codec.
    """

    name: str = "object"
    numpy: np.dtype[Any] = _OBJECT
    codec: str = "json2"

    kind: ClassVar[Kind] = "object"

    @property
    def itemsize(self) -> None:
        """``None``."""
        return None

    @property
    def has_byte_order(self) -> bool:
        """Never."""
        return False

    @property
    def object_codec(self) -> str:
        """The object codec."""
        return self.codec

    def to_v3(self) -> str | dict[str, Any]:
        """See :meth:`DataType.to_v3`."""
        raise MetadataError("Zarr v3 has no data type for Python objects")

    def default_fill(self) -> None:
        """See :meth:`DataType.default_fill`."""
        return

    def scalar(self, value: Any) -> Any:
        """See :meth:`DataType.scalar`."""
        return value

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any:
        return value

    def _to_json(self, scalar: Any, zarr_format: int) -> Any:
        return scalar
