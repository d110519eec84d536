"""The codecs of a v2 array: numcodecs' filters and compressor as one chain (v2 specification, "Chunks", "Filters")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from ..errors import MetadataError, UnknownExtension
from ..metadata.node import V2Encoding
from .base import ArrayArrayCodec, ChunkSpec, Codec
from .chain import CodecChain
from .external import refuse_pickle, v2_external
from .numcodecs_ import IDS, numcodecs_class
from .raw import FilterOnBytes, RawCodec
from .transpose import TransposeCodec

__all__ = ["v2_chain", "v2_encoding"]

_NESTED = ("numcodecs.json2", "numcodecs.msgpack2")
"""Object codecs that store nested lists, which are in C order whatever the order of the array."""


def v2_chain(encoding: V2Encoding, spec: ChunkSpec) -> CodecChain:
    """The codec chain of a v2 array for chunks of `spec`.

    Raises:
        UnknownExtension: a codec that nobody registered, or pickle.
        MetadataError: a wrong configuration, or a codec that cannot encode what it would be given.
    """
    configs = [*(encoding.filters or ()), *([encoding.compressor] if encoding.compressor is not None else [])]
    codecs: list[Codec] = []
    in_bytes = False
    for config in configs:
        codec = _load(config, in_bytes=in_bytes)
        if codec.kind == "bytes->bytes" and not in_bytes:
            codecs.append(RawCodec())
            in_bytes = True
        elif codec.kind == "array->array" and in_bytes:
            codec = FilterOnBytes(cast("ArrayArrayCodec", codec))
        in_bytes = in_bytes or codec.kind == "array->bytes"
        codecs.append(codec)
    if not in_bytes:
        codecs.append(RawCodec())
    if encoding.order == "F" and len(spec.shape) > 1 and not any(codec.name in _NESTED for codec in codecs):
        if any(codec.name == "numcodecs.zfpy" for codec in codecs):
            raise MetadataError("zfpy does not take arrays of order F", codec="numcodecs.zfpy")
        codecs.insert(0, TransposeCodec("F"))
    return CodecChain.of(codecs, spec)


def v2_encoding(
    spec: ChunkSpec, *, compressor: Any = "auto", filters: Any = None, order: Literal["C", "F"] = "C"
) -> V2Encoding:
    """What ``create_array(zarr_format=2)`` writes for what it was given, complete with every default.

    Args:
        spec: what a chunk looks like. If its data type needs an object codec and no filter is one, it is added.
        compressor: an id, a configuration with ``"id"``, an object with ``get_config()`` as in numcodecs, ``None`` for
            no compression, or ``"auto"`` for zstd, as zarr-python has it.
        filters: the same for a filter, or several of them, first applied first.
        order: memory order of an encoded chunk.

    Raises:
        UnknownExtension: an unknown codec, or pickle.
        MetadataError: a wrong configuration, or codecs that cannot encode such chunks.
    """
    several = isinstance(filters, Iterable) and not isinstance(filters, str | Mapping)
    made = [_complete(each) for each in (filters if several else () if filters is None else (filters,))]
    needed = spec.dtype.object_codec
    kinds = [_load(config).kind for config in made]
    if needed is not None and "array->bytes" not in kinds:
        made.insert(kinds.count("array->array"), _complete(needed))
    if compressor is not None:
        compressor = _complete({"id": "zstd", "level": 0} if compressor == "auto" else compressor)
    encoding = V2Encoding(order, tuple(made) or None, compressor)
    v2_chain(encoding, spec)
    return encoding


def _complete(given: Any) -> dict[str, Any]:
    import numcodecs

    if hasattr(given, "get_config"):
        given = given.get_config()
    config = {"id": given} if isinstance(given, str) else given
    _load(config)
    if config["id"] not in IDS:
        return dict(config)
    try:
        complete: dict[str, Any] = numcodecs.get_codec(dict(config)).get_config()
    except (TypeError, ValueError) as error:
        raise MetadataError(f"not a valid configuration: {error}", codec=config["id"]) from error
    if complete.get("checksum") is False:  # the default; tensorstore and zarrs refuse zstd that names it
        del complete["checksum"]
    return complete


def _load(config: Any, *, in_bytes: bool = False) -> Codec:
    if not isinstance(config, Mapping) or not isinstance(config.get("id"), str):
        raise MetadataError(f"a v2 codec is an object with an 'id', not {config!r:.80}")
    name = config["id"]
    refuse_pickle(name)
    parameters = {key: value for key, value in config.items() if key != "id"}
    found = numcodecs_class(name)
    try:
        if found is not None:
            if name == "blosc":  # jzarr and others add what concerns only their library
                known = ("cname", "clevel", "shuffle", "blocksize", "typesize")
                parameters = {key: parameters[key] for key in known if key in parameters}
            return found.from_config({"elementsize": 4} | parameters if name == "shuffle" else parameters)
        external = v2_external(name, parameters, in_bytes=in_bytes)
    except MetadataError as error:
        raise error.at(codec=name) from error.__cause__
    if external is None:
        raise UnknownExtension("codec", name, codec=name)
    return external
