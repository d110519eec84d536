"""Every data type with every codec, format and form of sharding: what asynczarr writes for others to read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import asynczarr as az
from asynczarr.codec import get_codec_class
from asynczarr.metadata.dtypes import DataType

from .samples import SHAPE, V2_TYPES, V3_TYPES, plain, wild

__all__ = [
    "FULL",
    "REPRESENTATIVE",
    "V2_CODECS",
    "V3_CODECS",
    "V3_LAYOUTS",
    "Codec",
    "Combination",
    "every_codec",
    "every_layout",
]

FULL = os.environ.get("ASYNCZARR_INTEROP") == "full"
"""Try every data type with every codec in every layout. Otherwise codecs of bytes, to which elements of one size are
alike, and second layouts are tried with representative data types."""

REPRESENTATIVE = frozenset(
    (
        *("bool", "int4", "uint8", "int16", "float32", "float64", "complex128", "bfloat16", "r24", "string", "bytes"),
        *("fixed_length_utf32", "numpy.datetime64", "struct"),
        *("|b1", "|u1", "<i2", ">i4", "<f4", ">f8", "<c8", "|S5", "<U3", ">M8[ns]"),
    )
)


_EVERY = frozenset(V3_TYPES)
_SIZED = _EVERY - {"string", "bytes"}
_INTEGERS = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_TINY_INTEGERS = frozenset(("int2", "int4", "uint2", "uint4"))
_FLOATS = frozenset(("float16", "float32", "float64"))
_COMPLEX = frozenset(("complex64", "complex128"))
_COMPLEX_AGAIN = frozenset(("complex_float32", "complex_float64"))  # other names of the same
_TIMES = frozenset(("numpy.datetime64", "numpy.timedelta64"))
_SMALL_FLOATS = frozenset(name for name in V3_TYPES if name.startswith(("float8_", "float6_", "float4_")))
_LENGTHY = frozenset(("string", "bytes"))
_OPAQUE = frozenset(name for name in V3_TYPES if name.startswith(("r", "struct", "fixed", "null")))
_BINARY = frozenset(("bytes", "null_terminated_bytes", "r8", "r24", "raw_bytes"))
_REALS = _INTEGERS | _TINY_INTEGERS | _FLOATS | _SMALL_FLOATS | {"bfloat16"}
_SCALED = (
    (_REALS | _COMPLEX | _COMPLEX_AGAIN) - {"int2"} - {x for x in _SMALL_FLOATS if x[5] != "8" or x == "float8_e8m0fnu"}
)
_TEXT = frozenset(("string", "fixed_length_utf32"))
_NESTED = _REALS | _TEXT | {"bool"}
_FOUR_BYTES = frozenset(("int32", "uint32"))
_PCODEC = _FLOATS | _COMPLEX | _COMPLEX_AGAIN | _TIMES | (_INTEGERS - {"int8", "uint8"}) | {"complex_float16"}
_ROUNDED = (
    _INTEGERS | _FLOATS | _COMPLEX | _COMPLEX_AGAIN | _TIMES | {"bfloat16", "complex_float16", "complex_bfloat16"}
)


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec and the data types that asynczarr offers it for, which is checked both ways.

    Attributes:
        make: the codecs for a data type, as ``create_array`` takes them; or arguments for a v2 array.
        types: labels of data types.
        values: makes the values to write.
        lossless: what is read is what was written, bit by bit.
    """

    make: Callable[[DataType], Any]
    types: frozenset[str] = _EVERY
    values: Callable[[DataType], np.ndarray] = field(default=wild, kw_only=True)
    lossless: bool = field(default=True, kw_only=True)


def _named(
    name: str, types: frozenset[str] = _EVERY, /, lossy: bool = False, calculates: bool = False, **config: Any
) -> Codec:
    codec = {"name": name, "configuration": config} if config else name
    return Codec(lambda _: [codec], types, values=plain if lossy or calculates else wild, lossless=not lossy)


