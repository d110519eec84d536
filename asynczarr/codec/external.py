"""Codecs that other packages publish for zarr-python (group ``zarr.codecs``) and numcodecs (``numcodecs.codecs``).

Nothing bounds what they allocate: the size of what they decode is only checked afterwards. pickle, which runs code from
the chunk, is refused under every name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Self, cast

import numpy as np

from ..errors import CodecError, MetadataError, UnknownExtension
from ..types import BytesLike
from .base import Array, ArrayBytesCodec, BytesBytesCodec, ChunkSpec, Codec, CodecKind
from .numcodecs_ import numcodecs_class

__all__ = ["SLACK", "external_codec", "failed", "refuse_pickle", "refused", "v2_external"]

SLACK = 2**20
"""Bytes that a codec of others may add beyond twice the size of what it is given."""


def refuse_pickle(name: str) -> None:
    """Refuse pickle.

    Raises:
        UnknownExtension: `name` is pickle's, with or without ``numcodecs.``.
    """
    if name.removeprefix("numcodecs.") == "pickle":
        raise UnknownExtension("codec", name, "pickle is never loaded: it runs code that the chunk names", codec=name)


def external_codec(name: str) -> type[Codec] | None:
    """The class for a v3 `name` that is not among the codecs of the specification, ``None`` if nobody has it.

    In this order: the numcodecs set of this package, entry points of ``zarr.codecs``, entry points of
    ``numcodecs.codecs`` under ``numcodecs.<id>``, as bytes -> bytes codecs.

    Raises:
        UnknownExtension: pickle.
    """
    refuse_pickle(name)
    if name == "vlen-array":
        return numcodecs_class(name)
    prefixed = name.startswith("numcodecs.")
    if prefixed and (own := numcodecs_class(name.removeprefix("numcodecs."))) is not None:
        return own
    if (entry := _zarr_entries().get(name)) is not None:
        from .zarr_codec import zarr_codec

        return zarr_codec(name, entry.load())
    library = _library(name.removeprefix("numcodecs.")) if prefixed else None
    return None if library is None else type("_External", (_OnBytes,), {"name": name, "library": library})


def v2_external(name: str, parameters: Mapping[str, Any], *, in_bytes: bool) -> Codec | None:
    """The codec that a package published for numcodecs as `name`, ``None`` if there is none.

    Args:
        in_bytes: a codec before it makes bytes. Otherwise it is given the array itself, as image codecs want it.

    Raises:
        MetadataError: the codec does not take the `parameters`.
    """
    library = _library(name)
    if library is None:
        return None
    made: Any = type("_External", (_OnBytes if in_bytes else _OnArray,), {"name": name, "library": library})
    codec: Codec = made.from_config(parameters)
    return codec


@contextmanager
def refused(what: str, codec: str) -> Iterator[None]:
    """Whatever a library raises is a MetadataError: it refuses the configuration, or the chunk."""
    try:
        yield
    except Exception as error:  # code of others raises what it likes
        raise MetadataError(f"its library refuses the {what}: {error}", codec=codec) from error


@contextmanager
def failed(direction: str, codec: str) -> Iterator[None]:
    """Whatever a library raises is a CodecError: it could not encode, or decode."""
    try:
        yield
    except Exception as error:  # code of others raises what it likes
        raise CodecError(f"{direction} failed: {type(error).__name__}: {error}", codec=codec) from error


@cache
def _zarr_entries() -> dict[str, EntryPoint]:
    found = entry_points()
    entries = {entry.name: entry for entry in found.select(group="zarr.codecs")}
    for group in found.groups:  # several packages may offer one codec: group zarr.codecs.<name>
        if group.startswith("zarr.codecs."):
            for entry in found.select(group=group):
                entries.setdefault(group.removeprefix("zarr.codecs."), entry)
    return entries


def _library(name: str) -> type[Any] | None:
    """The numcodecs codec called `name`: published by a package or registered by this process."""
    import numcodecs.registry
    from numcodecs.pickles import Pickle

    found: Any = numcodecs.registry.codec_registry.get(name)
    if found is None:
        entry = next(iter(entry_points(group="numcodecs.codecs", name=name)), None)
        found = None if entry is None else entry.load()
    if found is not None and isinstance(found, type) and issubclass(found, Pickle):
        refuse_pickle("pickle")
    return cast("type[Any] | None", found)


@dataclass(frozen=True, slots=True)
class _External:
    """A numcodecs codec of another package."""

    config: Mapping[str, Any]
    codec: Any = field(compare=False)
    spec: ChunkSpec | None = None

    name: ClassVar[str]
    heavy: ClassVar[bool] = True
    kind: ClassVar[CodecKind]
    library: ClassVar[Any]

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError if its library refuses the configuration."""
        with refused("configuration", cls.name):
            return cls(dict(configuration), cls.library.from_config(dict(configuration)))

    def to_config(self) -> dict[str, Any]:
        """The configuration as it was given."""
        return dict(self.config)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.name, self.kind == "bytes->bytes", self.config, self.spec)

    def _run(self, direction: str, data: Any) -> Any:
        with failed(direction, self.name):
            return getattr(self.codec, direction)(data)


def _rebuild(name: str, in_bytes: bool, config: Mapping[str, Any], spec: ChunkSpec | None) -> Any:
    codec: Any = v2_external(name.removeprefix("numcodecs."), config, in_bytes=in_bytes)
    return codec if spec is None else codec.bind(spec)


def _bytes(made: Any) -> BytesLike:
    return made if isinstance(made, bytes) else np.ascontiguousarray(made).reshape(-1).view(np.uint8).data


class _OnBytes(_External, BytesBytesCodec):
    __slots__ = ()

    def max_encoded_size(self, size: int) -> int:
        return 2 * size + SLACK

    def encode(self, data: BytesLike) -> BytesLike:
        return _bytes(self._run("encode", data))

    def decode(self, data: BytesLike, max_size: int) -> BytesLike:
        decoded = _bytes(self._run("decode", data))
        if len(decoded) > max_size:
            raise CodecError(f"decodes to {len(decoded)} bytes, expected at most {max_size}", codec=self.name)
        return decoded


class _OnArray(_External, ArrayBytesCodec):
    __slots__ = ()

    def bind(self, spec: ChunkSpec) -> Self:
        if spec.dtype.itemsize is None:
            raise MetadataError(f"cannot encode data type {spec.dtype.name!r}", codec=self.name)
        return replace(self, spec=spec)

    def max_encoded_size(self) -> int:
        assert self.spec is not None
        return 2 * self.spec.size * self.spec.dtype.numpy.itemsize + SLACK

    def encode(self, array: Array) -> BytesLike:
        return _bytes(self._run("encode", np.ascontiguousarray(array).reshape(array.shape)))

    def decode(self, data: BytesLike) -> Array:
        assert self.spec is not None
        decoded, dtype = _bytes(self._run("decode", data)), self.spec.dtype.numpy
        if len(decoded) != self.spec.size * dtype.itemsize:
            size = self.spec.size * dtype.itemsize
            raise CodecError(f"decodes to {len(decoded)} bytes, expected {size}", codec=self.name)
        return np.frombuffer(decoded, dtype).reshape(self.spec.shape)
