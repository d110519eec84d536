"""Fill values keep their bits, and what is none is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynczarr.errors import MetadataError
from asynczarr.metadata.dtypes import Complex, DataType
from asynczarr.metadata.dtypes.floating import COMPLEX, FLOATS, floating

SMALL = [name for name in FLOATS if floating(name).numpy.itemsize == 1]


def bits(name: str, value, **mode) -> int:
    dtype = floating(name)
    return dtype.to_bits(dtype.fill_from_json(value, **mode))


@pytest.mark.parametrize("name", FLOATS)
@given(data=st.data())
def test_every_float_survives_the_document_bit_by_bit(name, data):
    dtype = floating(name)
    pattern = data.draw(st.integers(0, 2**dtype.bits - 1))
    value = dtype.fill_to_json(dtype.from_bits(pattern))
    assert dtype.to_bits(dtype.fill_from_json(value, strict=True)) == pattern


@pytest.mark.parametrize("name", COMPLEX)
@given(data=st.data())
def test_every_complex_number_survives_the_document_bit_by_bit(name, data):
    dtype = DataType.from_v3(name)
    assert isinstance(dtype, Complex)
    part = dtype.component
    parts = [part.from_bits(data.draw(st.integers(0, 2**part.bits - 1))) for _ in range(2)]
    scalar = dtype.join(*parts)
    again = dtype.fill_from_json(dtype.fill_to_json(scalar), strict=True)
    assert [part.to_bits(item) for item in dtype.split(again)] == [part.to_bits(item) for item in parts]


@pytest.mark.parametrize(
    ("name", "value", "pattern"),
    [
        ("float32", "NaN", 0x7FC00000),
        ("float64", "NaN", 0x7FF8000000000000),
        ("float16", "NaN", 0x7E00),
        ("bfloat16", "NaN", 0x7FC0),
        ("float8_e4m3", "NaN", 0x7C),
        ("float8_e5m2", "NaN", 0x7E),
        ("float8_e4m3fnuz", "NaN", 0x80),
        ("float8_e8m0fnu", "NaN", 0xFF),
        ("float32", "Infinity", 0x7F800000),
        ("float32", "-Infinity", 0xFF800000),
        ("float32", -0.0, 0x80000000),
        ("float32", "0xff800001", 0xFF800001),
        ("float64", "0x7ff0000000000001", 0x7FF0000000000001),
        ("float16", 2049, 0x6800),  # a tie, to even: 2048
        ("float32", 2**60 + 2**36 + 1, 0x5D800001),  # no tie, but one after rounding to float64
        ("bfloat16", 1 + 2**-8 + 2**-40, 0x3F81),  # no tie, but one after rounding to float32
        ("bfloat16", 1 + 2**-8, 0x3F80),  # a tie, to even
    ],
)
def test_float_fill_values_have_these_bits(name, value, pattern):
    assert bits(name, value, strict=True) == pattern


@pytest.mark.parametrize("name", ["bfloat16", "float16", *SMALL])
@given(value=st.floats(allow_nan=False, allow_infinity=False) | st.floats(-500, 500) | st.integers(-(2**70), 2**70))
def test_small_floats_are_rounded_once_to_the_nearest_and_to_even(name, value):
    dtype = floating(name)
    try:
        scalar = dtype.fill_from_json(value, strict=True)
    except MetadataError:
        largest = Fraction(float(_max(name)))
        assert abs(Fraction(value)) > largest or (name.endswith("fnu") and value <= 2**-127)
        return
    pattern = dtype.to_bits(scalar)
    exact = Fraction(value)
    distance = abs(Fraction(float(scalar)) - exact)
    for neighbour in (pattern - 1, pattern + 1):
        if not 0 <= neighbour < 2**dtype.bits:
            continue
        other = float(dtype.from_bits(neighbour))
        if math.isfinite(other):
            assert abs(Fraction(other) - exact) >= distance
            assert abs(Fraction(other) - exact) > distance or pattern % 2 == 0


def _max(name: str):
    import ml_dtypes

    return ml_dtypes.finfo(floating(name).numpy).max


REFUSED = [
    ("uint8", 256),
    ("uint8", -1),
    ("int2", 2),
    ("uint4", 16),
    ("int64", 2**63),
    ("int32", "NaN"),
    ("int32", 1.5),
    ("int32", True),
    ("int32", float("inf")),
    ("int32", "1"),
    ("bool", 0),
    ("bool", "true"),
    ("float32", "0x7fc0"),
    ("float32", "0x7fc00000ff"),
    ("float32", "0xzzzzzzzz"),
    ("float32", "nan"),
    ("float32", True),
    ("float32", [1.0]),
    ("float32", {}),
    ("float32", float("nan")),
    ("float4_e2m1fn", "NaN"),
    ("float6_e2m3fn", "Infinity"),
    ("float8_e8m0fnu", -1.0),
    ("float8_e8m0fnu", 0.0),
    ("float8_e4m3fnuz", 1e6),
    ("complex64", 1.0),
    ("complex64", [1.0]),
    ("complex64", [1.0, None]),
    ("complex64", [1.0, 2.0, 3.0]),
    ("r24", [0, 0]),
    ("r24", [0, 0, 256]),
    ("r24", [0, 0, True]),
    ("r24", "!!"),
    ("r24", 0),
    ("string", 0),
    ("string", ["a"]),
    ("bytes", [256]),
    ("bytes", "not base64!"),
    ("bytes", 0),
    ({"name": "raw_bytes", "configuration": {"length_bytes": 2}}, "AAAA"),
    ({"name": "null_terminated_bytes", "configuration": {"length_bytes": 2}}, "YWJj"),
    ({"name": "fixed_length_utf32", "configuration": {"length_bytes": 8}}, "abc"),
    ({"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}, 2**63),
    ({"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}, 1.0),
    ({"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}, "2000-01-01"),
    ({"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "int8"}]}}, {}),
    ({"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "int8"}]}}, {"a": 1, "b": 2}),
    ({"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "int8"}]}}, "AAAA"),
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("data_type", "value"), [*REFUSED, ("int32", None), ("float64", None), ("string", None)])
def test_what_is_no_fill_value_is_refused(data_type, value, strict):
    with pytest.raises(MetadataError, match="fill value"):
        DataType.from_v3(data_type).fill_from_json(value, strict=strict)


LENIENT = [
    ("uint8", 1.0, 1),
    ("float32", "1.5", 1.5),
    ("float32", "+Infinity", math.inf),
    ("float32", 1e39, math.inf),
    ("float16", 1e6, math.inf),
    ("float64", 10**400, math.inf),
    ("r16", "AAE=", np.void(b"\0\1")),
]


@pytest.mark.parametrize(("name", "value", "expected"), LENIENT)
def test_documented_leniencies_of_fill_values_in_both_modes(name, value, expected):
    dtype = DataType.from_v3(name)
    assert dtype.fill_from_json(value) == expected
    with pytest.raises(MetadataError, match="fill value"):
        dtype.fill_from_json(value, strict=True)


V2_LENIENT = [
    ("|b1", 1, None, np.True_),
    ("<f4", math.nan, None, np.float32("nan")),
    ("<c8", 2.5, None, np.complex64(2.5)),
    ("<c8", [math.nan, 1], None, np.complex64(complex(math.nan, 1))),
    ("|S3", 0, None, b""),
    ("<U3", 0, None, ""),
    ("|V2", 0, None, np.void(b"\0\0")),
    ([["a", "<i2"]], 0, None, np.zeros((), [("a", "<i2")])[()]),
    ("|O", 0, "vlen-utf8", ""),
    ("|O", 0, "vlen-bytes", b""),
]


@pytest.mark.parametrize(("dtype", "value", "codec", "expected"), V2_LENIENT)
def test_documented_leniencies_of_v2_fill_values_in_both_modes(dtype, value, codec, expected):
    found = DataType.from_v2(dtype, object_codec=codec)
    np.testing.assert_equal(found.fill_from_json(value, zarr_format=2), expected)
    with pytest.raises(MetadataError, match="fill value"):
        found.fill_from_json(value, zarr_format=2, strict=True)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("<i4", "NaN"), ("<f4", "0x7fc00000"), ("|S2", "YWJj"), ("|V2", "AA=="), ("<c8", [1]), ([["a", "<i2"]], "AAAA")],
)
def test_what_is_no_v2_fill_value_is_refused(dtype, value):
    with pytest.raises(MetadataError, match="fill value"):
        DataType.from_v2(dtype).fill_from_json(value, zarr_format=2)


@pytest.mark.parametrize("dtype", ["|b1", ">i4", "<f8", "<c16", "|S3", ">U2", "|V3", "<M8[ns]", [["a", ">i2"]]])
def test_null_of_v2_is_none_and_reads_as_zero(dtype):
    found = DataType.from_v2(dtype)
    assert found.fill_from_json(None, zarr_format=2) is None
    assert found.fill_to_json(None, zarr_format=2) is None
    assert found.default_fill() == np.zeros((), found.numpy)[()]
    with pytest.raises(MetadataError):
        found.fill_to_json(None)


@pytest.mark.parametrize("name", ["complex_bfloat16", "complex64", "int4", "float8_e5m2", "string", "bytes", "r16"])
def test_default_fill_is_the_zero_of_the_type(name):
    dtype = DataType.from_v3(name)
    zero = dtype.default_fill()
    again = dtype.fill_from_json(dtype.fill_to_json(zero), strict=True)
    assert again == zero
    if dtype.itemsize is not None:
        assert np.array(zero, dtype.numpy).tobytes() == bytes(dtype.itemsize)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("int8", np.int64(-128), np.int8(-128)),
        ("int8", 3.0, np.int8(3)),
        ("uint2", np.uint8(3), 3),
        ("float32", 0.1, np.float32(0.1)),
        ("float32", "Infinity", np.float32("inf")),
        ("float64", np.float32(0.5), np.float64(0.5)),
        ("complex64", 1 + 2j, np.complex64(1 + 2j)),
        ("complex64", 3, np.complex64(3)),
        ("bool", 1, np.True_),
        ("string", np.str_("x"), "x"),
        ("bytes", bytearray(b"x"), b"x"),
        ("r16", b"ab", np.void(b"ab")),
        ("r16", 0, np.void(b"\0\0")),
        ("r16", np.void(b"ab"), np.void(b"ab")),
        ("float32", np.float32(2.5), np.float32(2.5)),
        ("float64", -(10**300), np.float64(-1e300)),
        ("complex64", np.complex64(1j), np.complex64(1j)),
        ("complex64", (1, 2), np.complex64(1 + 2j)),
        ("bytes", 0, b""),
    ],
)
def test_values_of_users_become_scalars(name, value, expected):
    scalar = DataType.from_v3(name).scalar(value)
    assert scalar == expected
    assert type(scalar) is type(expected) or name == "uint2"


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int8", 128),
        ("int8", 1.5),
        ("int8", float("nan")),
        ("int8", "1"),
        ("int8", 1j),
        ("int8", np.timedelta64(1, "s")),
        ("int8", None),
        ("bool", 2),
        ("float32", 1e39),
        ("float32", "one"),
        ("float32", 1j),
        ("float32", np.complex64(1)),
        ("float32", -(10**400)),
        ("float32", None),
        ("float4_e2m1fn", 7.0),
        ("complex64", "x"),
        ("string", 1),
        ("bytes", "x"),
        ("r16", b"a"),
        ("S2", b"abc"),
        ("S2", "ä"),
        ("U2", "abc"),
        ("M8[s]", np.datetime64("2000-01-01T00:00:00.5")),
        ("M8[s]", np.timedelta64(1, "s")),
        ("M8[s]", "yesterday"),
        ("M8[s]", 2**63),
        ([("a", "i1")], (1, 2)),
        ([("a", "i1")], {"a": 300}),
        ([("a", "i1")], {"b": 3}),
        ([("a", "i1")], 1.5),
    ],
)
def test_values_that_do_not_fit_are_refused(dtype, value):
    with pytest.raises(MetadataError, match="fill value"):
        DataType.from_numpy(dtype).scalar(value)


def test_times_take_moments_spans_numbers_and_nat():
    moment, span = DataType.from_numpy("M8[10s]"), DataType.from_numpy("m8[ms]")
    assert moment.scalar(np.datetime64("2000-01-01T00:00:10")) == np.datetime64("2000-01-01T00:00:10")
    assert moment.scalar(3) == np.datetime64(30, "s")
    assert span.scalar(np.timedelta64(2, "s")) == np.timedelta64(2000, "ms")
    assert np.isnat(moment.fill_from_json("NaT", strict=True))
    assert np.isnat(moment.fill_from_json(-(2**63), strict=True))
    assert moment.fill_to_json(moment.scalar("NaT")) == -(2**63)


def test_structs_take_tuples_dicts_and_void():
    dtype = DataType.from_numpy([("a", "i2"), ("b", [("c", "f4"), ("d", "U2")])])
    expected = np.array((1, (np.nan, "xy")), dtype.numpy)
    for value in ((1, (math.nan, "xy")), {"a": 1, "b": {"c": math.nan, "d": "xy"}}, expected[()]):
        scalar = dtype.scalar(value)
        assert np.array(scalar).tobytes() == expected.tobytes()
        document = dtype.fill_to_json(scalar)
        assert document == {"a": 1, "b": {"c": "NaN", "d": "xy"}}
        assert np.array(dtype.fill_from_json(document, strict=True)).tobytes() == expected.tobytes()
        as_v2 = dtype.fill_to_json(scalar, zarr_format=2)
        assert np.array(dtype.fill_from_json(as_v2, zarr_format=2, strict=True)).tobytes() == expected.tobytes()


def test_structs_take_void_of_another_byte_order_and_zero():
    dtype = DataType.from_numpy([("a", "i2"), ("b", "f4")])
    other = np.array((1, 2.5), [("a", ">i2"), ("b", ">f4")])[()]
    assert dtype.scalar(other).item() == (1, 2.5)
    assert dtype.scalar(0).item() == (0, 0.0)
    with pytest.raises(MetadataError, match="as bytes"):
        DataType.from_v2([["a", "<i2", [2]]]).scalar(([1, 2],))


def test_structured_of_zarr_python_has_its_fill_value_in_base64_also_when_strict():
    document = {"name": "structured", "configuration": {"fields": [["a", "int16"], ["b", "uint8"]]}}
    dtype = DataType.from_v3(document, strict=True)
    assert dtype.fill_from_json("AQAC", strict=True).item() == (1, 2)
    as_struct = DataType.from_v3(dtype.to_v3())
    assert as_struct.fill_from_json("AQAC").item() == (1, 2)
    with pytest.raises(MetadataError, match="every field"):
        as_struct.fill_from_json("AQAC", strict=True)


@given(st.binary(max_size=20))
def test_bytes_survive_in_both_forms(value):
    for name in ("bytes", "variable_length_bytes"):
        dtype = DataType.from_v3(name)
        for zarr_format in (2, 3):
            document = dtype.fill_to_json(value, zarr_format=zarr_format)
            assert dtype.fill_from_json(document, zarr_format=zarr_format, strict=True) == value
