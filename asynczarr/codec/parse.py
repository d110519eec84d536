"""Codecs as a user names them, and the ones that are taken if nobody does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from ..errors import MetadataError
from ..metadata.extension import parse_extension
from ..metadata.node import NamedConfig
from .base import ChunkSpec, Codec
from .registry import get_codec_class

__all__ = ["CodecLike", "default_codecs", "parse_codecs"]

CodecLike: TypeAlias = str | Mapping[str, Any] | NamedConfig | Codec
"""A codec's name, its object in a v3 document, or the codec itself."""


def default_codecs(spec: ChunkSpec | None) -> tuple[NamedConfig, ...]:
    """The codecs of arrays that were created without any: zstd, which all readers know, after the plain elements."""
    return _bytes_codec(spec), NamedConfig("zstd", {"level": 3, "checksum": False})


def parse_codecs(value: CodecLike | Sequence[CodecLike] | None, spec: ChunkSpec | None) -> tuple[NamedConfig, ...]:
    """Read the codecs that a user gave for chunks of `spec`.

    Args:
        value: one codec or several; ``"auto"`` for :func:`default_codecs`, ``None`` for no compression. Where no
            array -> bytes codec is among them the one for the data type is put in, and a ``bytes`` codec without byte
            order becomes little-endian.
        spec: the chunks; ``None`` for the index of a shard, where nothing is put in.

    Raises:
        UnknownExtension: a name that nobody registered.
        MetadataError: something that is no codec, or a codec that does nothing without a configuration.
    """
    if isinstance(value, str) and value == "auto":
        return default_codecs(spec)
    several = value if isinstance(value, (list, tuple)) else () if value is None else (value,)
    configs = [_config(cast("CodecLike", each)) for each in several]
    kinds = [get_codec_class(config.name).kind for config in configs]
    if spec is not None and "array->bytes" not in kinds:
        configs.insert(kinds.count("array->array"), _bytes_codec(spec))
    # What an array -> array codec makes may have a byte order where the array has none; too many do no harm.
    stored = None if "array->array" in kinds else spec
    return tuple(_with_endian(config, stored) for config in configs)


def _config(value: CodecLike) -> NamedConfig:
    if isinstance(value, NamedConfig):
        return value
    if isinstance(value, str):
        return _named(value)
    if isinstance(value, Mapping):
        return parse_extension(dict(value), "codec")
    if not hasattr(value, "to_config"):
        raise MetadataError(f"not a codec: {value!r:.80}")
    return NamedConfig(value.name, value.to_config())


def _named(name: str) -> NamedConfig:
    codec_class = get_codec_class(name)
    try:
        codec = codec_class.from_config({})
    except MetadataError as error:
        # Our own codecs have a default for what a document has to tell.
        try:
            codec = codec_class()
        except TypeError:
            raise error.at(codec=name) from None
    return NamedConfig(name, codec.to_config())


def _bytes_codec(spec: ChunkSpec | None) -> NamedConfig:
    name = {"vlen-text": "vlen-utf8", "vlen-bytes": "vlen-bytes"}.get(spec.dtype.kind if spec else "", "bytes")
    return _with_endian(NamedConfig(name), spec)


def _with_endian(config: NamedConfig, spec: ChunkSpec | None) -> NamedConfig:
    needed = config.name == "bytes" and (spec is None or spec.dtype.has_byte_order)
    if not needed or config.configuration.get("endian") is not None:
        return config
    return NamedConfig("bytes", {"endian": "little"}, config.must_understand)
