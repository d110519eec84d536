"""Object codecs of v2: json2, msgpack2 and vlen-array. (pickle is none of them: loading it runs code from the chunk.)

json2 and msgpack2 store a dtype and a shape with the data. Neither is believed: both are known from the array.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any, ClassVar, Self, cast

import numpy as np

from ...errors import CodecError, MetadataError
from ...metadata.dtypes import Kind
from ...types import BytesLike
from ..base import Array, ArrayBytesCodec, ChunkSpec, CodecKind
from ..vlen import MAX_CHUNK_BYTES, VlenBytesCodec, VlenUtf8Codec
from .base import Configured, Parameter, Parameters, dtype, flag, one_of, optional

__all__ = ["Json2", "MsgPack2", "VlenArray"]


@dataclass(frozen=True, slots=True)
class _ObjectCodec(Configured, ArrayBytesCodec):
    spec: ChunkSpec | None = field(default=None, compare=False)

    kind: ClassVar[CodecKind] = "array->bytes"

    def bind(self, spec: ChunkSpec) -> Any:
        """The codec for chunks of `spec`."""
        return replace(self, spec=spec)

    def max_encoded_size(self) -> int:
        """1 GiB: nothing else bounds what a compressed chunk of objects unfolds to."""
        return MAX_CHUNK_BYTES

    @property
    def _shape(self) -> tuple[int, ...]:
        assert self.spec is not None
        return self.spec.shape

    def _array(self, items: list[Any]) -> Array:
        """An array of the spec from its elements in C order."""
        assert self.spec is not None
        made = self.spec.dtype.numpy
        if made.kind == "T" and not all(isinstance(item, str) for item in items):
            raise CodecError("an element is no string")
        elements = np.empty(len(items), object)
        for position, item in enumerate(items):
            elements[position] = item
        try:
            return (elements if made.kind == "O" else elements.astype(made)).reshape(self.spec.shape)
        except (TypeError, ValueError, OverflowError) as error:
            raise CodecError(f"an element does not fit {made}: {error}") from error


class _Nested(_ObjectCodec):
    """A list that nests as the array does, followed by the array's dtype and shape."""

    __slots__ = ()
    kinds: ClassVar[tuple[Kind, ...]] = ("object", "vlen-text", "text", "bool", "int", "uint", "float")

    def bind(self, spec: ChunkSpec) -> Self:
        """The codec for chunks of `spec`; raises MetadataError for elements that the format has nothing for."""
        if spec.dtype.kind not in self.kinds:
            raise MetadataError(f"{self.name} cannot encode data type {spec.dtype.name!r}")
        return replace(self, spec=spec)

    def _document(self, array: Array) -> list[Any]:
        text = array.dtype.kind == "T"
        items = np.atleast_1d(array.astype(object) if text else array).tolist()
        return [*items, "|O" if text else array.dtype.str, list(array.shape)]

    def _flatten(self, document: Any) -> Array:
        if not isinstance(document, list) or len(document) < 2:
            raise CodecError("a list of elements, dtype and shape expected")
        level: list[Any] = [document[:-2]]
        for length in self._shape or (1,):
            if not all(isinstance(items, list) and len(items) == length for items in level):
                raise CodecError(f"the elements do not nest as shape {self._shape} does")
            level = [item for items in level for item in items]
        return self._array(level)


_ENCODINGS = ("utf-8", "utf8", "UTF-8", "ascii", "latin-1", "utf-16", "utf-32")


class Json2(_Nested):
    """JSON text."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.json2"
    parameters: ClassVar[Parameters] = {
        "encoding": one_of(*_ENCODINGS, default="utf-8"),
        "skipkeys": flag(False),
        "ensure_ascii": flag(True),
        "check_circular": flag(True),
        "allow_nan": flag(True),
        "sort_keys": flag(True),
        "indent": Parameter(lambda value: type(value) is int and 0 <= value <= 16, "from 0 to 16", None),
        "separators": Parameter(
            lambda value: isinstance(value, list | tuple) and [s.strip() for s in value] == [",", ":"],
            "a comma and a colon",
            None,
        ),
        "strict": flag(True),
    }

    def encode(self, array: Array) -> bytes:
        """Encode one chunk; raises CodecError for an element that JSON does not have."""
        config = dict(self.config)
        encoding, _ = config.pop("encoding"), config.pop("strict")
        comma, colon = config.pop("separators") or ((",", ":") if config["indent"] is None else (", ", ": "))
        # Circular references would end in RecursionError if nobody looked for them.
        config["check_circular"] = True
        try:
            return json.dumps(self._document(array), separators=(comma, colon), **config).encode(encoding)
        except (TypeError, ValueError, RecursionError) as error:
            raise CodecError(f"not possible as JSON: {error}") from error

    def decode(self, data: BytesLike) -> Array:
        """Decode one chunk; raises CodecError for text that is not JSON, or not of the array's shape."""
        try:
            document = json.loads(str(data, self.config["encoding"]), strict=self.config["strict"])
        except (ValueError, RecursionError) as error:
            raise CodecError(f"not JSON: {error}") from error
        return self._flatten(document)


