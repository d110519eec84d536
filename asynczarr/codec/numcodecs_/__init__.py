"""The codecs of numcodecs: in v2 by their id, in v3 as ``numcodecs.<id>``, as zarr-python writes them.

Many use numcodecs itself. Where its decoder believes sizes in the data, they use the library below it, or check first.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..base import Codec

__all__ = ["IDS", "numcodecs_class"]

IDS = {
    "adler32": ".checksums:Adler32",
    "astype": ".filters:AsType",
    "base64": ".compressors:Base64",
    "bitround": ".filters:BitRound",
    "blosc": ".core:Blosc",
    "bz2": ".compressors:Bz2",
    "categorize": ".filters:Categorize",
    "crc32": ".checksums:Crc32",
    "crc32c": ".checksums:Crc32c",
    "delta": ".filters:Delta",
    "fixedscaleoffset": ".filters:FixedScaleOffset",
    "fletcher32": ".checksums:Fletcher32",
    "gzip": ".core:Gzip",
    "jenkins_lookup3": ".checksums:JenkinsLookup3",
    "json2": ".objects:Json2",
    "lz4": ".compressors:Lz4",
    "lzma": ".compressors:Lzma",
    "msgpack2": ".objects:MsgPack2",
    "packbits": ".filters:PackBits",
    "pcodec": ".numeric:PCodec",
    "quantize": ".filters:Quantize",
    "shuffle": ".core:Shuffle",
    "vlen-array": ".objects:VlenArray",
    "vlen-bytes": "..vlen:VlenBytesCodec",
    "vlen-utf8": "..vlen:VlenUtf8Codec",
    "zfpy": ".numeric:Zfpy",
    "zlib": ".compressors:Zlib",
    "zstd": ".core:Zstd",
}
"""Every id and where its codec is."""


def numcodecs_class(identifier: str) -> type[Codec] | None:
    """The class of the codec that numcodecs calls `identifier`, ``None`` if it is none of :data:`IDS`."""
    place = IDS.get(identifier)
    if place is None:
        return None
    module, _, name = place.partition(":")
    found: type[Codec] = getattr(import_module(module, __name__), name)
    return found
