"""Codecs that change elements: byte order, rounding, scaling, casting; each against arithmetic without its tricks."""

from __future__ import annotations

import math
from bisect import bisect_right
from fractions import Fraction
from functools import cache
from itertools import product

import numcodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from asynczarr.codec import ChunkSpec, CodecChain
from asynczarr.codec.bytes import byte_order
from asynczarr.codec.casting import cast_values
from asynczarr.errors import CodecError, MetadataError
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.node import NamedConfig

from .samples import chain_of, random_array, same_bits

LITTLE = NamedConfig("bytes", {"endian": "little"})
BIG = NamedConfig("bytes", {"endian": "big"})
STRUCT = {
    "name": "struct",
    "configuration": {"fields": [{"name": "a", "data_type": "uint8"}, {"name": "b", "data_type": "float64"}]},
}


@pytest.mark.parametrize("dtype", ["int16", "float64", "complex64", "bfloat16", "complex_bfloat16", STRUCT])
def test_byte_order(dtype):
    little, big = chain_of(dtype, (3,), LITTLE), chain_of(dtype, (3,), BIG)
    array = random_array(little.spec.dtype, (3,), 1)
    assert little.encode(array) == array.tobytes()
    assert big.encode(array) == array.byteswap().tobytes()
    assert same_bits(big.decode(array.byteswap().tobytes()), array)


def test_byte_order_of_an_array_that_is_not_native():
    dtype = DataType.from_v2(">i4")
    chain = CodecChain.build([LITTLE], ChunkSpec((3,), dtype, 0))
    array = np.array([1, 2, 3], ">i4")
    assert chain.encode(array) == np.array([1, 2, 3], "<i4").tobytes()
    decoded = chain.decode(chain.encode(array))
    assert decoded.dtype == array.dtype
    assert np.array_equal(decoded, array)


def test_byte_orders_of_dtypes():
    assert byte_order(np.dtype([("a", ">i4", (2,)), ("b", "u1")])) == "big"
    assert byte_order(np.dtype("V4")) is None
    assert byte_order(np.dtype("S4")) is None
    assert byte_order(np.dtype("<U4")) == "little"
    with pytest.raises(MetadataError, match="both byte orders"):
        byte_order(np.dtype([("a", ">i4"), ("b", "<i4")]))


def test_struct_without_byte_order_is_little_endian():
    chain = chain_of(STRUCT, (3,), NamedConfig("bytes"))
    assert chain.to_configs() == (LITTLE,)


@pytest.mark.parametrize(
    ("dtype", "low"), [("int4", 0x0F), ("uint2", 0x03), ("float6_e2m3fn", 0x3F), ("complex_float4_e2m1fn", 0x0F)]
)
def test_upper_bits_are_ignored(dtype, low):
    chain = chain_of(dtype, (2, 2), LITTLE)
    data = bytes(range(0xF0, 0xF0 + chain.encoded_size()))
    assert chain.decode(data).tobytes() == bytes(byte & low for byte in data)


def test_any_byte_but_zero_is_true():
    decoded = chain_of("bool", (4,), LITTLE).decode(b"\0\1\2\xff")
    assert decoded.tobytes() == b"\0\1\1\1"


@given(arrays("f4", 20, elements=st.floats(width=32)), st.integers(1, 23))
def test_bitround_is_the_one_of_numcodecs(array, keepbits):
    chain = chain_of("float32", (20,), NamedConfig("bitround", {"keepbits": keepbits}), LITTLE)
    rounded = chain.decode(chain.encode(array))
    finite = np.isfinite(array)
    theirs = np.asarray(numcodecs.BitRound(keepbits).encode(array)).view("f4").reshape(-1)
    assert same_bits(rounded[finite], theirs[finite])
    assert same_bits(rounded[~finite], array[~finite])


@given(st.integers(0, 2**64 - 1), st.integers(1, 70), st.sampled_from(["uint8", "int16", "uint32", "int64", "uint64"]))
def test_bitround_of_integers(value, keepbits, dtype):
    kept = np.array([value], np.uint64).astype(f"u{np.dtype(dtype).itemsize}").view(dtype)
    chain = chain_of(dtype, (1,), NamedConfig("bitround", {"keepbits": keepbits}), LITTLE)
    bits, width = int(kept.view(f"u{kept.itemsize}")[0]), 8 * kept.itemsize
    drop = max(bits.bit_length() - keepbits, 0)
    whole = Fraction(bits, 1 << drop)
    rounded = round(whole) << drop
    if rounded >= 1 << width or (dtype.startswith("i") and bits < 1 << (width - 1) <= rounded):
        rounded = bits >> drop << drop
    assert int(chain.decode(chain.encode(kept)).view(f"u{kept.itemsize}")[0]) == rounded