class MsgPack2(_Nested):
    """MessagePack."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.msgpack2"
    kinds: ClassVar[tuple[Kind, ...]] = (*_Nested.kinds, "vlen-bytes", "bytes", "raw")
    parameters: ClassVar[Parameters] = {"raw": flag(False), "use_bin_type": flag(True), "use_single_float": flag(False)}

    def bind(self, spec: ChunkSpec) -> Self:
        """The codec for chunks of `spec`; raises MetadataError as :class:`Json2`, and if msgpack is not installed."""
        if find_spec("msgpack") is None:
            raise MetadataError("msgpack2 needs: pip install 'asynczarr[codecs]'")
        return super().bind(spec)

    def encode(self, array: Array) -> bytes:
        """Encode one chunk; raises CodecError for an element that MessagePack does not have."""
        import msgpack

        options = {key: self.config[key] for key in ("use_bin_type", "use_single_float")}
        try:
            encoded = msgpack.packb(self._document(array), **options)
        except (TypeError, ValueError, OverflowError) as error:
            raise CodecError(f"not possible as MessagePack: {error}") from error
        return cast("bytes", encoded)

    def decode(self, data: BytesLike) -> Array:
        """Decode one chunk; raises CodecError for bytes that are not MessagePack, or not of the array's shape."""
        import msgpack

        try:
            document = msgpack.unpackb(data, raw=self.config["raw"])
        except (ValueError, msgpack.UnpackException) as error:
            raise CodecError(f"not MessagePack: {error!r}") from error
        return self._flatten(document)


class VlenArray(_ObjectCodec):
    """Arrays of one dtype and any length: a count, then each array's bytes after their number, 32 bits little-endian.

    In v3, where zarrs writes it without a dtype, it is ``vlen-utf8`` or ``vlen-bytes`` by another name.
    """

    __slots__ = ()
    name: ClassVar[str] = "vlen-array"
    parameters: ClassVar[Parameters] = {"dtype": optional(dtype("biufcmMSUV"))}

    def bind(self, spec: ChunkSpec) -> Any:
        """The codec for chunks of `spec`; raises MetadataError for another data type."""
        if self.config["dtype"] is None and spec.dtype.kind in ("vlen-text", "vlen-bytes"):
            return (VlenUtf8Codec() if spec.dtype.kind == "vlen-text" else VlenBytesCodec()).bind(spec)
        if self.config["dtype"] is None or spec.dtype.kind != "object":
            raise MetadataError(f"vlen-array needs objects and a dtype, not {spec.dtype.name}")
        return replace(self, spec=spec)

    def encode(self, array: Array) -> bytes:
        """Encode one chunk; an element that is no array becomes one, ``None`` and 0 an empty one."""
        made = np.dtype(self.config["dtype"])
        parts = [array.size.to_bytes(4, "little")]
        for item in array.flat:
            empty = item is None or (np.isscalar(item) and item == 0)
            body = b"" if empty else np.ascontiguousarray(item, made).reshape(-1).view(np.uint8).tobytes()
            parts += [len(body).to_bytes(4, "little"), body]
        return b"".join(parts)

    def decode(self, data: BytesLike) -> Array:
        """Decode one chunk.

        Raises:
            CodecError: another number of elements, a length that does not fit, or bytes after the last element.
        """
        assert self.spec is not None
        made, view, at = np.dtype(self.config["dtype"]), memoryview(data), 4
        count = int.from_bytes(view[:4], "little")
        if len(view) < 4 or count != self.spec.size or len(view) < 4 + 4 * count:
            raise CodecError(f"{count} elements in {len(view)} bytes, expected {self.spec.size}")
        items = []
        for _ in range(count):
            length = int.from_bytes(view[at : at + 4], "little")
            body = view[at + 4 : at + 4 + length]
            if at + 4 > len(view) or len(body) != length or length % made.itemsize:
                raise CodecError(f"an element of {length} bytes at byte {at} does not fit")
            items.append(np.frombuffer(body, made))
            at += 4 + length
        if at != len(view):
            raise CodecError(f"{len(view) - at} bytes follow the last element")
        return self._array(items)
