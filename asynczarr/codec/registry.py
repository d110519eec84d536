"""Names of codecs and the classes behind them.

A name is looked up among the codecs registered in this process (the built-in ones are, by name only: their modules load
when they are used), then among the entry points of the group ``asynczarr.codecs``, then among the codecs that other
packages publish for zarr-python and numcodecs. Nothing that runs code from a chunk (pickle) is ever found here.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import MetadataError, UnknownExtension
from ..metadata.node import NamedConfig
from .base import Codec

__all__ = ["get_codec_class", "load_codec", "register_codec"]

_codecs: dict[str, type[Codec] | str] = {
    "bitround": "asynczarr.codec.bitround:BitRoundCodec",
    "blosc": "asynczarr.codec.blosc:BloscCodec",
    "bytes": "asynczarr.codec.bytes:BytesCodec",
    "cast_value": "asynczarr.codec.cast_value:CastValueCodec",
    "conditional": "asynczarr.codec.conditional:ConditionalCodec",
    "crc32c": "asynczarr.codec.crc32c:Crc32cCodec",
    "endian": "asynczarr.codec.bytes:BytesCodec",
    "gzip": "asynczarr.codec.gzip:GzipCodec",
    "n5_default": "asynczarr.codec.n5_default:N5DefaultCodec",
    "packbits": "asynczarr.codec.packbits:PackBitsCodec",
    "reshape": "asynczarr.codec.reshape:ReshapeCodec",
    "scale_offset": "asynczarr.codec.scale_offset:ScaleOffsetCodec",
    "sharding_indexed": "asynczarr.codec.sharding:ShardingCodec",
    "transpose": "asynczarr.codec.transpose:TransposeCodec",
    "vlen-bytes": "asynczarr.codec.vlen:VlenBytesCodec",
    "vlen-utf8": "asynczarr.codec.vlen:VlenUtf8Codec",
    "zarrs.squeeze": "asynczarr.codec.reshape:SqueezeCodec",
    "zarrs.vlen_v2": "asynczarr.codec.vlen:ZarrsVlenCodec",
    "zfp": "asynczarr.codec.zfp:ZfpCodec",
    "zstd": "asynczarr.codec.zstd:ZstdCodec",
}


def register_codec(name: str, codec: type[Codec] | str, *aliases: str) -> None:
    """Make a codec known under `name`, in this process; an earlier codec of that name is replaced.

    Args:
        name: the name in v3 metadata.
        codec: the class, or ``"package.module:Class"`` to import it on first use.
        aliases: further names that are read, never written.
    """
    for each in (name, *aliases):
        _codecs[each] = codec


def get_codec_class(name: str) -> type[Codec]:
    """The class of the codec called `name`.

    Raises:
        UnknownExtension: nobody registered it.
    """
    found: Any = _codecs.get(name)
    if found is None:
        published = _published().get(name)
        found = published.load() if published is not None else _external(name)
        if found is None:
            raise UnknownExtension("codec", name, codec=name)
        _codecs[name] = found
    elif isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = _codecs[name] = getattr(import_module(module), attribute)
    codec: type[Codec] = found
    return codec


def load_codec(config: NamedConfig) -> Codec | NamedConfig:
    """Make the codec that `config` describes, or return `config` if it is unknown and may be ignored.

    Raises:
        UnknownExtension: nobody registered it.
        MetadataError: a wrong configuration.
    """
    try:
        return get_codec_class(config.name).from_config(config.configuration)
    except UnknownExtension as error:
        # Only this codec may be left out, not one that is unknown inside its configuration (a shard's, say).
        if config.must_understand or error.name != config.name:
            error.at(codec=config.name)
            raise
        return config
    except MetadataError as error:
        error.at(codec=config.name)
        raise


@cache
def _published() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="asynczarr.codecs")}


def _external(name: str) -> type[Codec] | None:
    # Imported here because it knows numcodecs and the entry points of others, which cost time to load.
    from .external import external_codec

    return external_codec(name)