def test_bitround_rounds_the_fill_value():
    spec = ChunkSpec((1,), DataType.from_v3("float32"), np.float32(1.2345679))
    assert CodecChain.build([NamedConfig("bitround", {"keepbits": 3}), LITTLE], spec).array_spec.fill == 1.25


@given(
    st.sampled_from(["int4", "int8", "uint8", "int16", "uint64", "int64"]),
    st.data(),
    st.integers(-5, 5),
    st.integers(-300, 300),
)
def test_scale_offset_of_integers(dtype, data, scale, offset):
    data_type = DataType.from_v3(dtype)
    low, high = data_type.limits
    config = NamedConfig("scale_offset", {"scale": scale, "offset": offset})
    spec = ChunkSpec((3,), data_type, data_type.default_fill())
    values = data.draw(st.lists(st.integers(low, high), min_size=3, max_size=3))
    fits = all(low <= number <= high for number in (scale, offset, -offset, -offset * scale)) and scale
    if not fits:
        with pytest.raises(MetadataError):
            CodecChain.build([config, LITTLE], spec)
        return
    chain = CodecChain.build([config, LITTLE], spec)
    array = np.array(values, np.uint64 if dtype == "uint64" else np.int64).astype(data_type.numpy)
    expected = [((value - offset), (value - offset) * scale) for value in values]
    if all(low <= number <= high for pair in expected for number in pair):
        encoded = chain.encode(array)
        assert [int(number) for number in np.frombuffer(encoded, array.dtype)] == [pair[1] for pair in expected]
        assert same_bits(chain.decode(encoded), array)
    else:
        with pytest.raises(CodecError, match="does not hold"):
            chain.encode(array)
    raw = array.tobytes()
    decoded = [Fraction(value, scale) + offset for value in values]
    if all(number.denominator == 1 and low <= number <= high for number in decoded) and all(
        low <= Fraction(value, scale) <= high for value in values
    ):
        assert [int(number) for number in chain.decode(raw)] == decoded
    else:
        with pytest.raises(CodecError, match=r"does not hold|no multiple"):
            chain.decode(raw)


def test_scale_offset_of_floats():
    chain = chain_of("float32", (3,), NamedConfig("scale_offset", {"offset": 5, "scale": 0.1}), LITTLE)
    array = np.array([1.5, np.nan, np.inf], "f4")
    encoded = chain.encode(array)
    assert encoded == ((array - np.float32(5)) * np.float32(0.1)).tobytes()
    assert np.allclose(chain.decode(encoded), array, equal_nan=True)
    with pytest.raises(CodecError, match="does not hold"):
        chain.decode(np.full(3, 3e38, "<f4").tobytes())


@pytest.mark.parametrize(
    ("dtype", "configuration"),
    [
        ("float32", {"scale": 0.0}),
        ("float32", {"scale": "NaN"}),
        ("float32", {"scale": "0x00000000"}),
        ("float32", {"scale": "-0"}),
        ("float32", {"scale": 1, "shift": 0}),
        ("bool", {}),
        ("float4_e2m1fn", {}),
        ("complex_bfloat16", {}),
        ("r16", {}),
    ],
)
def test_scale_offset_refuses(dtype, configuration):
    with pytest.raises(MetadataError):
        chain_of(dtype, (3,), NamedConfig("scale_offset", configuration), LITTLE)


