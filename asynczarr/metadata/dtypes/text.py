"""Text: ``string`` of any length and ``fixed_length_utf32``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .base import DataType, Kind, bad_fill, is_int

__all__ = ["FixedText", "VariableText"]

_STRING = np.dtypes.StringDType()


class FixedText(DataType):
    """``fixed_length_utf32``: NumPy's ``U``, 4 bytes a code point, padded with zeros."""

    __slots__ = ()

    kind: ClassVar[Kind] = "text"

    @property
    def configuration(self) -> dict[str, Any]:
        """``length_bytes``, 4 a code point."""
        return {"length_bytes": self.numpy.itemsize}

    def scalar(self, value: Any) -> Any:
        """See :meth:`DataType.scalar`."""
        if is_int(value) and value == 0:
            return np.str_("")
        if not isinstance(value, str) or len(value) > self.numpy.itemsize // 4:
            raise bad_fill(self, value, f"at most {self.numpy.itemsize // 4} code points expected")
        return np.str_(value)

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any:
        if isinstance(value, str) or (zarr_format == 2 and not strict and is_int(value)):
            return self.scalar(value)
        raise bad_fill(self, value, "a string expected")

    def _to_json(self, scalar: Any, zarr_format: int) -> str:
        return str(scalar)


@dataclass(frozen=True, slots=True)
class VariableText(DataType):
    """``string``: NumPy's ``StringDType``, text of any length."""

    name: str = "string"
    numpy: np.dtype[Any] = _STRING

    kind: ClassVar[Kind] = "vlen-text"

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
        """``vlen-utf8``."""
        return "vlen-utf8"

    def to_v2(self) -> str | list[Any]:
        """See :meth:`DataType.to_v2`."""
        return "|O"

    def default_fill(self) -> str:
        """See :meth:`DataType.default_fill`."""
        return ""

    def scalar(self, value: Any) -> str:
        """See :meth:`DataType.scalar`."""
        if is_int(value) and value == 0:
            return ""
        if not isinstance(value, str):
            raise bad_fill(self, value, "a string expected")
        return str(value)

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> str:
        if isinstance(value, str) or (zarr_format == 2 and not strict and is_int(value)):
            return self.scalar(value)
        raise bad_fill(self, value, "a string expected")

    def _to_json(self, scalar: Any, zarr_format: int) -> str:
        return str(scalar)
