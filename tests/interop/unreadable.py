"""What others do not read of what asynczarr writes, and why. Without an entry here they must read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .combinations import V2_CODECS, V3_CODECS, Combination
from .samples import V2_TYPES, V3_TYPES

__all__ = ["UNREADABLE", "Reason", "why_not"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a peer does not read some combinations; ``None`` stands for all.

    Attributes:
        text: for people.
        wrong_values: it may also find other values instead of refusing.
    """

    text: str
    zarr_format: int | None = None
    types: frozenset[str] | None = None
    codecs: frozenset[str] | None = None
    layouts: frozenset[str] | None = None
    wrong_values: bool = False

    def covers(self, combination: Combination) -> bool:
        """Whether it is about this array."""
        pairs = (
            (self.zarr_format and {self.zarr_format}, combination.zarr_format),
            (self.types, combination.type),
            (self.codecs, combination.codec),
            (self.layouts, combination.layout),
        )
        return all(allowed is None or value in allowed for allowed, value in pairs)


def why_not(peer: str, combination: Combination) -> Reason | None:
    """The first reason why `peer` does not read an array."""
    return next((reason for reason in UNREADABLE[peer] if reason.covers(combination)), None)


def _types(*names: str, but: tuple[str, ...] = ()) -> frozenset[str]:
    """Data types by name; one with a star stands for all that begin so."""
    every = {*V3_TYPES, *V2_TYPES}
    found = {
        name
        for name in every
        for wanted in names
        if name == wanted or (wanted[-1] == "*" and name.startswith(wanted[:-1]))
    }
    return frozenset(found - set(but))


def _codecs(*names: str, but: tuple[str, ...] = ()) -> frozenset[str]:
    every = {*V3_CODECS, *V2_CODECS, "default"}
    found = {
        name
        for name in every
        for wanted in names
        if name.partition(",")[0] == wanted or (wanted[-1] == "*" and name.startswith(wanted[:-1]))
    }
    return frozenset(found - set(but))


