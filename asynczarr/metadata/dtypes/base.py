"""What every data type can do: name itself in both formats and read and write its fill values."""

from __future__ import annotations

import base64
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from ...errors import MetadataError

__all__ = ["MAX_ITEMSIZE", "DataType", "Kind", "bad_fill", "check_itemsize", "from_base64", "is_int"]

Kind: TypeAlias = Literal[
    "bool",
    "int",
    "uint",
    "float",
    "complex",
    "datetime",
    "timedelta",
    "raw",
    "bytes",
    "text",
    "struct",
    "vlen-bytes",
    "vlen-text",
    "object",
]
"""Family of a data type. ``bytes`` and ``text`` have a fixed length, the ``vlen`` ones and ``object`` have none."""

MAX_ITEMSIZE = 2**24
"""Largest element in bytes, so that a document cannot ask for gigabytes by naming one data type."""


@dataclass(frozen=True, slots=True)
class DataType(ABC):
    """A Zarr data type and its NumPy counterpart (v3 and v2 specification, "Data types", "Data type encoding").

    Make one with :meth:`from_v3`, :meth:`from_v2` or :meth:`from_numpy`.

    Attributes:
        name: name in v3 documents, e.g. ``"int32"``; v2 data types have the name of their v3 counterpart.
        numpy: dtype in memory. For v2 it keeps the stored byte order, for v3 it is native.
        kind: the family.
    """

    name: str
    numpy: np.dtype[Any]

    kind: ClassVar[Kind]

    @property
    def configuration(self) -> dict[str, Any]:
        """The ``configuration`` of the v3 data type, empty if it has none."""
        return {}

    @property
    def itemsize(self) -> int | None:
        """Bytes of one element in the ``bytes`` codec, ``None`` if the length varies."""
        return self.numpy.itemsize

    @property
    def bits(self) -> int | None:
        """Significant bits of one element (4 for ``int4``, which takes 1 byte), ``None`` if the length varies."""
        return None if self.itemsize is None else 8 * self.itemsize

    @property
    def has_byte_order(self) -> bool:
        """Whether the ``bytes`` codec needs an ``endian`` for it."""
        return self.numpy.itemsize > 1

    @property
    def object_codec(self) -> str | None:
        """Id of the v2 object codec that must encode it, ``None`` for data types of fixed size."""
        return None

    @staticmethod
    def from_v3(document: Any, *, strict: bool = False) -> DataType:
        """Read the ``data_type`` member of a v3 document, a string or an object.

        Raises:
            UnknownExtension: a name that nobody registered.
            MetadataError: a malformed member or configuration.
        """
        from .registry import from_v3

        return from_v3(document, strict=strict)

    @staticmethod
    def from_v2(document: Any, *, object_codec: str | None = None, strict: bool = False) -> DataType:
        """Read the ``dtype`` member of a ``.zarray``, a string or a list of fields.

        `object_codec` is the id of the codec that decides what ``"|O"`` holds.

        Raises:
            MetadataError: a malformed dtype, or ``"|O"`` without an object codec.
        """
        from .v2 import from_v2

        return from_v2(document, object_codec=object_codec, strict=strict)

    @staticmethod
    def from_numpy(dtype: Any, *, zarr_format: Literal[2, 3] = 3) -> DataType:
        """Find the data type for whatever ``create_array(dtype=...)`` was given.

        NumPy dtypes and what ``numpy.dtype`` makes one of, v3 names and objects, dtypes of ``ml_dtypes``, ``str`` and
        ``StringDType`` for strings of any length, ``"bytes"`` for bytes of any length. Structured dtypes lose their
        padding. Byte order is kept for v2 and becomes native for v3, where it belongs to the ``bytes`` codec.

        Raises:
            MetadataError: Zarr has no such data type.
        """
        from .from_numpy import from_numpy

        return from_numpy(dtype, zarr_format=zarr_format)

    def to_v3(self) -> str | dict[str, Any]:
        """The ``data_type`` member of a v3 document: the plain name where there is no configuration."""
        configuration = self.configuration
        return {"name": self.name, "configuration": configuration} if configuration else self.name

    def to_v2(self) -> str | list[Any]:
        """The ``dtype`` member of a ``.zarray``.

        Raises:
            MetadataError: v2 has no such data type.
        """
        return self.numpy.str

    def default_fill(self) -> Any:
        """The zero of the data type, as NumPy has it."""
        return np.zeros((), self.numpy)[()]

    @abstractmethod
    def scalar(self, value: Any) -> Any:
        """Turn a Python or NumPy value into a fill value of this data type, without loss except for rounding of floats.

        Raises:
            MetadataError: the value is of another kind or out of range.
        """

    def fill_from_json(self, value: Any, *, zarr_format: Literal[2, 3] = 3, strict: bool = False) -> Any:
        """Read a ``fill_value`` bit by bit as it was meant; ``None`` for the null of v2.

        Raises:
            MetadataError: not a fill value of this data type.
        """
        if value is None:
            if zarr_format == 2:
                return None
            raise bad_fill(self, value)
        return self._from_json(value, zarr_format, strict)

    def fill_to_json(self, scalar: Any, *, zarr_format: Literal[2, 3] = 3) -> Any:
        """Write a fill value so that :meth:`fill_from_json` gives the same bits.

        Raises:
            MetadataError: ``None`` for v3, or a value that the format cannot express.
        """
        if scalar is None:
            if zarr_format == 2:
                return None
            raise MetadataError(f"Zarr v3 needs a fill value, data type {self.name!r}")
        return self._to_json(scalar, zarr_format)

    @abstractmethod
    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any: ...

    @abstractmethod
    def _to_json(self, scalar: Any, zarr_format: int) -> Any: ...


def bad_fill(dtype: DataType, value: Any, why: str = "") -> MetadataError:
    """The error for a value that is no fill value of `dtype`."""
    return MetadataError(f"not a fill value of data type {dtype.name!r}: {reprlib.repr(value)}{why and ', ' + why}")


def is_int(value: Any) -> bool:
    """Whether a JSON value is an integer; true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def from_base64(dtype: DataType, value: Any) -> bytes:
    """Decode the base64 of a fill value."""
    if not isinstance(value, str):
        raise bad_fill(dtype, value, "base64 expected")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise bad_fill(dtype, value, "base64 expected") from error


def check_itemsize(name: str, size: Any, *, multiple: int = 1, configuration: Mapping[str, Any] | None = None) -> int:
    """Check the length in bytes of an element against zero, `multiple` and ``MAX_ITEMSIZE``."""
    if configuration is not None:
        if set(configuration) != {"length_bytes"}:
            raise MetadataError(f"data type {name!r} takes exactly 'length_bytes', not {sorted(configuration)}")
        size = configuration["length_bytes"]
    if not is_int(size) or not 0 < size <= MAX_ITEMSIZE or size % multiple:
        raise MetadataError(
            f"data type {name!r}: an element of {reprlib.repr(size)} bytes; allowed are 1 to {MAX_ITEMSIZE} bytes"
            + (f" in multiples of {multiple}" if multiple > 1 else "")
        )
    return int(size)
