"""Whatever a user names a data type by, to the data type."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np

from ...errors import MetadataError, UnknownExtension
from .base import DataType
from .registry import from_v3, is_registered
from .small import is_ml_dtype
from .struct import Field, struct_of
from .text import VariableText
from .time import time_of
from .v2 import from_v2

__all__ = ["from_numpy"]


def from_numpy(dtype: Any, *, zarr_format: Literal[2, 3] = 3) -> DataType:
    """See :meth:`DataType.from_numpy`."""
    if isinstance(dtype, DataType):
        return dtype
    if isinstance(dtype, dict) and "name" in dtype:
        return from_v3(dtype)
    if isinstance(dtype, str) and (dtype == "string" or is_registered(dtype)):
        return from_v3(dtype)
    if dtype is str:
        return VariableText()
    if dtype is None or dtype is bytes or dtype is object:
        raise MetadataError(f"which data type is {dtype!r}? Name it, e.g. 'string' or 'bytes'")
    try:
        found: np.dtype[Any] = np.dtype(cast("Any", dtype))
    except (TypeError, ValueError) as error:
        if isinstance(dtype, str):
            raise UnknownExtension("data type", dtype) from error
        raise MetadataError(f"not a data type: {dtype!r}") from error
    ordered = zarr_format == 2 or isinstance(found, np.dtypes.StringDType)
    return _of_dtype(found if ordered else found.newbyteorder("="))


def _of_dtype(dtype: np.dtype[Any]) -> DataType:
    if is_ml_dtype(dtype):
        if not is_registered(dtype.name):
            raise UnknownExtension("data type", dtype.name)
        return from_v3(dtype.name)
    if isinstance(dtype, np.dtypes.StringDType):
        if hasattr(dtype, "na_object"):
            raise MetadataError("StringDType with na_object: Zarr has no missing strings")
        return VariableText()
    if dtype.names is not None and dtype.fields is not None:
        fields = dict(dtype.fields)
        return struct_of([_field(name, fields[name][0]) for name in fields if name in dtype.names])
    if dtype.kind == "U" and dtype.itemsize == 0:
        return VariableText()
    if dtype.kind in "mM":
        unit, scale = np.datetime_data(dtype)
        return time_of(dtype.kind, unit, scale, dtype.str[0])
    if dtype.kind == "O":
        raise MetadataError("objects of what kind? Name the data type: 'string' or 'bytes'")
    return from_v2(dtype.str)


def _field(name: str, dtype: np.dtype[Any]) -> Field:
    base, shape = (dtype, ()) if dtype.subdtype is None else dtype.subdtype
    return Field(name, _of_dtype(base), tuple(shape))