_SMALL = _types("int2", "int4", "uint2", "uint4", "bfloat16", "float4_*", "float6_*", "float8_*")
_PARTS = _types("complex_*")
_RAW = _types("r8", "r24", "raw_bytes")
_TIMES = _types("numpy.*", "<M8*", ">M8*", "<m8*", ">m8*")
_STRUCTS = _types("struct*")
_LENGTHY = _types("string", "bytes")
_FIXED = _types("fixed_length_utf32", "null_terminated_bytes", "raw_bytes", "<U*", ">U*")
_INTEGERS = _types("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_RECTILINEAR = frozenset(("rectilinear", "rectilinear, one axis", "rectilinear shards"))
_EXTENSIONS = _codecs(
    "bitround", "cast_value", "conditional", "n5_default", "packbits", "reshape", "scale_offset", "zarrs.*", "zfp"
)
_VLEN = _codecs("vlen-*", "numcodecs.vlen-*")

UNREADABLE: Mapping[str, tuple[Reason, ...]] = {
    "zarr-python": (
        Reason("no such data type", 3, types=_SMALL | _PARTS | _types("r8", "r24")),
        Reason("no struct before 3.4", 3, types=_STRUCTS),
        Reason("no structs or subarrays in structs since 3.0", 2, types=_types("struct, *")),
        Reason(
            "no scale_offset, no cast_value before 3.4 (and then it needs cast-value-rs)",
            codecs=_codecs("scale_offset", "cast_value"),
        ),
        Reason(
            "no such codec",
            3,
            codecs=_EXTENSIONS
            | _codecs("numcodecs.base64", "numcodecs.categorize", "numcodecs.json2", "numcodecs.msgpack2"),
        ),
        Reason("no json2 and msgpack2 since 3.0", 2, codecs=_codecs("json2", "msgpack2")),
        Reason(
            "vlen-utf8 is for strings, vlen-bytes for bytes",
            types=_types("bytes"),
            codecs=_VLEN - _codecs("vlen-bytes", "numcodecs.vlen-bytes"),
        ),
        Reason(
            "vlen-utf8 is for strings, vlen-bytes for bytes",
            types=_types("string"),
            codecs=_VLEN - _codecs("vlen-utf8", "numcodecs.vlen-utf8"),
        ),
        Reason("no raw_bytes in shards before 3.4", 3, types=_types("raw_bytes"), layouts=frozenset(("shards",))),
        Reason(
            "numcodecs.bitround is for floats",
            3,
            types=_INTEGERS,
            codecs=_codecs("numcodecs.bitround"),
            wrong_values=True,
        ),
        Reason("pcodec takes no complex numbers", types=_types("complex*"), codecs=_codecs("numcodecs.pcodec")),
        Reason("scale_offset takes no complex numbers", types=_types("complex*"), codecs=_codecs("scale_offset")),
        Reason("no rectilinear grids before 3.2", layouts=_RECTILINEAR),
        Reason(
            "inner chunks are compared with the shard before the transpose",
            layouts=frozenset(("shards, transposed outside",)),
        ),
    ),
    "tensorstore": (
        Reason(
            "no such data type",
            types=(
                _PARTS
                | _STRUCTS
                | _TIMES
                | _LENGTHY
                | _FIXED
                | _RAW
                | _types("uint2", "uint4", "float6_*", "float8_e4m3")
            )
            - _types("raw_bytes"),
        ),
        Reason(
            "reads bytes of fixed length as one more axis, without their fill value",
            types=_types("raw_bytes", "|S*", "|V*"),
            wrong_values=True,
        ),
        Reason("misreads the fill value of float8_e8m0fnu", types=_types("float8_e8m0fnu"), wrong_values=True),
        Reason(
            "no such codec",
            3,
            codecs=_EXTENSIONS
            | _VLEN
            | _codecs("numcodecs.*", but=("numcodecs.blosc", "numcodecs.gzip", "numcodecs.zstd")),
        ),
        Reason(
            "no filters; of compressors only blosc, bz2, gzip, zlib and zstd",
            2,
            codecs=_codecs(
                "*", but=("raw", "zlib", "gzip", "zstd", "bz2", "blosc, lz4", "blosc, zstd, bitshuffle", "default")
            ),
        ),
        Reason("no rectilinear grids", layouts=_RECTILINEAR),
        Reason("no codec after sharding", layouts=frozenset(("shards, gzip around",))),
    ),
    "zarrista": (
        Reason("no such data type", 3, types=_STRUCTS | _types("null_terminated_bytes", "raw_bytes")),
        Reason("no such data type", 2, types=_STRUCTS | _TIMES | _types("bytes", "|S5")),
        Reason(
            "bitround also rounds the fill value of missing chunks of integers",
            3,
            types=_INTEGERS | _TIMES,
            codecs=_codecs("bitround"),
            wrong_values=True,
        ),
        Reason(
            "no such codec",
            3,
            codecs=_codecs("cast_value", "conditional", "n5_default", "scale_offset", "zfp")
            | _codecs(
                "numcodecs.*",
                but=tuple(
                    f"numcodecs.{name}"
                    for name in (
                        "bitround",
                        "blosc",
                        "fixedscaleoffset",
                        "gzip",
                        "shuffle",
                        "vlen-array",
                        "vlen-bytes",
                        "vlen-utf8",
                        "zstd",
                    )
                ),
            ),
        ),
        Reason(
            "of v2 filters only shuffle and fixedscaleoffset, of compressors only blosc, gzip and zstd",
            2,
            codecs=_codecs(
                "*",
                but=(
                    "raw",
                    "gzip",
                    "zstd",
                    "blosc, lz4",
                    "blosc, zstd, bitshuffle",
                    "shuffle",
                    "fixedscaleoffset",
                    "default",
                ),
            ),
        ),
        Reason(
            "fixedscaleoffset takes numbers of 2, 4 and 8 bytes, not float16",
            codecs=_codecs("numcodecs.fixedscaleoffset", "fixedscaleoffset"),
            types=_types("int8", "uint8", "|i1", "|u1", "float16", "<f2", ">f2", "complex*", "<c*", ">c*"),
        ),
        Reason(
            "packbits counts no padding for whole bytes",
            codecs=frozenset(("packbits, padding first",)),
        ),
        Reason("no array codecs before strings", 3, types=_LENGTHY, codecs=_codecs("transpose", "reshape")),
        Reason("no array codecs before strings", 2, types=_LENGTHY, layouts=frozenset(("order F",))),
    ),
    "zarrita.js": (
        Reason(
            "no such data type",
            types=_SMALL
            | _PARTS
            | _RAW
            | _STRUCTS
            | _TIMES
            | _FIXED
            | _types("bytes", "float16", "complex64", "complex128", "<f2", ">f2", "<c*", ">c*", "|V*")
            - _types("<U*", ">U*"),
        ),
        Reason(
            "64-bit integers as fill values lose precision",
            types=_types("int64", "uint64", "<i8", ">i8", "<u8", ">u8"),
            wrong_values=True,
        ),
        Reason(
            "no such codec",
            3,
            codecs=_codecs(
                "conditional",
                "n5_default",
                "packbits",
                "reshape",
                "zarrs.*",
                "zfp",
                "vlen-bytes",
                "vlen-array",
                "numcodecs.*",
                but=tuple(
                    f"numcodecs.{name}"
                    for name in (
                        "blosc",
                        "lz4",
                        "zstd",
                        "gzip",
                        "zlib",
                        "vlen-utf8",
                        "shuffle",
                        "delta",
                        "bitround",
                        "json2",
                    )
                ),
            ),
        ),
        Reason(
            "no such codec",
            2,
            codecs=_codecs(
                *("adler32", "astype", "base64", "bz2", "categorize", "crc32", "crc32c", "fixedscaleoffset"),
                *("fletcher32", "jenkins_lookup3", "lzma", "msgpack2", "packbits", "pcodec", "quantize", "zfpy"),
            ),
        ),
        Reason("no fill value for bytes of fixed length", 2, types=_types("|S*"), wrong_values=True),
        Reason("json2 only along one axis", codecs=_codecs("numcodecs.json2", "json2"), wrong_values=True),
        Reason(
            "big-endian booleans are misread",
            types=_types("bool"),
            codecs=frozenset(("bytes, big-endian",)),
            wrong_values=True,
        ),
        Reason("shuffle is not for strings", types=_LENGTHY, codecs=_codecs("numcodecs.shuffle", "shuffle")),
        Reason("no index at the start of a shard", layouts=frozenset(("shards, index first",)), wrong_values=True),
        Reason("no shards in shards", layouts=frozenset(("shards in shards",))),
        Reason(
            "no codecs around sharding",
            layouts=frozenset(("shards, transposed outside", "shards, gzip around")),
            wrong_values=True,
        ),
        Reason("no rectilinear grids", layouts=_RECTILINEAR),
        Reason(
            "no arrays without axes or without elements", layouts=frozenset(("shape ()", "shape (0,)", "shape (7, 0)"))
        ),
    ),
}
