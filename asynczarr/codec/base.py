"""What a codec is: pure CPU work on one chunk, synchronous, no I/O (v3 specification, "Codecs").

Three kinds, as in the specification: array -> array, array -> bytes, bytes -> bytes. A codec is made from its
configuration, then *bound* to the representation that it will meet; a bound codec is immutable and may be used by
several threads at once. Every ``decode`` is told how many bytes or which shape to expect, and checks before it
allocates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, TypeAlias, runtime_checkable

import numpy.typing as npt

from ..types import BytesLike

if TYPE_CHECKING:
    from ..metadata.dtypes import DataType

__all__ = [
    "Array",
    "ArrayArrayCodec",
    "ArrayBytesCodec",
    "BytesBytesCodec",
    "ChunkSpec",
    "Codec",
    "CodecKind",
    "ManyCodec",
]

Array: TypeAlias = npt.NDArray[Any]

CodecKind: TypeAlias = Literal["array->array", "array->bytes", "bytes->bytes"]


@dataclass(frozen=True, slots=True)
class ChunkSpec:
    """The decoded representation of a chunk at one point of the chain.

    Attributes:
        shape: elements along each axis.
        dtype: data type; ``dtype.numpy`` is the dtype of the ndarray (v2 arrays may be of either byte order).
        fill: scalar that missing elements read as, carried through array -> array codecs.
    """

    shape: tuple[int, ...]
    dtype: DataType
    fill: Any

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def reshaped(self, shape: tuple[int, ...]) -> ChunkSpec:
        """The same representation with another shape."""
        return replace(self, shape=shape)


class Codec(Protocol):
    """What all kinds have. Codecs may subclass their protocol to inherit its defaults, or only look like it.

    Attributes:
        name: the name in v3 metadata and in error messages.
        kind: where in the chain it stands.
        heavy: it compresses: long runs outside the GIL that are worth a thread.
        grain: decoded bytes of a chunk up to which Python takes longer than the codec, so that a second thread would
            only fight for the GIL.
    """

    name: ClassVar[str]
    kind: ClassVar[CodecKind]
    heavy: ClassVar[bool] = False
    grain: ClassVar[int] = 32 * 1024

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make a codec from its configuration in the metadata.

        Raises:
            MetadataError: an unknown key, or a value that the codec does not allow.
        """
        ...

    def to_config(self) -> dict[str, Any]:
        """The configuration to write into the metadata."""
        ...


class ArrayArrayCodec(Codec, Protocol):
    """ndarray to ndarray."""

    kind: ClassVar[CodecKind] = "array->array"

    def bind(self, spec: ChunkSpec) -> tuple[ArrayArrayCodec, ChunkSpec]:
        """The codec for chunks of `spec`, and the representation that it makes of them (fill value included).

        Raises:
            MetadataError: the codec cannot encode this representation.
        """
        ...

    def encode(self, array: Array) -> Array:
        """Encode one chunk of the bound representation."""
        ...

    def decode(self, array: Array) -> Array:
        """Decode one chunk; the argument has the shape and dtype that ``bind`` promised."""
        ...


class ArrayBytesCodec(Codec, Protocol):
    """ndarray to bytes."""

    kind: ClassVar[CodecKind] = "array->bytes"

    def bind(self, spec: ChunkSpec) -> ArrayBytesCodec:
        """The codec for chunks of `spec`."""
        ...

    def encoded_size(self) -> int | None:
        """Exact number of bytes of every encoded chunk, ``None`` if it varies."""
        return None

    def max_encoded_size(self) -> int:
        """Upper bound of the bytes that a valid encoded chunk has; what is longer is refused before it is made."""
        ...

    def encode(self, array: Array) -> BytesLike:
        """Encode one chunk, C-contiguous or not."""
        ...

    def decode(self, data: BytesLike) -> Array:
        """Decode one chunk of the bound representation. The result may be read-only and may share memory with `data`.

        Raises:
            CodecError: wrong length or malformed bytes.
        """
        ...


class BytesBytesCodec(Codec, Protocol):
    """bytes to bytes."""

    kind: ClassVar[CodecKind] = "bytes->bytes"

    def bind(self, spec: ChunkSpec) -> BytesBytesCodec:
        """The codec for encoded chunks of `spec` (only blosc and shuffle look at it, for the element size)."""
        return self

    def encoded_size(self, size: int) -> int | None:
        """Exact number of bytes that `size` bytes become, ``None`` if it varies."""
        return None

    def max_encoded_size(self, size: int) -> int:
        """Upper bound of the bytes that at most `size` bytes become."""
        ...

    def encode(self, data: BytesLike) -> BytesLike:
        """Encode bytes."""
        ...

    def decode(self, data: BytesLike, max_size: int) -> BytesLike:
        """Decode bytes into at most `max_size` bytes.

        Raises:
            CodecError: malformed bytes, or more than `max_size` decoded bytes; found before they are allocated.
        """
        ...


@runtime_checkable
class ManyCodec(Protocol):
    """What a bytes -> bytes codec may offer in addition, where many small chunks cost less together."""

    def encode_many(self, chunks: Sequence[BytesLike]) -> Sequence[BytesLike] | None:
        """Encode each of `chunks`, at least one; ``None`` if that fails for any of them."""
        ...

    def decode_many(self, chunks: Sequence[BytesLike], size: int) -> Sequence[BytesLike] | None:
        """Decode each of `chunks`, at least one, to exactly `size` bytes; ``None`` if that fails for any of them."""
        ...