_REVERSED = {"name": "transpose", "configuration": {"order": [1, 0]}}
_BIG = {"name": "bytes", "configuration": {"endian": "big"}}
_GZIP = {"name": "gzip", "configuration": {"level": 5}}


def _scale_offset(data_type: DataType) -> list[Any]:
    offset, scale = (data_type.fill_to_json(data_type.scalar(number)) for number in (1, 2))
    signed = data_type.kind != "uint"
    return [{"name": "scale_offset", "configuration": {"scale": scale} | ({"offset": offset} if signed else {})}]


V3_CODECS: Mapping[str, Codec] = {
    "bytes": _named("bytes", _SIZED),
    "bytes, big-endian": Codec(lambda _: [_BIG], _SIZED),
    "transpose": Codec(lambda _: [_REVERSED]),
    "reshape": _named("reshape", shape=[[0, 1]]),
    "zarrs.squeeze": _named("zarrs.squeeze"),
    "bitround": _named("bitround", _ROUNDED, lossy=True, keepbits=1),
    "scale_offset": Codec(_scale_offset, _SCALED, values=plain),
    "cast_value": _named("cast_value", _REALS, calculates=True, data_type="float32"),
    "packbits": _named("packbits", _SIZED - _OPAQUE),
    "packbits, padding first": _named("packbits", _SIZED - _OPAQUE, padding_encoding="first_byte"),
    "zfp": _named("zfp", _INTEGERS | _TIMES | {"float32", "float64"}, calculates=True, mode="reversible"),
    "vlen-utf8": _named("vlen-utf8", _LENGTHY),
    "vlen-bytes": _named("vlen-bytes", _LENGTHY),
    "vlen-array": _named("vlen-array", _LENGTHY),
    "zarrs.vlen_v2": _named("zarrs.vlen_v2", _LENGTHY),
    "n5_default": _named("n5_default", _SIZED, codecs=[_REVERSED, _BIG, _GZIP]),
    "gzip": Codec(lambda _: [_GZIP]),
    "zstd": _named("zstd", level=3, checksum=False),
    "zstd, checksum": _named("zstd", level=3, checksum=True),
    "crc32c": _named("crc32c"),
    "blosc, lz4, shuffle": _named("blosc", cname="lz4", clevel=5, shuffle="shuffle"),
    "blosc, lz4hc, bitshuffle": _named("blosc", cname="lz4hc", clevel=5, shuffle="bitshuffle"),
    "blosc, zstd, noshuffle": _named("blosc", cname="zstd", clevel=5, shuffle="noshuffle"),
    "blosc, zlib": _named("blosc", cname="zlib", clevel=5, shuffle="shuffle"),
    "blosc, blosclz": _named("blosc", cname="blosclz", clevel=5, shuffle="shuffle"),
    "conditional": _named("conditional", codecs=[_GZIP]),
    "numcodecs.adler32": _named("numcodecs.adler32"),
    "numcodecs.astype": _named(
        "numcodecs.astype", _FOUR_BYTES, calculates=True, encode_dtype="<f8", decode_dtype="<i4"
    ),
    "numcodecs.base64": _named("numcodecs.base64"),
    "numcodecs.bitround": _named("numcodecs.bitround", _ROUNDED, lossy=True, keepbits=2),
    "numcodecs.blosc": _named("numcodecs.blosc", cname="lz4", clevel=5, shuffle=1, blocksize=0),
    "numcodecs.bz2": _named("numcodecs.bz2", level=5),
    "numcodecs.categorize": _named(
        "numcodecs.categorize",
        frozenset(("fixed_length_utf32",)),
        lossy=True,
        labels=["1", "4"],
        dtype="<U3",
        astype="|u1",
    ),
    "numcodecs.crc32": _named("numcodecs.crc32"),
    "numcodecs.crc32c": _named("numcodecs.crc32c"),
    "numcodecs.delta": _named(
        "numcodecs.delta", _INTEGERS | _FLOATS | _COMPLEX | _COMPLEX_AGAIN | {"numpy.timedelta64"}, calculates=True
    ),
    "numcodecs.fixedscaleoffset": _named(
        "numcodecs.fixedscaleoffset",
        _INTEGERS | _FLOATS | _COMPLEX | _COMPLEX_AGAIN,
        calculates=True,
        offset=0,
        scale=2,
    ),
    "numcodecs.fletcher32": _named("numcodecs.fletcher32"),
    "numcodecs.gzip": _named("numcodecs.gzip", level=5),
    "numcodecs.jenkins_lookup3": _named("numcodecs.jenkins_lookup3"),
    "numcodecs.json2": _named("numcodecs.json2", _NESTED, calculates=True),
    "numcodecs.lz4": _named("numcodecs.lz4", acceleration=1),
    "numcodecs.lzma": _named("numcodecs.lzma", preset=1),
    "numcodecs.msgpack2": _named("numcodecs.msgpack2", _NESTED | _BINARY, calculates=True),
    "numcodecs.packbits": _named("numcodecs.packbits", frozenset(("bool",))),
    "numcodecs.pcodec": _named("numcodecs.pcodec", _PCODEC, level=5),
    "numcodecs.quantize": _named("numcodecs.quantize", _FLOATS, lossy=True, digits=1),
    "numcodecs.shuffle": Codec(
        lambda data_type: [{"name": "numcodecs.shuffle", "configuration": {"elementsize": data_type.itemsize or 1}}]
    ),
    "numcodecs.vlen-array": _named("numcodecs.vlen-array", _LENGTHY),
    "numcodecs.vlen-bytes": _named("numcodecs.vlen-bytes", _LENGTHY),
    "numcodecs.vlen-utf8": _named("numcodecs.vlen-utf8", _LENGTHY),
    "numcodecs.zfpy": _named(
        "numcodecs.zfpy", frozenset(("int32", "int64", "float32", "float64")), calculates=True, mode=5
    ),
    "numcodecs.zlib": _named("numcodecs.zlib", level=5),
    "numcodecs.zstd": _named("numcodecs.zstd", level=3),
}
"""Codecs of a v3 chunk; the array -> bytes codec of the data type is put in where there is none."""


