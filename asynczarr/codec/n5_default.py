"""The ``n5_default`` codec: blocks of N5, which begin with their own shape (registered extension)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import CodecError, MetadataError
from ..metadata.extension import extension_document, parse_extension
from ..metadata.node import NamedConfig
from ..types import BytesLike
from . import config
from .base import Array, ArrayBytesCodec, ChunkSpec
from .chain import CodecChain

__all__ = ["N5DefaultCodec"]


@dataclass(frozen=True, slots=True)
class N5DefaultCodec(ArrayBytesCodec):
    """Big-endian elements of the transposed chunk behind N5's header; blocks cut at the edge of the array are padded.

    Attributes:
        codecs: a full ``transpose``, big-endian ``bytes``, and at most one bytes -> bytes codec.
    """

    codecs: tuple[NamedConfig, ...]
    spec: ChunkSpec | None = field(default=None, repr=False)
    chain: CodecChain | None = field(default=None, repr=False)
    name: ClassVar[str] = "n5_default"
    heavy: ClassVar[bool] = True

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec from ``{"codecs": [...]}``; raises MetadataError if that is no list of codecs."""
        config.keys(configuration, "codecs")
        given = configuration.get("codecs")
        if not isinstance(given, (list, tuple)):
            raise MetadataError(f"'codecs' must be a list, not {given!r:.80}")
        return cls(tuple(parse_extension(each, "codec") for each in given))

    def to_config(self) -> dict[str, Any]:
        """``{"codecs": [...]}``."""
        return {"codecs": [extension_document(each) for each in self.codecs]}

    def bind(self, spec: ChunkSpec) -> N5DefaultCodec:
        """The codec for `spec`; raises MetadataError for codecs that N5 has no counterpart of."""
        axes = list(range(len(spec.shape)))[::-1]
        names = [each.name for each in self.codecs]
        if names[:2] != ["transpose", "bytes"] or len(names) > 3:
            raise MetadataError(f"'codecs' must be transpose, bytes and at most one more, not {names!r:.80}")
        order, endian = self.codecs[0].configuration.get("order"), self.codecs[1].configuration.get("endian")
        if list(order or ()) != axes or (endian != "big" and spec.dtype.has_byte_order):
            raise MetadataError(f"'codecs' must reverse all axes and be big-endian, not {order!r:.80} and {endian!r}")
        chain = CodecChain.build(self.codecs, spec)
        return replace(self, spec=spec, chain=chain, codecs=chain.to_configs())

    @property
    def _bound(self) -> tuple[ChunkSpec, CodecChain]:
        if self.spec is None or self.chain is None:
            raise MetadataError("the codec is not bound to a chunk", codec=self.name)
        return self.spec, self.chain

    def max_encoded_size(self) -> int:
        """The header and what the codecs make of a whole chunk."""
        spec, chain = self._bound
        return 4 + 4 * len(spec.shape) + chain.max_encoded_size()

    def encode(self, array: Array) -> BytesLike:
        """One block of the full chunk."""
        spec, chain = self._bound
        header = np.array([0, len(spec.shape)], ">u2").tobytes() + np.array(spec.shape[::-1], ">u4").tobytes()
        return b"".join((header, chain.encode(array)))

    def decode(self, data: BytesLike) -> Array:
        """One block; what it lacks of the chunk is fill value.

        Raises:
            CodecError: another mode or number of axes, a block larger than the chunk, or what the codecs find.
        """
        spec, chain = self._bound
        rank = len(spec.shape)
        if len(data) < 4 + 4 * rank:
            raise CodecError(f"{len(data)} bytes are too few for the header of a block")
        mode, axes = (int(number) for number in np.frombuffer(data, ">u2", 2))
        if mode != 0 or axes != rank:
            raise CodecError(f"a block of mode {mode} with {axes} axes, expected mode 0 with {rank}")
        shape = tuple(int(length) for length in np.frombuffer(data, ">u4", rank, 4)[::-1])
        if any(length > whole for length, whole in zip(shape, spec.shape, strict=True)):
            raise CodecError(f"a block of shape {shape} does not fit the chunk {spec.shape}")
        block = chain.for_shape(shape).decode(memoryview(data)[4 + 4 * rank :])
        if shape == spec.shape:
            return block
        array = np.full(spec.shape, spec.fill, spec.dtype.numpy)
        array[tuple(slice(length) for length in shape)] = block
        return array