INTS = ["int2", "uint2", "int4", "uint4", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = [
    "float4_e2m1fn",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "bfloat16",
    "float16",
    "float32",
    "float64",
]
ROUNDINGS = ("nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away")


@cache
def _grid(name):
    """All finite values of a small float, the bits of each, and the values that would come next."""
    dtype = DataType.from_v3(name).numpy
    bits = np.arange(1 << DataType.from_v3(name).bits, dtype=f"u{dtype.itemsize}")
    with np.errstate(all="ignore"):
        values = {
            Fraction(v): int(b) for v, b in zip(bits.view(dtype).astype(float), bits, strict=True) if math.isfinite(v)
        }
    listed = sorted(values)
    odd = [values[value] & 1 for value in listed]
    ends = (Fraction(0), 2 * listed[-1]) if listed[0] > 0 else (2 * listed[0] - listed[1], 2 * listed[-1] - listed[-2])
    return [ends[0], *listed, ends[1]], [1 - odd[0], *odd, 1 - odd[-1]]


def _neighbours(value, dtype):
    """The values below and above, and whether the last bit of the lower one is set."""
    if dtype.kind != "float":
        below = math.floor(value)
        return Fraction(below), Fraction(below + (value != below)), below & 1
    if dtype.name in ("float32", "float64"):
        digits, least = (24, -149) if dtype.name == "float32" else (53, -1074)
        size = abs(value)
        exponent = max(size.numerator.bit_length() - size.denominator.bit_length() - digits - 1, least)
        while size >= Fraction(2) ** (exponent + digits):
            exponent += 1
        ulp = Fraction(2) ** exponent
        below = math.floor(value / ulp)
        return below * ulp, (below + (below * ulp != value)) * ulp, below & 1
    values, odd = _grid(dtype.name)
    value = min(max(value, values[0]), values[-1])
    at = bisect_right(values, value) - 1
    return values[at], values[at] if values[at] == value else values[at + 1], odd[at]


def _cast(value, dtype, rounding, outside):
    below, above, odd = _neighbours(value, dtype)
    nearest = above if value > (below + above) / 2 else below
    if value == (below + above) / 2 and below != above:
        nearest = above if (odd if rounding == "nearest-even" else value > 0) else below
    rounded = {
        "towards-zero": above if value < 0 else below,
        "towards-positive": above,
        "towards-negative": below,
    }.get(rounding, nearest)
    if dtype.kind == "float":
        top = {"float32": Fraction(2**24 - 1) * 2**104, "float64": Fraction(2**53 - 1) * 2**971}.get(dtype.name)
        low, high = (-top, top) if top is not None else (_grid(dtype.name)[0][1], _grid(dtype.name)[0][-2])
    else:
        low, high = dtype.limits
    if low <= rounded <= high or outside == "error":
        return rounded if low <= rounded <= high else None
    if outside == "wrap":
        span = 1 << dtype.bits
        return (int(rounded) - int(low)) % span + int(low)
    infinity = dtype.kind == "float" and np.isinf(np.array([np.inf]).astype(dtype.numpy).astype(float))[0]
    limit = high if rounded > high else low
    return math.copysign(math.inf, limit) if infinity else limit


@st.composite
def _casts(draw):
    source, target = (DataType.from_v3(draw(st.sampled_from(INTS + FLOATS))) for _ in range(2))
    outside = draw(st.sampled_from(["error", "clamp"] + ["wrap"] * (target.kind != "float")))
    if source.kind == "float":
        if source.name in ("float32", "float64", "float16"):
            width = 8 * source.numpy.itemsize
            numbers = st.floats(width=width, allow_nan=False, allow_infinity=False)
            halves = st.integers(-600, 600).map(lambda half: half / 2)
            value = draw(
                st.one_of(numbers, halves, st.sampled_from([65504.0, 65519.0, 65520.0] * (width > 16) or [1.0]))
            )
            array = np.array([value]).astype(source.numpy)
        else:
            listed = _grid(source.name)[0][1:-1]
            array = np.array([float(draw(st.sampled_from(listed)))]).astype(source.numpy)
        return array, Fraction(float(array[0])), source, target, draw(st.sampled_from(ROUNDINGS)), outside
    low, high = source.limits
    near = st.integers(0, 63).flatmap(lambda power: st.integers(-3, 3).map(lambda step: (1 << power) + step))
    value = draw(st.one_of(st.integers(low, high), near.filter(lambda number: low <= number <= high)))
    array = np.array([value], np.uint64 if low == 0 else np.int64).astype(source.numpy)
    return array, Fraction(value), source, target, draw(st.sampled_from(ROUNDINGS)), outside


@settings(max_examples=300)
@given(_casts())
def test_casts_are_exact(cast):
    array, value, source, target, rounding, outside = cast
    expected = _cast(value, target, rounding, outside)
    if expected is None:
        with pytest.raises(CodecError):
            cast_values(array, source, target, rounding, outside)
        return
    made = cast_values(array, source, target, rounding, outside)
    assert made.dtype == target.numpy
    assert (float(made[0]) if target.kind == "float" else int(made[0])) == expected


@pytest.mark.parametrize("outside", ["error", "clamp", "wrap"])
def test_casts_between_integers(outside):
    for source, target in product(map(DataType.from_v3, INTS), repeat=2):
        low, high = source.limits
        numbers = sorted({low, high, 0, 1, high // 2, low // 2, min(high, 130), min(high, 2**40 + 77)})
        array = np.array(numbers, np.uint64 if low == 0 else np.int64).astype(source.numpy)
        for position, number in enumerate(numbers):
            expected = _cast(Fraction(number), target, "nearest-even", outside)
            if expected is None:
                with pytest.raises(CodecError, match="outside"):
                    cast_values(array[position : position + 1], source, target, "nearest-even", outside)
            else:
                made = cast_values(array[position : position + 1], source, target, "nearest-even", outside)
                assert int(made[0]) == expected


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_casts_of_large_integers(rounding):
    numbers = [sign * ((1 << power) + step) for power in (53, 54, 60, 62) for step in range(-5, 6) for sign in (1, -1)]
    array = np.array(numbers)
    for target in map(DataType.from_v3, ("float64", "float32", "bfloat16")):
        made = cast_values(array, DataType.from_v3("int64"), target, rounding, "error")
        assert [float(each) for each in made] == [_cast(Fraction(n), target, rounding, "error") for n in numbers]


@pytest.mark.parametrize(("source", "target"), list(product(FLOATS, FLOATS + INTS)))
def test_casts_of_what_is_no_number(source, target):
    source_type, target_type = DataType.from_v3(source), DataType.from_v3(target)
    for special in (np.nan, np.inf, -np.inf):
        with np.errstate(all="ignore"):
            array = np.array([special]).astype(source_type.numpy)
            has_source = repr(float(array[0])) == repr(float(special))
            kept = np.array([special]).astype(target_type.numpy) if target_type.kind == "float" else np.zeros(1)
            has_target = repr(float(kept[0])) == repr(float(special))
        if not has_source:
            continue
        if has_target:
            assert repr(float(cast_values(array, source_type, target_type, "nearest-even", "clamp")[0])) == repr(
                special
            )
        else:
            with pytest.raises(CodecError, match=r"has no"):
                cast_values(array, source_type, target_type, "nearest-even", "clamp")


def test_casts_keep_the_sign_of_zero():
    zeros = np.array([-0.0, 0.0, -1e-300])
    for target in ("float16", "float32", "bfloat16", "float8_e4m3", "float4_e2m1fn"):
        made = cast_values(zeros, DataType.from_v3("float64"), DataType.from_v3(target), "nearest-even", "error")
        assert np.signbit(made.astype(float)).tolist() == [True, False, True]


def test_scalar_maps_go_first():
    config = NamedConfig(
        "cast_value",
        {
            "data_type": "uint8",
            "rounding": "towards-zero",
            "out_of_range": "wrap",
            "scalar_map": {
                "encode": [["NaN", 7], ["+Infinity", 8], ["-Infinity", 9], [1.5, 10], [1.5, 11]],
                "decode": [[7, "NaN"]],
            },
        },
    )
    chain = chain_of("float64", (6,), config, NamedConfig("bytes"))
    assert chain.encode(np.array([np.nan, np.inf, -np.inf, 1.5, 258.9, -1.0])) == bytes([7, 8, 9, 10, 2, 255])
    assert np.array_equal(chain.decode(bytes([7, 0, 1, 2, 3, 4])), [np.nan, 0, 1, 2, 3, 4], equal_nan=True)
    assert CodecChain.build(chain.to_configs(), chain.spec).to_configs() == chain.to_configs()


@pytest.mark.parametrize("fill", [0.5, 256.0, -1.0, np.nan])
def test_cast_refuses_a_fill_value_that_does_not_come_back(fill):
    spec = ChunkSpec((1,), DataType.from_v3("float64"), np.float64(fill))
    with pytest.raises(MetadataError, match="fill value") as caught:
        CodecChain.build([NamedConfig("cast_value", {"data_type": "uint8"}), NamedConfig("bytes")], spec)
    assert caught.value.codec == "cast_value"
