"""Bytes: ``r<N>``, ``raw_bytes``, ``null_terminated_bytes`` of a fixed length, ``bytes`` of any length."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .base import DataType, Kind, bad_fill, from_base64, is_int

__all__ = ["NullTerminatedBytes", "RawBytes", "VariableBytes"]

_OBJECT = np.dtype(object)


def _from_ints(dtype: DataType, value: list[Any]) -> bytes:
    if not all(is_int(item) and 0 <= item <= 255 for item in value):
        raise bad_fill(dtype, value, "integers 0 to 255 expected")
    return bytes(value)


class RawBytes(DataType):
    """``r<N>`` of N bits, or ``raw_bytes`` as zarr-python names it; NumPy's void."""

    __slots__ = ()

    kind: ClassVar[Kind] = "raw"

    @property
    def configuration(self) -> dict[str, Any]:
        """``length_bytes`` for ``raw_bytes``."""
        return {"length_bytes": self.numpy.itemsize} if self.name == "raw_bytes" else {}

    @property
    def has_byte_order(self) -> bool:
        """Never."""
        return False

    def scalar(self, value: Any) -> Any:
        """See :meth:`DataType.scalar`."""
        if is_int(value) and value == 0:
            return self.default_fill()
        if isinstance(value, np.void):
            value = value.tobytes()
        if not isinstance(value, (bytes, bytearray, memoryview)) or len(value) != self.numpy.itemsize:
            raise bad_fill(self, value, f"{self.numpy.itemsize} bytes expected")
        return np.void(bytes(value))

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any:
        core = self.name != "raw_bytes"
        if zarr_format == 2:
            return self.scalar(0 if _is_loose_zero(value, strict) else from_base64(self, value))
        if isinstance(value, list) and (core or not strict):
            return self.scalar(_from_ints(self, value))
        if core and strict:
            raise bad_fill(self, value, "a list of integers 0 to 255 expected")
        return self.scalar(from_base64(self, value))

    def _to_json(self, scalar: Any, zarr_format: int) -> Any:
        data = scalar.tobytes()
        return list(data) if zarr_format == 3 and self.name != "raw_bytes" else base64.b64encode(data).decode()


class NullTerminatedBytes(DataType):
    """``null_terminated_bytes`` as zarr-python names it; NumPy's ``S``, padded with zero bytes."""

    __slots__ = ()

    kind: ClassVar[Kind] = "bytes"

    @property
    def configuration(self) -> dict[str, Any]:
        """``length_bytes``."""
        return {"length_bytes": self.numpy.itemsize}

    @property
    def has_byte_order(self) -> bool:
        """Never."""
        return False

    def scalar(self, value: Any) -> Any:
        """See :meth:`DataType.scalar`."""
        if is_int(value) and value == 0:
            return np.bytes_(b"")
        if isinstance(value, str) and value.isascii():
            value = value.encode("ascii")
        if not isinstance(value, (bytes, bytearray)) or len(value.rstrip(b"\0")) > self.numpy.itemsize:
            raise bad_fill(self, value, f"at most {self.numpy.itemsize} bytes expected")
        return np.bytes_(bytes(value).rstrip(b"\0"))

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any:
        return self.scalar(0 if zarr_format == 2 and _is_loose_zero(value, strict) else from_base64(self, value))

    def _to_json(self, scalar: Any, zarr_format: int) -> Any:
        # zarr-python 2 wrote all bytes with their padding, and its readers count them.
        data = bytes(scalar).ljust(self.numpy.itemsize, b"\0") if zarr_format == 2 and scalar else bytes(scalar)
        return base64.b64encode(data).decode()


@dataclass(frozen=True, slots=True)
class VariableBytes(DataType):
    """``bytes``, or ``variable_length_bytes`` (zarr-python), or ``binary`` (zarrs): an object dtype of ``bytes``."""

    name: str = "bytes"
    numpy: np.dtype[Any] = _OBJECT

    kind: ClassVar[Kind] = "vlen-bytes"

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
        """``vlen-bytes``."""
        return "vlen-bytes"

    def default_fill(self) -> bytes:
        """See :meth:`DataType.default_fill`."""
        return b""

    def scalar(self, value: Any) -> bytes:
        """See :meth:`DataType.scalar`."""
        if is_int(value) and value == 0:
            return b""
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise bad_fill(self, value, "bytes expected")
        return bytes(value)

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> bytes:
        if zarr_format == 2:
            return b"" if _is_loose_zero(value, strict) else from_base64(self, value)
        if isinstance(value, list):
            return _from_ints(self, value)
        return from_base64(self, value)

    def _to_json(self, scalar: Any, zarr_format: int) -> Any:
        return base64.b64encode(scalar).decode()  # a list of integers is legal as well, but zarr-python cannot read it


def _is_loose_zero(value: Any, strict: bool) -> bool:
    # zarr-python before 2.2 wrote the number 0 for "nothing" whatever the data type.
    return not strict and is_int(value) and value == 0
