"""Data types: their names in both formats, their NumPy dtypes and their fill values.

One module a family; ``registry.py`` finds them by name, ``v2.py`` by v2 dtype, ``from_numpy.py`` by NumPy dtype.

All core and registered data types of v3 are here, and those that other writers made up: ``null_terminated_bytes``,
``raw_bytes``, ``variable_length_bytes``, ``variable_length_utf8``, ``binary`` and ``structured`` (read only). In memory
they are NumPy dtypes: those of ``ml_dtypes`` for the small numbers, ``StringDType`` for strings, ``object`` for bytes
of any length, and a structured dtype with fields ``real`` and ``imag`` for complex numbers of small floats.
"""

from __future__ import annotations

from .base import MAX_ITEMSIZE, DataType, Kind
from .binary import NullTerminatedBytes, RawBytes, VariableBytes
from .floating import Complex, Float
from .integer import Boolean, Signed, Unsigned
from .objects import OBJECT_CODECS, Objects
from .registry import Factory, register_data_type
from .struct import Field, Struct
from .text import FixedText, VariableText
from .time import Datetime, Timedelta

__all__ = [
    "MAX_ITEMSIZE",
    "OBJECT_CODECS",
    "Boolean",
    "Complex",
    "DataType",
    "Datetime",
    "Factory",
    "Field",
    "FixedText",
    "Float",
    "Kind",
    "NullTerminatedBytes",
    "Objects",
    "RawBytes",
    "Signed",
    "Struct",
    "Timedelta",
    "Unsigned",
    "VariableBytes",
    "VariableText",
    "register_data_type",
]
