"""The codecs of one Zarr format in the words of the other, for copies between formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import MetadataError
from ..metadata.node import NamedConfig, V2Encoding

__all__ = ["to_v2", "to_v3"]

_SHUFFLE = ("noshuffle", "shuffle", "bitshuffle")
_OBJECT = ("vlen-utf8", "vlen-bytes")
_SAME = {
    *("adler32", "astype", "bitround", "bz2", "crc32", "delta", "fixedscaleoffset", "fletcher32", "jenkins_lookup3"),
    *("lz4", "lzma", "packbits", "pcodec", "quantize", "shuffle", "zfpy", "zlib"),
}
"""Codecs that v3 knows as ``numcodecs.<id>``, with the same configuration."""


def to_v3(encoding: V2Encoding, itemsize: int) -> tuple[NamedConfig, ...]:
    """The v3 codecs that do what a v2 encoding does; the array -> bytes codec is left to the data type.

    Args:
        encoding: filters and compressor.
        itemsize: bytes of an element, which v3 blosc writes down.

    Raises:
        MetadataError: a codec that v3 has no name for.
    """
    configs = [*(encoding.filters or ()), *([encoding.compressor] if encoding.compressor else [])]
    return tuple(_to_v3(config, itemsize) for config in configs if config["id"] not in _OBJECT)


def _to_v3(config: Mapping[str, Any], itemsize: int) -> NamedConfig:
    name = config["id"]
    rest = {key: value for key, value in config.items() if key != "id"}
    if name == "zstd":
        return NamedConfig("zstd", {"level": rest.get("level", 0), "checksum": bool(rest.get("checksum", False))})
    if name == "gzip":
        return NamedConfig("gzip", {"level": rest.get("level", 1)})
    if name == "blosc":
        shuffle = rest.get("shuffle", 1)
        if shuffle == -1:
            shuffle = 2 if itemsize == 1 else 1
        return NamedConfig(
            "blosc",
            {
                "cname": rest.get("cname", "lz4"),
                "clevel": rest.get("clevel", 5),
                "shuffle": _SHUFFLE[shuffle],
                "typesize": itemsize,
                "blocksize": rest.get("blocksize", 0),
            },
        )
    if name in _SAME:
        return NamedConfig(f"numcodecs.{name}", rest)
    raise MetadataError("this codec has no counterpart in Zarr v3: give codecs= for the copy", codec=name)


def to_v2(codecs: Sequence[NamedConfig]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Filters and compressor that do what v3 codecs do; sharding and byte order are left behind.

    Raises:
        MetadataError: a codec that v2 has no name for.
    """
    found = [config for config in codecs if config.name not in ("bytes", *_OBJECT)]
    converted = [_to_v2(config) for config in found]
    return (converted[:-1], converted[-1]) if converted else ([], None)


def _to_v2(config: NamedConfig) -> dict[str, Any]:
    rest = dict(config.configuration)
    if config.name in ("zstd", "gzip"):
        return {"id": config.name, **rest}
    if config.name == "blosc":
        rest.pop("typesize", None)
        return {"id": "blosc", **rest, "shuffle": _SHUFFLE.index(rest["shuffle"])}
    if config.name.startswith("numcodecs."):
        return {"id": config.name.removeprefix("numcodecs."), **rest}
    raise MetadataError(
        "this codec has no counterpart in Zarr v2: give filters= and compressor= for the copy", codec=config.name
    )
