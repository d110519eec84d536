"""Codecs of the v3 specification under numcodecs' names for their parameters, and its shuffle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from ...errors import CodecError
from ...types import BytesLike
from ..base import BytesBytesCodec, ChunkSpec, CodecKind
from ..blosc import BloscCodec
from ..config import integer as config_integer
from ..gzip import GzipCodec
from ..zstd import ZstdCodec
from .base import Configured, Parameters, integer, optional

__all__ = ["Blosc", "Gzip", "Shuffle", "Zstd"]

_SHUFFLES = {0: "noshuffle", 1: "shuffle", 2: "bitshuffle", -1: "auto"}


@dataclass(frozen=True, slots=True)
class Blosc(BloscCodec):
    """``blosc`` with numbers for the kinds of shuffle; -1 shuffles the bits of single bytes, else bytes."""

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError for an unknown key or value."""
        config = {"cname": "lz4", "clevel": 5, "blocksize": 0, **configuration}
        number = config_integer(config, "shuffle", -1, 2, 1)
        codec = super(Blosc, cls).from_config(config | {"shuffle": "shuffle"})
        return replace(codec, shuffle=_SHUFFLES[number])

    def bind(self, spec: ChunkSpec) -> BloscCodec:
        """The codec with type size and shuffle known."""
        bound = super(Blosc, self).bind(spec)
        if bound.shuffle != "auto":
            return bound
        return replace(bound, shuffle="bitshuffle" if bound.typesize == 1 else "shuffle")


@dataclass(frozen=True, slots=True)
class Gzip(GzipCodec):
    """``gzip``, level 1 by default."""

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError for an unknown key or value."""
        return super(Gzip, cls).from_config({"level": 1, **configuration})


@dataclass(frozen=True, slots=True)
class Zstd(ZstdCodec):
    """``zstd``, level 1 by default."""

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError for an unknown key or value."""
        return super(Zstd, cls).from_config({"level": 1, **configuration})


class Shuffle(Configured, BytesBytesCodec):
    """Bytes of equal rank in their elements next to each other; ``elementsize`` by default from the data type in v3."""

    __slots__ = ()
    name: ClassVar[str] = "numcodecs.shuffle"
    kind: ClassVar[CodecKind] = "bytes->bytes"
    parameters: ClassVar[Parameters] = {"elementsize": optional(integer(0, 2**24))}

    def bind(self, spec: ChunkSpec) -> Shuffle:
        """The codec with its element size known."""
        if self.config["elementsize"] is not None:
            return self
        return Shuffle({"elementsize": spec.dtype.itemsize or 1})

    def encoded_size(self, size: int) -> int:
        """The same."""
        return size

    def max_encoded_size(self, size: int) -> int:
        """The same."""
        return size

    def encode(self, data: BytesLike) -> BytesLike:
        """Shuffle; raises CodecError for a part of an element."""
        return self._run("encode", data)

    def decode(self, data: BytesLike, max_size: int) -> BytesLike:
        """Undo it; raises CodecError for a part of an element or more than `max_size` bytes."""
        if len(data) > max_size:
            raise CodecError(f"{len(data)} bytes, expected at most {max_size}")
        return self._run("decode", data)

    def _run(self, direction: str, data: BytesLike) -> BytesLike:
        from numcodecs.shuffle import Shuffle as Library

        size = self.config["elementsize"]
        if size <= 1:
            return data
        if len(data) % size:
            raise CodecError(f"{len(data)} bytes are no multiple of the element size {size}")
        shuffled: BytesLike = memoryview(getattr(Library(size), direction)(data))
        return shuffled
