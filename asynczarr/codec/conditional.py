"""The ``conditional`` codec: other codecs that each chunk applies or leaves out (registered extension)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

from ..errors import CodecError, MetadataError
from ..metadata.extension import parse_extension
from ..metadata.node import NamedConfig
from ..types import BytesLike
from . import config
from .base import BytesBytesCodec, ChunkSpec
from .registry import load_codec

__all__ = ["ConditionalCodec"]


@dataclass(frozen=True, slots=True)
class ConditionalCodec(BytesBytesCodec):
    """A chunk begins with one bit a codec, the first codec's lowest: set if it was applied.

    Encoding applies a codec where that makes the chunk smaller.

    Attributes:
        codecs: bytes -> bytes codecs, first applied first.
        header_bits: bits of the header, a multiple of 8 and at least one a codec.
    """

    codecs: tuple[BytesBytesCodec, ...]
    header_bits: int
    name: ClassVar[str] = "conditional"
    heavy: ClassVar[bool] = True

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from ``{"codecs": [...], "header_bits": ...}``.

        Raises:
            MetadataError: a codec of another kind, or a header that does not fit.
        """
        config.keys(configuration, "codecs", "header_bits")
        given = configuration.get("codecs")
        if not isinstance(given, (list, tuple)):
            raise MetadataError(f"'codecs' must be a list, not {given!r:.80}")
        codecs = tuple(load_codec(replace(parse_extension(each, "codec"), must_understand=True)) for each in given)
        if any(isinstance(codec, NamedConfig) or codec.kind != "bytes->bytes" for codec in codecs):
            raise MetadataError("'codecs' must be bytes -> bytes codecs")
        least = -(-len(codecs) // 8) * 8
        bits = config.integer(configuration, "header_bits", least, 1 << 16, least)
        if bits % 8:
            raise MetadataError(f"'header_bits' must be a multiple of 8, not {bits}")
        return cls(cast("tuple[BytesBytesCodec, ...]", codecs), bits)

    def to_config(self) -> dict[str, Any]:
        """``codecs`` and ``header_bits``."""
        made = [{"name": codec.name, "configuration": codec.to_config()} for codec in self.codecs]
        return {"codecs": made, "header_bits": self.header_bits}

    def bind(self, spec: ChunkSpec) -> ConditionalCodec:
        """The codec with all its codecs bound."""
        return replace(self, codecs=tuple(codec.bind(spec) for codec in self.codecs))

    def max_encoded_size(self, size: int) -> int:
        """The header and the most that any selection of the codecs makes."""
        return self.header_bits // 8 + self._limits(size)[-1]

    def _limits(self, size: int) -> list[int]:
        limits = [size]
        for codec in self.codecs:
            limits.append(max(limits[-1], codec.max_encoded_size(limits[-1])))
        return limits

    def encode(self, data: BytesLike) -> BytesLike:
        """The header and the data, each codec applied if it helps."""
        mask = 0
        for position, codec in enumerate(self.codecs):
            encoded = codec.encode(data)
            # Shuffles and the like do not shrink anything themselves: the ones that keep the size are applied.
            if len(encoded) < len(data) or (len(encoded) == len(data) and not codec.heavy):
                data, mask = encoded, mask | 1 << position
        return b"".join((mask.to_bytes(self.header_bits // 8, "little"), data))

    def decode(self, data: BytesLike, max_size: int) -> BytesLike:
        """Undo the codecs that the header names.

        Raises:
            CodecError: no header, bits of codecs that there are not, or what the codecs themselves find.
        """
        header = self.header_bits // 8
        if len(data) < header:
            raise CodecError(f"{len(data)} bytes are too few for a header of {header}")
        view = memoryview(data)
        mask = int.from_bytes(view[:header], "little")
        if mask >> len(self.codecs):
            raise CodecError(f"the header names codec {mask.bit_length() - 1} of {len(self.codecs)}")
        limits, decoded = self._limits(max_size), cast("BytesLike", view[header:])
        for position in reversed(range(len(self.codecs))):
            if mask >> position & 1:
                decoded = self.codecs[position].decode(decoded, limits[position])
        if len(decoded) > max_size:
            raise CodecError(f"decodes to {len(decoded)} bytes, expected at most {max_size}")
        return decoded
