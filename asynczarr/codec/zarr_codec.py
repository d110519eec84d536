"""Codecs written for zarr-python, run as codecs of this package. zarr-python is imported when one is met."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import CodecError, MetadataError
from ..metadata.dtypes import DataType
from ..types import BytesLike
from .base import Array, ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, ChunkSpec, Codec
from .external import SLACK, failed, refused

__all__ = ["zarr_codec"]


def zarr_codec(name: str, library: type[Any]) -> type[Codec]:
    """The class that runs zarr-python's codec class `library` under `name`.

    Raises:
        MetadataError: `library` is no codec.
    """
    from zarr.abc import codec as abc

    bases = {abc.ArrayArrayCodec: _ArrayArray, abc.ArrayBytesCodec: _ArrayBytes, abc.BytesBytesCodec: _BytesBytes}
    for kind, base in bases.items():
        if isinstance(library, type) and issubclass(library, kind):
            return type("_Zarr", (base,), {"name": name, "library": library})
    raise MetadataError(f"{library!r} is no codec of zarr-python", codec=name)


@dataclass(frozen=True, slots=True)
class _Zarr:
    """A zarr-python codec, with the zarr-python description of the chunk once it is bound."""

    config: Mapping[str, Any]
    codec: Any = field(compare=False)
    spec: ChunkSpec | None = None
    array_spec: Any = field(default=None, compare=False, repr=False)

    name: ClassVar[str]
    heavy: ClassVar[bool] = True
    library: ClassVar[Any]

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError if zarr-python's class refuses the configuration."""
        config = dict(configuration)
        document = {"name": cls.name, "configuration": config} if config else {"name": cls.name}
        with refused("configuration", cls.name):
            return cls(config, cls.library.from_dict(document))

    def to_config(self) -> dict[str, Any]:
        """The configuration as it was given."""
        return dict(self.config)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.name, self.config, self.spec)

    def _bound(self, spec: ChunkSpec) -> Self:
        with refused("chunk", self.name):
            described = _describe(spec)
            codec = self.codec.evolve_from_array_spec(described)
        return type(self)(self.config, codec, spec, described)

    def _run(self, direction: str, data: Any) -> Any:
        with failed(direction, self.name):
            function = getattr(self.codec, f"_{direction}_sync", None)
            if function is not None:
                made = function(data, self.array_spec)
            else:
                made = _drive(getattr(self.codec, f"_{direction}_single")(data, self.array_spec))
        if made is None:
            raise CodecError(f"{direction} made nothing", codec=self.name)
        return made

    def _buffer(self, data: BytesLike) -> Any:
        return self.array_spec.prototype.buffer.from_bytes(bytes(data))

    def _ndbuffer(self, array: Array) -> Any:
        return self.array_spec.prototype.nd_buffer.from_ndarray_like(np.ascontiguousarray(array).reshape(array.shape))


def _rebuild(name: str, config: Mapping[str, Any], spec: ChunkSpec | None) -> Any:
    from .registry import get_codec_class

    codec: Any = get_codec_class(name).from_config(config)
    if spec is None:
        return codec
    bound = codec.bind(spec)
    return bound[0] if isinstance(bound, tuple) else bound


def _describe(spec: ChunkSpec) -> Any:
    from zarr.core.array_spec import ArrayConfig, ArraySpec
    from zarr.core.buffer import default_buffer_prototype
    from zarr.dtype import parse_dtype

    dtype = parse_dtype(spec.dtype.to_v3(), zarr_format=3)
    return ArraySpec(spec.shape, dtype, spec.fill, ArrayConfig.from_dict({}), default_buffer_prototype())


def _drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that may want an event loop, in a thread that may have one running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(_outcome(coroutine))))
    thread.start()
    thread.join()
    result, error = results[0]
    if error is not None:
        raise error
    return result


async def _outcome(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, Exception | None]:
    try:
        return await coroutine, None
    except Exception as error:  # carried to the waiting thread
        return None, error


class _ArrayArray(_Zarr, ArrayArrayCodec):
    __slots__ = ()

    def bind(self, spec: ChunkSpec) -> tuple[Self, ChunkSpec]:
        bound = self._bound(spec)
        with refused("chunk", self.name):
            made = bound.codec.resolve_metadata(bound.array_spec)
            dtype = DataType.from_v3(made.dtype.to_json(zarr_format=3))
        return bound, ChunkSpec(tuple(made.shape), dtype, made.fill_value)

    def encode(self, array: Array) -> Array:
        encoded: Array = self._run("encode", self._ndbuffer(array)).as_numpy_array()
        return encoded

    def decode(self, array: Array) -> Array:
        decoded: Array = self._run("decode", self._ndbuffer(array)).as_numpy_array()
        return decoded


class _ArrayBytes(_Zarr, ArrayBytesCodec):
    __slots__ = ()

    def bind(self, spec: ChunkSpec) -> Self:
        return self._bound(spec)

    def max_encoded_size(self) -> int:
        assert self.spec is not None
        return 2 * self.spec.size * max(self.spec.dtype.numpy.itemsize, 64) + SLACK

    def encode(self, array: Array) -> BytesLike:
        encoded: bytes = self._run("encode", self._ndbuffer(array)).to_bytes()
        return encoded

    def decode(self, data: BytesLike) -> Array:
        assert self.spec is not None
        decoded: Array = self._run("decode", self._buffer(data)).as_numpy_array()
        return decoded.astype(self.spec.dtype.numpy, copy=False)


class _BytesBytes(_Zarr, BytesBytesCodec):
    __slots__ = ()

    def bind(self, spec: ChunkSpec) -> Self:
        return self._bound(spec)

    def max_encoded_size(self, size: int) -> int:
        return 2 * size + SLACK

    def encode(self, data: BytesLike) -> BytesLike:
        encoded: bytes = self._run("encode", self._buffer(data)).to_bytes()
        return encoded

    def decode(self, data: BytesLike, max_size: int) -> BytesLike:
        decoded: bytes = self._run("decode", self._buffer(data)).to_bytes()
        if len(decoded) > max_size:
            raise CodecError(f"decodes to {len(decoded)} bytes, expected at most {max_size}", codec=self.name)
        return decoded
