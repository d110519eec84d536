"""``struct``: named fields of other data types, packed one after the other (NumPy's structured dtypes)."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import MetadataError
from .base import MAX_ITEMSIZE, DataType, Kind, bad_fill, from_base64, is_int

__all__ = ["MAX_NESTING", "Field", "Struct", "struct_of"]

MAX_NESTING = 32
"""How deep structs may nest."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a :class:`Struct`; `shape` is not empty only in v2, for subarrays."""

    name: str
    data_type: DataType
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Struct(DataType):
    """``struct``, or ``structured`` as zarr-python named it, which is read but never written.

    Attributes:
        fields: in the order in which they are stored.
    """

    fields: tuple[Field, ...]

    kind: ClassVar[Kind] = "struct"

    @property
    def configuration(self) -> dict[str, Any]:
        """``fields``, each with ``name`` and ``data_type``."""
        if any(field.shape for field in self.fields):
            raise MetadataError("Zarr v3 has no subarrays in structs")
        return {"fields": [{"name": field.name, "data_type": field.data_type.to_v3()} for field in self.fields]}

    @property
    def has_byte_order(self) -> bool:
        """Whether any field has."""
        return any(field.data_type.has_byte_order for field in self.fields)

    @property
    def nesting(self) -> int:
        """Levels of structs, at least 1."""
        return 1 + max(f.data_type.nesting if isinstance(f.data_type, Struct) else 0 for f in self.fields)

    def to_v3(self) -> str | dict[str, Any]:
        """See :meth:`DataType.to_v3`."""
        return {"name": "struct", "configuration": self.configuration}

    def to_v2(self) -> str | list[Any]:
        """See :meth:`DataType.to_v2`."""
        return [[f.name, f.data_type.to_v2(), *([list(f.shape)] if f.shape else [])] for f in self.fields]

    def scalar(self, value: Any) -> Any:
        """See :meth:`DataType.scalar`."""
        if is_int(value) and value == 0:
            return self.default_fill()
        if isinstance(value, np.void) and value.dtype.names is not None:
            value = value.item() if value.dtype != self.numpy else value
            if isinstance(value, np.void):
                return value
        if isinstance(value, dict):
            return self._of_dict(value, lambda field, part: field.data_type.scalar(part))
        if not isinstance(value, tuple) or len(value) != len(self.fields):
            raise bad_fill(self, value, "a tuple or dict of all fields expected")
        return self.scalar(dict(zip((field.name for field in self.fields), value, strict=True)))

    def _of_dict(self, value: dict[str, Any], convert: Any) -> Any:
        if set(value) != {field.name for field in self.fields}:
            raise bad_fill(self, value, "exactly the fields of the struct expected")
        scalar = np.zeros((), self.numpy)
        for field in self.fields:
            if field.shape:
                raise bad_fill(self, value, "a struct with subarrays has its fill value as bytes")
            scalar[field.name] = convert(field, value[field.name])
        return scalar[()]

    def _from_json(self, value: Any, zarr_format: int, strict: bool) -> Any:
        if zarr_format == 3 and isinstance(value, dict):
            return self._of_dict(value, lambda f, part: f.data_type.fill_from_json(part, strict=strict))
        if zarr_format == 2 and not strict and is_int(value) and value == 0:
            return self.default_fill()
        if zarr_format == 3 and strict and self.name == "struct":
            raise bad_fill(self, value, "an object with every field expected")
        data = from_base64(self, value)
        if len(data) != self.numpy.itemsize:
            raise bad_fill(self, value, f"{self.numpy.itemsize} bytes expected")
        return np.frombuffer(data, dtype=self.numpy)[0]

    def _to_json(self, scalar: Any, zarr_format: int) -> Any:
        if zarr_format == 2:
            return base64.b64encode(np.array(scalar, dtype=self.numpy).tobytes()).decode()
        return {field.name: field.data_type.fill_to_json(scalar[field.name]) for field in self.fields}


def struct_of(fields: Sequence[Field], name: str = "struct") -> Struct:
    """The struct of some fields.

    Raises:
        MetadataError: no fields, names that are empty or not unique, fields of varying length, a struct too large or
            nested too deep.
    """
    names = [field.name for field in fields]
    if not names or "" in names or len(set(names)) != len(names):
        raise MetadataError(f"data type {name!r}: field names must be there, not empty and unique: {names[:20]}")
    size = 0
    for field in fields:
        if field.data_type.itemsize is None:
            raise MetadataError(f"data type {name!r}: field {field.name!r} is not of a fixed size")
        size += field.data_type.itemsize * math.prod(field.shape)
    if size > MAX_ITEMSIZE:
        raise MetadataError(f"data type {name!r}: an element of {str(size)[:40]} bytes; allowed are {MAX_ITEMSIZE}")
    struct = Struct(name, np.dtype([(f.name, f.data_type.numpy, f.shape) for f in fields]), tuple(fields))
    if struct.nesting > MAX_NESTING:
        raise MetadataError(f"data type {name!r}: structs nested deeper than {MAX_NESTING}")
    return struct
