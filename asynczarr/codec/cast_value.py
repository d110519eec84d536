"""The ``cast_value`` codec: elements stored as another number type (registered extension)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from ..errors import CodecError, MetadataError
from ..metadata.dtypes import DataType
from . import config
from .base import Array, ArrayArrayCodec, ChunkSpec
from .casting import cast_values

__all__ = ["CastValueCodec"]

_ROUNDINGS = ("nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away")

_Pairs: TypeAlias = tuple[tuple[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class CastValueCodec(ArrayArrayCodec):
    """Casts by value when encoding and casts back, by the same rules, when decoding.

    Attributes:
        data_type: what elements are stored as, an integer or float type.
        rounding: how values that it cannot hold exactly are rounded.
        out_of_range: what becomes of values that it does not reach: ``"clamp"``, ``"wrap"`` (integers only), or
            ``None``: an error.
        encode_map: pairs of JSON fill values, of the array and of `data_type`, that go before everything else.
        decode_map: pairs the other way round.
    """

    data_type: DataType
    rounding: str = "nearest-even"
    out_of_range: str | None = None
    encode_map: _Pairs = ()
    decode_map: _Pairs = ()
    bound: tuple[DataType, _Pairs, _Pairs] | None = field(default=None, repr=False)
    name: ClassVar[str] = "cast_value"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Make the codec; raises MetadataError for unknown keys or values, and UnknownExtension for a data type."""
        config.keys(configuration, "data_type", "rounding", "out_of_range", "scalar_map")
        if "data_type" not in configuration:
            raise MetadataError("'data_type' is required")
        data_type = DataType.from_v3(configuration["data_type"])
        outside = configuration.get("out_of_range")
        if outside is not None:
            outside = config.choice(configuration, "out_of_range", ("clamp", "wrap"))
        if outside == "wrap" and data_type.kind not in ("int", "uint"):
            raise MetadataError(f"'out_of_range' cannot be 'wrap' for data type {data_type.name!r}")
        maps = configuration.get("scalar_map", {})
        if not isinstance(maps, Mapping):
            raise MetadataError(f"'scalar_map' must be an object, not {maps!r:.80}")
        config.keys(maps, "encode", "decode")
        encode, decode = (_pairs(maps.get(key, ())) for key in ("encode", "decode"))
        rounding = config.choice(configuration, "rounding", _ROUNDINGS, _ROUNDINGS[0])
        return cls(data_type, rounding, outside, encode, decode)

    def to_config(self) -> dict[str, Any]:
        """What differs from the defaults."""
        made: dict[str, Any] = {"data_type": self.data_type.to_v3(), "rounding": self.rounding}
        if self.out_of_range is not None:
            made["out_of_range"] = self.out_of_range
        maps = {"encode": [list(pair) for pair in self.encode_map], "decode": [list(pair) for pair in self.decode_map]}
        used = {key: pairs for key, pairs in maps.items() if pairs}
        return made | ({"scalar_map": used} if used else {})

    def bind(self, spec: ChunkSpec) -> tuple[CastValueCodec, ChunkSpec]:
        """The codec for `spec`, and the representation in `data_type`.

        Raises:
            MetadataError: a data type that is no real number, scalars that are none of their data type, or a fill value
                that does not survive there and back.
        """
        for dtype in (spec.dtype, self.data_type):
            if dtype.kind not in ("int", "uint", "float"):
                raise MetadataError(f"cannot cast data type {dtype.name!r}")
        encode = _parse(self.encode_map, spec.dtype, self.data_type)
        decode = _parse(self.decode_map, self.data_type, spec.dtype)
        codec = replace(self, bound=(spec.dtype, encode, decode))
        fill = np.array([spec.fill], spec.dtype.numpy)
        try:
            stored = codec.encode(fill)
            back = codec.decode(stored)
        except CodecError as error:
            raise MetadataError(f"the fill value cannot be cast: {error.reason}") from error
        if not (back == fill)[0] and not (np.isnan(back) & np.isnan(fill))[0]:
            raise MetadataError(f"the fill value {spec.fill} becomes {back[0]}")
        return codec, ChunkSpec(spec.shape, self.data_type, stored[0])

    def encode(self, array: Array) -> Array:
        """Cast to `data_type`; raises CodecError for a value that it does not reach."""
        source, pairs, _ = self._bound
        return self._cast(array, source, self.data_type, pairs)

    def decode(self, array: Array) -> Array:
        """Cast back; raises CodecError for a value that the array's data type does not reach."""
        target, _, pairs = self._bound
        return self._cast(array, self.data_type, target, pairs)

    @property
    def _bound(self) -> tuple[DataType, _Pairs, _Pairs]:
        if self.bound is None:
            raise MetadataError("the codec is not bound to a chunk", codec=self.name)
        return self.bound

    def _cast(self, array: Array, source: DataType, target: DataType, pairs: _Pairs) -> Array:
        flat = np.ascontiguousarray(array).reshape(-1)
        # On the way back from integers "wrap" may meet a float type, which has no such thing.
        outside = self.out_of_range or "error"
        if outside == "wrap" and target.kind == "float":
            outside = "error"
        mapped = np.zeros(flat.shape, bool)
        matches = []
        for given, made in pairs:
            match = (np.isnan(flat) if given != given else flat == given) & ~mapped
            matches.append((match, made))
            mapped |= match
        rest = np.where(mapped, source.numpy.type(1), flat)
        result: Array = cast_values(rest, source, target, self.rounding, outside)
        for match, made in matches:
            result[match] = made
        return result.reshape(array.shape)


def _pairs(value: Any) -> _Pairs:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise MetadataError(f"a scalar map must be a list of pairs, not {value!r:.80}")
    for pair in value:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise MetadataError(f"a scalar map must be a list of pairs, not of {pair!r:.80}")
    return tuple((pair[0], pair[1]) for pair in value)


def _parse(pairs: _Pairs, source: DataType, target: DataType) -> _Pairs:
    return tuple((_scalar(source, given), _scalar(target, made)) for given, made in pairs)


def _scalar(dtype: DataType, value: Any) -> Any:
    # The codec's own example writes "+Infinity", which is no fill value.
    return dtype.fill_from_json("Infinity" if value == "+Infinity" else value)
