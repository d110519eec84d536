"""Codecs: ndarray to stored bytes and back. Pure CPU, synchronous, no I/O."""

from __future__ import annotations

from .base import Array, ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, ChunkSpec, Codec, CodecKind
from .chain import CodecChain
from .of_array import chain_for
from .parse import CodecLike, default_codecs, parse_codecs
from .registry import get_codec_class, register_codec
from .v2 import v2_encoding

__all__ = [
    "Array",
    "ArrayArrayCodec",
    "ArrayBytesCodec",
    "BytesBytesCodec",
    "ChunkSpec",
    "Codec",
    "CodecChain",
    "CodecKind",
    "CodecLike",
    "chain_for",
    "default_codecs",
    "get_codec_class",
    "parse_codecs",
    "register_codec",
    "v2_encoding",
]
