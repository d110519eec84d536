"""Data types by their v3 name, open to other packages (v3 specification, "Extension points").

A package adds data types by entry points of the group ``asynczarr.data_types``: the name of the entry point is the name
of the data type, and the object a :data:`Factory`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from ...errors import MetadataError, UnknownExtension
from ..extension import parse_extension
from .base import DataType, check_itemsize
from .binary import NullTerminatedBytes, RawBytes, VariableBytes
from .floating import COMPLEX, FLOATS, complex_of, floating
from .integer import Boolean, integer
from .struct import Field, Struct, struct_of
from .text import FixedText, VariableText
from .time import time_type

__all__ = ["Factory", "from_v3", "is_registered", "register_data_type"]

Factory: TypeAlias = Callable[[str, Mapping[str, Any], bool], DataType]
"""Makes a data type of its name, its configuration and whether to be strict."""

_MAX_RAW_DIGITS = 12


def register_data_type(name: str, factory: Factory) -> None:
    """Add a data type, or replace one, for this process."""
    _FACTORIES[name] = factory


def is_registered(name: str) -> bool:
    """Whether `name` is a data type that needs no configuration to be tried: a registered name or ``r<N>``."""
    return name in _FACTORIES or re.fullmatch(r"r[0-9]+", name) is not None


def from_v3(document: Any, *, strict: bool = False) -> DataType:
    """See :meth:`DataType.from_v3`."""
    extension = parse_extension(document, "data type", strict=strict)
    if not extension.must_understand and strict:
        raise MetadataError(f"data type {extension.name!r}: must_understand is not for data types")
    name = extension.name
    factory = _FACTORIES.get(name)
    if factory is None and re.fullmatch(r"r[0-9]+", name):
        factory = _raw
    if factory is None:
        factory = _from_entry_point(name)
    if factory is None:
        raise UnknownExtension("data type", name)
    return factory(name, extension.configuration, strict)


def _from_entry_point(name: str) -> Factory | None:
    from importlib.metadata import entry_points  # 20 ms, and only unknown names need it

    for entry_point in entry_points(group="asynczarr.data_types", name=name):
        register_data_type(name, entry_point.load())
    return _FACTORIES.get(name)


def _plain(make: Callable[[str], DataType]) -> Factory:
    def factory(name: str, configuration: Mapping[str, Any], strict: bool) -> DataType:
        if configuration:
            raise MetadataError(f"data type {name!r} takes no configuration, not {sorted(configuration)}")
        return make(name)

    return factory


def _raw(name: str, configuration: Mapping[str, Any], strict: bool) -> DataType:
    if configuration or len(name) > _MAX_RAW_DIGITS or int(name[1:]) % 8:
        raise MetadataError(f"not a raw data type: {name[:40]!r}; it is r<N> with N a multiple of 8")
    return RawBytes(name, np.dtype(f"V{check_itemsize(name, int(name[1:]) // 8)}"))


def _raw_bytes(name: str, configuration: Mapping[str, Any], strict: bool) -> DataType:
    return RawBytes(name, np.dtype(f"V{check_itemsize(name, None, configuration=configuration)}"))


def _null_terminated(name: str, configuration: Mapping[str, Any], strict: bool) -> DataType:
    return NullTerminatedBytes(name, np.dtype(f"S{check_itemsize(name, None, configuration=configuration)}"))


def _utf32(name: str, configuration: Mapping[str, Any], strict: bool) -> DataType:
    size = check_itemsize(name, None, multiple=4, configuration=configuration)
    return FixedText(name, np.dtype(f"U{size // 4}"))


def _time(name: str, configuration: Mapping[str, Any], strict: bool) -> DataType:
    return time_type(name, configuration)


def _struct(name: str, configuration: Mapping[str, Any], strict: bool) -> Struct:
    fields = configuration.get("fields")
    if set(configuration) != {"fields"} or not isinstance(fields, list):
        raise MetadataError(f"data type {name!r} takes exactly a list of 'fields'")
    return struct_of([_field(name, field, strict) for field in fields], name)


def _field(struct: str, field: Any, strict: bool) -> Field:
    pair = isinstance(field, list) and len(field) == 2 and (struct == "structured" or not strict)
    name, data_type = field if pair else (None, None)
    if isinstance(field, dict) and set(field) == {"name", "data_type"}:
        name, data_type = field["name"], field["data_type"]
    if not isinstance(name, str):
        raise MetadataError(f"data type {struct!r}: a field is an object with 'name' and 'data_type'")
    return Field(name, from_v3(data_type, strict=strict))


_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (2, 4, 8, 16, 32, 64)]

_FACTORIES: dict[str, Factory] = {
    "bool": _plain(lambda name: Boolean()),
    **dict.fromkeys(_INTEGERS, _plain(integer)),
    **dict.fromkeys(FLOATS, _plain(floating)),
    **dict.fromkeys(COMPLEX, _plain(complex_of)),
    **dict.fromkeys(("string", "variable_length_utf8"), _plain(VariableText)),
    **dict.fromkeys(("bytes", "binary", "variable_length_bytes"), _plain(VariableBytes)),
    **dict.fromkeys(("struct", "structured"), _struct),
    **dict.fromkeys(("numpy.datetime64", "numpy.timedelta64"), _time),
    "raw_bytes": _raw_bytes,
    "null_terminated_bytes": _null_terminated,
    "fixed_length_utf32": _utf32,
}