def _v2(types: frozenset[str], /, lossy: bool = False, calculates: bool = False, **arguments: Any) -> Codec:
    return Codec(lambda _: arguments, types, values=plain if lossy or calculates else wild, lossless=not lossy)


_V2_EVERY = frozenset(V2_TYPES)


def _kinds(kinds: str, orders: str = "<>|") -> frozenset[str]:
    """Labels of the v2 data types of some of NumPy's kinds."""
    return frozenset(name for name in V2_TYPES if name[0] in orders and name[1] in kinds)


def _filter(name: str, **configuration: Any) -> Callable[[DataType], Any]:
    """Arguments with a filter that is told the dtype of the array."""
    return lambda data_type: {"filters": [{"id": name, "dtype": data_type.numpy.str} | configuration]}


V2_CODECS: Mapping[str, Codec] = {
    "raw": _v2(_V2_EVERY, compressor=None),
    "zlib": _v2(_V2_EVERY, compressor={"id": "zlib", "level": 5}),
    "gzip": _v2(_V2_EVERY, compressor={"id": "gzip", "level": 5}),
    "zstd": _v2(_V2_EVERY, compressor={"id": "zstd", "level": 3}),
    "bz2": _v2(_V2_EVERY, compressor={"id": "bz2", "level": 5}),
    "lz4": _v2(_V2_EVERY, compressor={"id": "lz4"}),
    "lzma": _v2(_V2_EVERY, compressor={"id": "lzma", "preset": 1}),
    "base64": _v2(_V2_EVERY, compressor={"id": "base64"}),
    "blosc, lz4": _v2(_V2_EVERY, compressor={"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}),
    "blosc, zstd, bitshuffle": _v2(_V2_EVERY, compressor={"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2}),
    "crc32": _v2(_V2_EVERY, filters=[{"id": "crc32"}], compressor=None),
    "crc32c": _v2(_V2_EVERY, filters=[{"id": "crc32c"}], compressor=None),
    "adler32": _v2(_V2_EVERY, filters=[{"id": "adler32"}], compressor=None),
    "fletcher32": _v2(_V2_EVERY, filters=[{"id": "fletcher32"}], compressor=None),
    "jenkins_lookup3": _v2(_V2_EVERY, filters=[{"id": "jenkins_lookup3"}], compressor=None),
    "shuffle": Codec(lambda t: {"filters": [{"id": "shuffle", "elementsize": t.itemsize or 1}]}, _V2_EVERY),
    "delta": Codec(_filter("delta"), _kinds("iufcm"), values=plain),
    "astype": Codec(
        lambda t: {"filters": [{"id": "astype", "decode_dtype": t.numpy.str, "encode_dtype": "<f8"}]},
        _kinds("biufmM"),
        values=plain,
    ),
    "fixedscaleoffset": Codec(_filter("fixedscaleoffset", offset=0, scale=2), _kinds("iufc"), values=plain),
    "quantize": Codec(_filter("quantize", digits=1), _kinds("f"), values=plain, lossless=False),
    "bitround": _v2(_kinds("iufcmM"), lossy=True, filters=[{"id": "bitround", "keepbits": 2}]),
    "packbits": _v2(_kinds("b"), filters=[{"id": "packbits"}]),
    "categorize": Codec(
        _filter("categorize", labels=["1", "4"], astype="|u1"), _kinds("U"), values=plain, lossless=False
    ),
    "pcodec": _v2(_kinds("iufcmM", "<"), compressor={"id": "pcodec"}),
    "zfpy": _v2(_kinds("if", "<") - {"<i2", "<f2"}, calculates=True, compressor={"id": "zfpy", "mode": 5}),
    "json2": _v2(_kinds("biufU") | {"string"}, calculates=True, filters=[{"id": "json2"}]),
    "msgpack2": _v2(_kinds("biufUSV") | {"string", "bytes"}, calculates=True, filters=[{"id": "msgpack2"}]),
}
"""Arguments of ``create_array(zarr_format=2)``."""


def _shards(*, outside: tuple[Any, ...] = (), around: tuple[Any, ...] = (), **sharding: Any) -> dict[str, Any]:
    """Arguments with the sharding codec written out, for what ``shards=`` does not say."""
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, "crc32c"]
    configuration = {"chunk_shape": [3, 2], "codecs": [_LITTLE, _GZIP], "index_codecs": index} | sharding
    return {
        "chunks": (3, 4),
        "codecs": [*outside, {"name": "sharding_indexed", "configuration": configuration}, *around],
    }


_LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
_INNER = _shards(chunk_shape=[1, 2])["codecs"]

V3_LAYOUTS: Mapping[str, dict[str, Any]] = {
    "shards, index first": {"chunks": (3, 2), "shards": (3, 4), "index_location": "start"},
    "shards, index without checksum": _shards(index_codecs=[_LITTLE]),
    "shards, big-endian index": _shards(index_codecs=[_BIG, "crc32c"]),
    "shards in shards": _shards(codecs=_INNER),
    "shards, transposed inside": _shards(codecs=[_REVERSED, _LITTLE]),
    "shards, transposed outside": _shards(chunk_shape=[4, 3], outside=(_REVERSED,)),
    "shards, gzip around": _shards(around=(_GZIP,)),
    "shards, larger than the array": {"chunks": (2, 3), "shards": (10, 9)},
    "one chunk": {"chunks": SHAPE},
    "rectilinear": {"chunks": ([1, 2, 4], [2, 3])},
    "rectilinear, one axis": {"chunks": (3, [1, 4])},
    "rectilinear shards": {"chunks": ([3, 3, 3], [4, 2]), "codecs": _shards(chunk_shape=[3, 2])["codecs"]},
    "keys with dots": {"chunks": (3, 4), "chunk_key_encoding": "."},
    "keys of v2": {"chunks": (3, 4), "chunk_key_encoding": {"name": "v2", "configuration": {"separator": "/"}}},
    "dimension names": {"chunks": (3, 4), "dimension_names": ["y", None], "attributes": {"title": "ä", "n": [1, None]}},
}
"""Arguments of ``create_array`` beside shape and data type: grids, sharding, keys."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One array to be written by us and read by others.

    Attributes:
        label: names it in reports.
        zarr_format: 2 or 3.
        type: label of the data type.
        codec: label of the codec.
        layout: label of the layout; ``"chunks"`` and ``"shards"`` are the usual ones.
        arguments: of ``create_array``.
        values: what is written.
        lossless: what is read is what was written.
    """

    zarr_format: int
    type: str
    codec: str
    layout: str
    arguments: Mapping[str, Any] = field(repr=False)
    values: np.ndarray = field(repr=False)
    lossless: bool = True

    @property
    def label(self) -> str:
        return f"v{self.zarr_format}, {self.type}, {self.codec}, {self.layout}"

    async def create(self, store: az.Store) -> az.Array:
        """Create the array and write the first rows of chunks; the others stay at the fill value."""
        array = await az.create_array(store, **self.arguments)
        await array[self.written].write(self.values[self.written])
        return array

    @property
    def written(self) -> Any:
        """The part that is written."""
        return slice(len(self.values) * 4 // 7) if self.values.ndim else ...


def _on_bytes(zarr_format: int, name: str) -> bool:
    identifier = name.partition(",")[0]
    if zarr_format == 3:
        return get_codec_class(identifier).kind == "bytes->bytes"
    return identifier == "raw" or get_codec_class(f"numcodecs.{identifier}").kind == "bytes->bytes"


def every_codec(zarr_format: int, layout: str) -> Iterator[Combination]:
    """Every codec for each data type that it is offered for: in v3 in chunks or shards, in v2 in order C or F."""
    codecs, types = (V3_CODECS, V3_TYPES) if zarr_format == 3 else (V2_CODECS, V2_TYPES)
    shape = {"shards": {"chunks": (4, 2), "shards": (4, 4)}, "order F": {"chunks": (4, 4), "order": "F"}}
    for name, codec in codecs.items():
        everything = FULL or (layout in ("chunks", "order C") and not _on_bytes(zarr_format, name))
        for label in sorted(codec.types if everything else codec.types & REPRESENTATIVE):
            if layout == "order F" and name == "zfpy":
                continue  # refused, as numcodecs has it
            data_type = DataType.from_numpy(types[label], zarr_format=2 if zarr_format == 2 else 3)
            made = codec.make(data_type)
            arguments = {"codecs": made} if zarr_format == 3 else made | {"zarr_format": 2}
            arguments |= shape.get(layout, {"chunks": (4, 4)})
            values = codec.values(data_type)
            arguments |= {"shape": SHAPE, "dtype": types[label], "fill_value": values.reshape(-1)[6]}
            yield Combination(zarr_format, label, name, layout, arguments, values, codec.lossless)


def every_layout() -> Iterator[Combination]:
    """Every layout of v3 for some data types, and shapes with other than two axes, or nothing in them."""
    for label in ("uint8", "int16", "float64", "complex64", "string"):
        data_type = DataType.from_numpy(V3_TYPES[label])
        values = wild(data_type)
        for layout, arguments in V3_LAYOUTS.items():
            if label == "string" and "codecs" in arguments:
                continue  # these name the bytes codec
            made = arguments | {"shape": SHAPE, "dtype": V3_TYPES[label]}
            yield Combination(3, label, "default", layout, made, values)
        for shape in ((), (35,), (7, 1, 5), (0,), (7, 0)):
            for zarr_format in (2, 3):
                made = {"shape": shape, "dtype": V3_TYPES[label], "chunks": tuple(min(n, 3) or 1 for n in shape)}
                part = np.resize(values.reshape(-1)[7:], shape)
                yield Combination(
                    zarr_format, label, "default", f"shape {shape}", made | {"zarr_format": zarr_format}, part
                )
