"""The formats of ``asynczarr cat``. Each is fed with the elements in C order, in blocks of any length."""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from ..errors import MetadataError
from ..metadata import DataType, ZarrFormat
from ..metadata.dtypes.small import is_ml_dtype
from .output import jsonable

__all__ = ["FORMATS", "Format", "Json", "Npy", "Raw", "Text"]

_RUN = 4096
"""Elements that are turned into text at a time."""

_Values = np.ndarray[Any, np.dtype[Any]]


class Format(ABC):
    """Turns elements into bytes.

    Args:
        data_type: of the elements.
        shape: of all of them together.
        zarr_format: of the array.

    Raises:
        MetadataError: the format cannot express the data type.
    """

    binary: ClassVar[bool] = False

    def __init__(self, data_type: DataType, shape: tuple[int, ...], *, zarr_format: ZarrFormat = 3) -> None:
        self.data_type = data_type
        self.shape = shape
        self.zarr_format: ZarrFormat = zarr_format

    def begin(self) -> bytes:
        """What comes before the first element."""
        return b""

    @abstractmethod
    def encode(self, values: _Values) -> Iterator[bytes]:
        """The next elements, one axis."""

    def end(self) -> bytes:
        """What comes after the last element."""
        return b""


class Raw(Format):
    """The elements, little-endian, and nothing else."""

    binary: ClassVar[bool] = True

    def __init__(self, data_type: DataType, shape: tuple[int, ...], *, zarr_format: ZarrFormat = 3) -> None:
        super().__init__(data_type, shape, zarr_format=zarr_format)
        if data_type.itemsize is None:
            raise MetadataError(f"elements of data type {data_type.name!r} have no fixed size: use text or json")
        self.little: np.dtype[Any] = (
            data_type.numpy if is_ml_dtype(data_type.numpy) else data_type.numpy.newbyteorder("<")
        )

    def encode(self, values: _Values) -> Iterator[bytes]:
        """See :meth:`Format.encode`."""
        yield values.astype(self.little, copy=False).tobytes()


class Npy(Raw):
    """A file for ``numpy.load``."""

    def __init__(self, data_type: DataType, shape: tuple[int, ...], *, zarr_format: ZarrFormat = 3) -> None:
        super().__init__(data_type, shape, zarr_format=zarr_format)
        if is_ml_dtype(data_type.numpy):
            raise MetadataError(f"an npy file cannot name data type {data_type.name!r}: use raw, text or json")

    def begin(self) -> bytes:
        """The header."""
        head = io.BytesIO()
        descr = np.lib.format.dtype_to_descr(self.little)
        np.lib.format.write_array_header_2_0(head, {"descr": descr, "fortran_order": False, "shape": self.shape})
        return head.getvalue()


class Text(Format):
    """One line for each row (last axis), elements separated by blanks, an empty line after each plane.

    Strings that hold blanks or cannot be printed are quoted as in JSON.
    """

    def __init__(self, data_type: DataType, shape: tuple[int, ...], *, zarr_format: ZarrFormat = 3) -> None:
        super().__init__(data_type, shape, zarr_format=zarr_format)
        self._done = 0

    def encode(self, values: _Values) -> Iterator[bytes]:
        """See :meth:`Format.encode`."""
        row = self.shape[-1] if self.shape else 1
        start = 0
        while start < len(values):
            stop = min(len(values), start + min(_RUN, row - self._done % row))
            blank = "\n" * (_ended(self.shape, self._done) - 1) if self._done else ""
            self._done += stop - start
            words = " ".join(_word(value) for value in values[start:stop])
            yield f"{blank}{words}{' ' if self._done % row else chr(10)}".encode()
            start = stop


def _word(value: Any) -> str:
    text = str(value)
    return text if text and text.isprintable() and not (isinstance(value, str) and " " in text) else json.dumps(text)


class Json(Format):
    """``{"shape": ..., "data_type": ..., "values": ...}`` with nested lists (just ``[]`` if there are no elements).

    Elements are written as fill values of the data type are in Zarr metadata: NaN as a string, and so on.
    """

    def __init__(self, data_type: DataType, shape: tuple[int, ...], *, zarr_format: ZarrFormat = 3) -> None:
        super().__init__(data_type, shape, zarr_format=zarr_format)
        self._done = 0

    def begin(self) -> bytes:
        """Everything up to the values."""
        name = self.data_type.to_v3() if self.zarr_format == 3 else self.data_type.to_v2()
        head = json.dumps({"shape": list(self.shape), "data_type": jsonable(name)}, ensure_ascii=False)
        return f'{head[:-1]}, "values": {"[]" if 0 in self.shape else ""}'.encode()

    def encode(self, values: _Values) -> Iterator[bytes]:
        """See :meth:`Format.encode`."""
        for start in range(0, len(values), _RUN):
            yield "".join(self._items([self._item(value) for value in values[start : start + _RUN]])).encode()

    def end(self) -> bytes:
        """The final brace."""
        return b"}\n"

    def _item(self, value: Any) -> str:
        if value is None:
            return "null"
        written = self.data_type.fill_to_json(value, zarr_format=self.zarr_format)
        return json.dumps(jsonable(written), ensure_ascii=False)

    def _items(self, items: list[str]) -> Iterator[str]:
        for item in items:
            begun = _ended(self.shape, self._done)
            comma = ", " if self._done else ""
            self._done += 1
            yield comma + "[" * begun + item + "]" * _ended(self.shape, self._done)


def _ended(shape: tuple[int, ...], done: int) -> int:
    """How many nested rows end with element number `done`: 1 for a row, 2 for a plane, and so on; all at 0."""
    ended = 0
    for length in reversed(shape):
        done, rest = divmod(done, length)
        if rest:
            break
        ended += 1
    return ended


FORMATS: dict[str, type[Format]] = {"text": Text, "npy": Npy, "raw": Raw, "json": Json}
