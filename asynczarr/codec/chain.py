"""The codecs of an array as one: ndarray to stored bytes and back (v3 specification, "Chunk encoding")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..errors import AsyncZarrError, CodecError
from ..metadata.node import NamedConfig
from ..telemetry import events, hooks
from ..types import BytesLike
from .base import Array, ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, ChunkSpec, Codec, ManyCodec
from .order import check_order
from .registry import load_codec
from .trace import coded

if TYPE_CHECKING:
    from .sharding import ShardLayout

__all__ = ["CodecChain"]

_Part: TypeAlias = Codec | NamedConfig
"""A codec, or the configuration of one that is unknown and may be ignored."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """A bytes -> bytes codec and what it may decode to: at most `limit` bytes, exactly `exact` where that is known."""

    codec: BytesBytesCodec
    limit: int
    exact: int | None


class CodecChain:
    """A codec chain for chunks of one shape. Immutable, and safe to use from several threads.

    Attributes:
        spec: what chunks look like decoded.
        array_spec: what they look like after the array -> array codecs.
        array_codecs: the array -> array codecs, bound.
        bytes_codec: the array -> bytes codec, bound.
        writable: ``False`` if an unknown codec with ``must_understand: false`` was left out: what this chain
            writes would not be what the metadata promises.
        heavy: some codec compresses, so that a chunk is worth a thread.
        grain: decoded bytes of a chunk up to which a second thread does not pay.
    """

    spec: ChunkSpec
    array_spec: ChunkSpec
    array_codecs: tuple[ArrayArrayCodec, ...]
    bytes_codec: ArrayBytesCodec
    writable: bool
    heavy: bool
    grain: int

    def __init__(self, parts: Sequence[Codec | NamedConfig], spec: ChunkSpec) -> None:
        self._parts = tuple(parts)
        codecs = [part for part in self._parts if not isinstance(part, NamedConfig)]
        check_order(codecs)
        self.spec = self.array_spec = spec
        self.writable = len(codecs) == len(self._parts)
        self.heavy = any(codec.heavy for codec in codecs)
        self.grain = min(getattr(codec, "grain", Codec.grain) for codec in codecs)
        array_codecs, self._bytes_codecs = [], []
        limit, exact = 0, cast("int | None", None)
        for codec in codecs:
            try:
                if codec.kind == "array->array":
                    bound, self.array_spec = cast("ArrayArrayCodec", codec).bind(self.array_spec)
                    array_codecs.append(bound)
                elif codec.kind == "array->bytes":
                    self.bytes_codec = cast("ArrayBytesCodec", codec).bind(self.array_spec)
                    limit, exact = self.bytes_codec.max_encoded_size(), self.bytes_codec.encoded_size()
                    layout: ShardLayout | None = getattr(self.bytes_codec, "layout", None)
                    self.writable &= layout is None or layout.chain.writable
                else:
                    last = cast("BytesBytesCodec", codec).bind(self.array_spec)
                    self._bytes_codecs.append(_Bound(last, limit, exact))
                    limit = last.max_encoded_size(limit)
                    exact = None if exact is None else last.encoded_size(exact)
            except AsyncZarrError as error:
                error.at(codec=codec.name)
                raise
        self.array_codecs = tuple(array_codecs)
        self._limit, self._exact = limit, exact
        self._steps_back = steps = tuple(reversed(self._bytes_codecs))
        self._many = steps[0] if len(steps) == 1 and isinstance(steps[0].codec, ManyCodec) and steps[0].exact else None
        self._rebound = lru_cache(maxsize=64)(self._rebind)

    @classmethod
    def build(cls, configs: Sequence[NamedConfig], spec: ChunkSpec) -> CodecChain:
        """The chain that the ``codecs`` member of a v3 document describes.

        Unknown codecs with ``must_understand: false`` are left out, and the chain is not `writable` then.

        Raises:
            UnknownExtension: a codec that nobody registered.
            MetadataError: a wrong configuration, a wrong order, or a codec that cannot encode what it would be given.
        """
        return cls([load_codec(config) for config in configs], spec)

    @classmethod
    def of(cls, codecs: Sequence[Codec], spec: ChunkSpec) -> CodecChain:
        """The chain of `codecs` for chunks of `spec`; raises like :meth:`build`."""
        return cls(codecs, spec)

    def for_shape(self, shape: tuple[int, ...]) -> CodecChain:
        """The same codecs for chunks of another shape (rectilinear grids); the last few are kept."""
        return self if shape == self.spec.shape else self._rebound(shape)

    def _rebind(self, shape: tuple[int, ...]) -> CodecChain:
        return CodecChain(self._parts, self.spec.reshaped(shape))

    def __reduce__(self) -> tuple[Any, ...]:
        return CodecChain, (self._parts, self.spec)

    def to_configs(self) -> tuple[NamedConfig, ...]:
        """The configurations to write into the metadata, codecs that were left out included."""
        bound = iter([*self.array_codecs, self.bytes_codec, *(step.codec for step in self._bytes_codecs)])
        return tuple(part if isinstance(part, NamedConfig) else _to_config(next(bound)) for part in self._parts)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the codecs, in the order of encoding."""
        return tuple(part.name for part in self._parts if not isinstance(part, NamedConfig))

    @cached_property
    def shard(self) -> ShardLayout | None:
        """Layout of the inner chunks, in the axes of the decoded chunk, or ``None`` if they cannot be reached singly.

        They can if sharding is the array -> bytes codec, nothing follows it and only transposes come before.
        """
        if self._bytes_codecs or self.bytes_codec.name != "sharding_indexed":
            return None
        # Sharding is made of chains; it can only be imported once there is one.
        from .sharding import layout_of

        return layout_of(self.array_codecs, self.bytes_codec, self.spec)

    def encoded_size(self) -> int | None:
        """Exact number of bytes of every encoded chunk, ``None`` if it varies."""
        return self._exact

    def max_encoded_size(self) -> int:
        """Upper bound of the bytes that encoding makes of a chunk."""
        return self._limit

    def encode(self, array: Array, *, borrow: bool = False) -> BytesLike:
        """Encode one chunk.

        Args:
            array: its elements.
            borrow: the result may be a view of `array`: it is used up before the owner can change the elements.

        Raises:
            CodecError: another shape or dtype than the chain's, a value that does not fit, not `writable`.
        """
        begun, size = monotonic() if hooks.active else 0.0, array.nbytes
        data = self._encode(array, self._bytes_codecs)
        if begun:
            coded(events.Encode, self, begun, size, len(data))
        # A view may be one of the array, which its owner may change before the bytes are stored.
        return bytes(data) if isinstance(data, memoryview) and not borrow else data

    def encode_many(self, chunks: Sequence[Array]) -> Sequence[BytesLike] | None:
        """Encode several chunks at once.

        Returns:
            One buffer a chunk, which may be views of one; ``None`` if that cannot be done for all of these:
            :meth:`encode` can, or tells what is wrong.
        """
        if self._many is None:
            return None
        begun = monotonic() if hooks.active else 0.0
        try:
            plain = [self._encode(chunk, ()) for chunk in chunks]
            encoded = cast("ManyCodec", self._many.codec).encode_many(plain)
        except CodecError:
            return None
        if begun and encoded:
            size = sum(chunk.nbytes for chunk in chunks)
            coded(events.Encode, self, begun, size, sum(map(len, encoded)), len(encoded))
        return encoded

    def _encode(self, array: Array, steps: Iterable[_Bound]) -> BytesLike:
        if not self.writable:
            raise CodecError("the array has codecs that are unknown here: it can be read but not written")
        if array.shape != self.spec.shape or array.dtype != self.spec.dtype.numpy:
            raise CodecError(f"a chunk is {self.spec.shape} {self.spec.dtype.numpy}, not {array.shape} {array.dtype}")
        codec: Codec = self.bytes_codec
        try:
            for codec in self.array_codecs:
                array = codec.encode(array)
            codec = self.bytes_codec
            data = codec.encode(array)
            for step in steps:
                codec = step.codec
                data = step.codec.encode(data)
        except AsyncZarrError as error:
            error.at(codec=codec.name)
            raise
        except MemoryError:
            raise
        except Exception as error:  # codecs of third parties raise what they like
            raise CodecError(f"encoding failed: {type(error).__name__}: {error}", codec=codec.name) from error
        return data

    @property
    def batches(self) -> bool:
        """Many small chunks decode faster together, by :meth:`decode_many`."""
        return self._many is not None

    def decode_many(self, chunks: Sequence[BytesLike]) -> list[Array] | None:
        """Decode several chunks at once.

        Returns:
            Arrays that may share one buffer; ``None`` if that cannot be done for all of these: :meth:`decode` can, or
            tells what is wrong.
        """
        if self._many is None or self._many.exact is None:
            return None
        begun = monotonic() if hooks.active else 0.0
        try:
            decoded = cast("ManyCodec", self._many.codec).decode_many(chunks, self._many.exact)
            arrays = None if decoded is None else [self._decode(data, ()) for data in decoded]
        except CodecError:
            return None
        if begun and arrays:
            coded(events.Decode, self, begun, sum(map(len, chunks)), len(arrays) * arrays[0].nbytes, len(arrays))
        return arrays

    def decode(self, data: BytesLike) -> Array:
        """Decode one chunk to an array of exactly the chain's shape and dtype; it may be a read-only view of `data`.

        No step may make more bytes than the steps before it could have made of a chunk; that is found out before they
        are allocated.

        Raises:
            CodecError: malformed bytes or a wrong size.
        """
        begun = monotonic() if hooks.active else 0.0
        array = self._decode(data, self._steps_back)
        if begun:
            coded(events.Decode, self, begun, len(data), array.nbytes)
        return array

    def _decode(self, data: BytesLike, steps: Iterable[_Bound]) -> Array:
        codec: Codec = self.bytes_codec
        try:
            for step in steps:
                codec = step.codec
                data = step.codec.decode(data, step.limit)
                if len(data) != step.exact if step.exact is not None else len(data) > step.limit:
                    raise CodecError(f"decoded to {len(data)} bytes, expected {_bound_text(step)}")
            codec = self.bytes_codec
            array = codec.decode(data)
            for codec in reversed(self.array_codecs):
                array = codec.decode(array)
        except AsyncZarrError as error:
            error.at(codec=codec.name)
            raise
        except MemoryError:
            raise
        except Exception as error:  # codecs of third parties raise what they like
            raise CodecError(f"decoding failed: {type(error).__name__}: {error}", codec=codec.name) from error
        if array.shape != self.spec.shape or array.dtype != self.spec.dtype.numpy:
            raise CodecError(
                f"decoded to {array.shape} {array.dtype}, expected {self.spec.shape} {self.spec.dtype.numpy}",
                codec=codec.name,
            )
        return array


def _to_config(codec: Codec) -> NamedConfig:
    return NamedConfig(codec.name, codec.to_config())


def _bound_text(step: _Bound) -> str:
    return f"at most {step.limit}" if step.exact is None else str(step.exact)
