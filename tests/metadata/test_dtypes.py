"""Data types by name, by v2 dtype and by NumPy dtype, there and back, and the ones that are refused."""

from __future__ import annotations

import pickle

import ml_dtypes
import numpy as np
import pytest

from asynczarr.errors import MetadataError, UnknownExtension
from asynczarr.metadata.dtypes import MAX_ITEMSIZE, DataType, Objects, Struct, VariableText, register_data_type
from asynczarr.metadata.dtypes.floating import COMPLEX, FLOATS

NUMBERS = ["bool", *(f"{sign}int{n}" for sign in ("", "u") for n in (2, 4, 8, 16, 32, 64)), *FLOATS, *COMPLEX]
PLAIN = [*NUMBERS, "r8", "r24", "string", "bytes", "binary", "variable_length_bytes", "variable_length_utf8"]
CONFIGURED = [
    {"name": "fixed_length_utf32", "configuration": {"length_bytes": 8}},
    {"name": "null_terminated_bytes", "configuration": {"length_bytes": 3}},
    {"name": "raw_bytes", "configuration": {"length_bytes": 3}},
    {"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 25}},
    {"name": "numpy.timedelta64", "configuration": {"unit": "generic", "scale_factor": 1}},
    {
        "name": "struct",
        "configuration": {
            "fields": [
                {"name": "a", "data_type": "int16"},
                {"name": "b", "data_type": {"name": "fixed_length_utf32", "configuration": {"length_bytes": 4}}},
                {
                    "name": "c",
                    "data_type": {
                        "name": "struct",
                        "configuration": {"fields": [{"name": "x", "data_type": "complex_bfloat16"}]},
                    },
                },
            ]
        },
    },
]


@pytest.mark.parametrize("document", [*PLAIN, *CONFIGURED], ids=str)
def test_v3_documents_are_written_as_they_were_read(document):
    dtype = DataType.from_v3(document, strict=True)
    assert dtype.to_v3() == document
    assert DataType.from_v3(dtype.to_v3()) == dtype
    assert hash(DataType.from_v3(document)) == hash(dtype)
    assert pickle.loads(pickle.dumps(dtype)) == dtype
    assert DataType.from_numpy(document) == dtype
    assert np.zeros(2, dtype.numpy).itemsize == (dtype.itemsize or dtype.numpy.itemsize)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_have_their_bits_and_bytes(name):
    dtype = DataType.from_v3(name)
    width = 1 if name == "bool" else int("".join(c for c in name.split("_e")[0][-3:] if c.isdigit()))
    if name.startswith("complex_"):
        width *= 2
    assert dtype.bits == (8 if name == "bool" else width)
    assert dtype.itemsize == {True: 2, False: 1}[dtype.kind == "complex"] * max(
        1, width // (16 if dtype.kind == "complex" else 8)
    )
    assert dtype.has_byte_order == (dtype.itemsize > (2 if dtype.kind == "complex" else 1))


@pytest.mark.parametrize(
    ("document", "dtype"),
    [
        ("bool", bool),
        ("int4", ml_dtypes.int4),
        ("bfloat16", ml_dtypes.bfloat16),
        ("float8_e5m2", ml_dtypes.float8_e5m2),
        ("complex_float32", "c8"),
        ("complex_float16", [("real", "f2"), ("imag", "f2")]),
        ("complex_float8_e4m3", [("real", ml_dtypes.float8_e4m3), ("imag", ml_dtypes.float8_e4m3)]),
        ("r24", "V3"),
        ("string", np.dtypes.StringDType()),
        ("bytes", object),
        (CONFIGURED[0], "U2"),
        (CONFIGURED[3], "M8[25ns]"),
        ({"name": "numpy.datetime64", "configuration": {"unit": "\u03bcs", "scale_factor": 1}}, "M8[us]"),
        ({"name": "numpy.datetime64", "configuration": {"unit": "\u00b5s", "scale_factor": 1}}, "M8[us]"),
        (
            CONFIGURED[5],
            [("a", "i2"), ("b", "U1"), ("c", [("x", [(p, ml_dtypes.bfloat16) for p in ("real", "imag")])])],
        ),
    ],
)
def test_dtypes_in_memory(document, dtype):
    assert DataType.from_v3(document).numpy == np.dtype(dtype)


@pytest.mark.parametrize(
    ("given_as", "name", "dtype"),
    [
        (int, "int64", "i8"),
        (float, "float64", "f8"),
        (complex, "complex128", "c16"),
        (bool, "bool", "?"),
        (str, "string", np.dtypes.StringDType()),
        ("str", "string", np.dtypes.StringDType()),
        (np.dtype("U"), "string", np.dtypes.StringDType()),
        (np.dtypes.StringDType(), "string", np.dtypes.StringDType()),
        ("<U10", "fixed_length_utf32", "U10"),
        ("S5", "null_terminated_bytes", "S5"),
        ("V5", "r40", "V5"),
        ("bytes", "bytes", object),
        ("M8[ns]", "numpy.datetime64", "M8[ns]"),
        ("timedelta64[25s]", "numpy.timedelta64", "m8[25s]"),
        (np.int16, "int16", "i2"),
        (">i4", "int32", "i4"),
        (ml_dtypes.bfloat16, "bfloat16", ml_dtypes.bfloat16),
        (np.dtype(ml_dtypes.float8_e5m2), "float8_e5m2", ml_dtypes.float8_e5m2),
        ("int4", "int4", ml_dtypes.int4),
        ([("a", ">i4"), ("b", "f8", (2, 3))], "struct", [("a", "i4"), ("b", "f8", (2, 3))]),
        (np.dtype([("a", "i1"), ("b", "f8")], align=True), "struct", [("a", "i1"), ("b", "f8")]),
        (DataType.from_v3("int8"), "int8", "i1"),
    ],
)
def test_what_create_array_accepts(given_as, name, dtype):
    found = DataType.from_numpy(given_as)
    assert (found.name, found.numpy) == (name, np.dtype(dtype))


@pytest.mark.parametrize(
    "given_as",
    [
        object, bytes, None, "O", "object", "S0", "V0", "float128", "longdouble", ml_dtypes.float8_e4m3fn,
        ml_dtypes.int1, np.dtypes.StringDType(na_object=None), "nonsense", 3, [("a", "O")], "U5000000", "r12", [],
    ],
)  # fmt: skip
def test_what_create_array_refuses(given_as):
    with pytest.raises(MetadataError):
        DataType.from_numpy(given_as)


def test_byte_order_is_kept_for_v2_and_native_for_v3():
    assert DataType.from_numpy(">i4", zarr_format=2).to_v2() == ">i4"
    assert DataType.from_numpy(">i4", zarr_format=3).to_v2() == np.dtype("i4").str
    assert DataType.from_v2(">i4") != DataType.from_v2("<i4")
    nested = DataType.from_v2([["a", ">i4"], ["b", [["c", ">f4", [2]]]]])
    assert nested.to_v2() == [["a", ">i4"], ["b", [["c", ">f4", [2]]]]]
    assert nested.numpy["b"]["c"].base == np.dtype(">f4")


V2_DTYPES = [
    "|b1", "|i1", "|u1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8", "<c8", ">c16", "<m8[25s]", ">M8[ns]", "<M8[generic]",
    "|S7", "<U13", ">U1", "|V3", [["a", "<f4"], ["b", "|S2", [2, 2]], ["c", [["d", ">u2"]]]],
]  # fmt: skip


@pytest.mark.parametrize("document", V2_DTYPES, ids=str)
def test_v2_dtypes_are_written_as_they_were_read(document):
    dtype = DataType.from_v2(document, strict=True)
    assert dtype.to_v2() == document
    assert DataType.from_v2(dtype.to_v2(), strict=True) == dtype
    if isinstance(document, str):
        assert dtype.numpy == np.dtype(document)


@pytest.mark.parametrize(
    ("document", "read_as"), [("<u1", "|u1"), (">i1", "|i1"), ("<b1", "|b1"), ("<V4", "|V4"), (">S3", "|S3")]
)
def test_byte_order_on_single_bytes_is_a_documented_leniency(document, read_as):
    assert DataType.from_v2(document).to_v2() == read_as
    with pytest.raises(MetadataError, match="not a v2 dtype"):
        DataType.from_v2(document, strict=True)


@pytest.mark.parametrize(
    "document",
    [
        "=i4", "!b1", "|i4", "|U5", "i4", "<i3", "<f16", "<c4", "<z4", "<M8", "<m8", "<M4[s]", "<M8[x]", "<M8[0s]",
        "<M8[2generic]", "<i4[s]", "|S0", "<U0", "|V0", "|V2147483647", "<U1000000000", "<U99999999999999999999", "|O",
        "|O8", "", 5, None, True, {}, [], ["a"], [["a"]], [["a", "<i4", 0]], [["a", "<i4", [-1]]],
        [["a", "<i4", [True]]], [["", "<i4"]], [["a", "<i4"], ["a", "<i4"]], [[5, "<i4"]], [["a", "|O"]],
        [["a", "<i4", [2**20, 2**20]]], [["a", "<i4", "x"]],
    ],
    ids=str,
)  # fmt: skip
def test_hostile_v2_dtypes_are_refused(document):
    with pytest.raises(MetadataError):
        DataType.from_v2(document)


def test_structs_that_nest_too_deep_are_refused():
    v2, v3 = "<i4", "int32"
    for _ in range(1000):
        v2 = [["a", v2]]
    with pytest.raises(MetadataError, match="nested deeper"):
        DataType.from_v2(v2)
    for _ in range(40):
        v3 = {"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": v3}]}}
    with pytest.raises(MetadataError, match="nested deeper"):
        DataType.from_v3(v3)


@pytest.mark.parametrize(
    ("codec", "name", "dtype"),
    [("vlen-utf8", "string", np.dtypes.StringDType()), ("vlen-bytes", "bytes", object), ("json2", "object", object)],
)
def test_the_object_codec_says_what_v2_objects_are(codec, name, dtype):
    found = DataType.from_v2("|O", object_codec=codec)
    assert (found.name, found.numpy, found.object_codec, found.to_v2()) == (name, np.dtype(dtype), codec, "|O")
    assert found.itemsize is None
    assert found.bits is None
    with pytest.raises(MetadataError, match="object codec"):
        DataType.from_v2("|O", object_codec="pickle")


def test_objects_exist_in_v2_only():
    objects = DataType.from_v2("|O", object_codec="msgpack2")
    assert isinstance(objects, Objects)
    assert objects.default_fill() is None
    assert objects.fill_from_json({"a": [1]}, zarr_format=2) == {"a": [1]}
    with pytest.raises(MetadataError, match="v3"):
        objects.to_v3()


@pytest.mark.parametrize("name", ["int4", "uint2", "bfloat16", "float8_e5m2", "complex_float16"])
def test_small_numbers_exist_in_v3_only(name):
    with pytest.raises(MetadataError, match="v2"):
        DataType.from_v3(name).to_v2()


def test_subarrays_exist_in_v2_only():
    with pytest.raises(MetadataError, match="subarrays"):
        DataType.from_v2([["a", "<i4", [2]]]).to_v3()


@pytest.mark.parametrize(
    "document",
    [
        "r0", "r7", "r12", "r99999999999999", f"r{16 * MAX_ITEMSIZE}", "rx", "int32 ", 5, None, [], {}, {"name": 5},
        {"name": "int32", "configuration": {"a": 1}},
        {"name": "int32", "configuration": []},
        {"name": "int32", "endian": "little"},
        {"name": "int32", "must_understand": 1},
        {"name": "r8", "configuration": {"a": 1}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 6}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 0}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 4.0}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 2**40}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 4, "a": 1}},
        {"name": "null_terminated_bytes"},
        {"name": "raw_bytes", "configuration": {"length_bytes": True}},
        {"name": "numpy.datetime64"},
        {"name": "numpy.datetime64", "configuration": {"unit": "s"}},
        {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 0}},
        {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 2**31}},
        {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": True}},
        {"name": "numpy.datetime64", "configuration": {"unit": ["s"], "scale_factor": 1}},
        {"name": "numpy.datetime64", "configuration": {"unit": "x", "scale_factor": 1}},
        {"name": "numpy.datetime64", "configuration": {"unit": "generic", "scale_factor": 2}},
        {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1, "a": 1}},
        {"name": "struct"},
        {"name": "struct", "configuration": {"fields": []}},
        {"name": "struct", "configuration": {"fields": {}}},
        {"name": "struct", "configuration": {"fields": [{"name": "a"}]}},
        {"name": "struct", "configuration": {"fields": [{"name": "", "data_type": "int8"}]}},
        {"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "int8"}] * 2}},
        {"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "string"}]}},
        {"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": f"r{8 * MAX_ITEMSIZE}"}, {"name": "b", "data_type": "int8"}]}},  # noqa: E501
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("strict", [False, True])
def test_hostile_v3_data_types_are_refused(document, strict):
    with pytest.raises(MetadataError):
        DataType.from_v3(document, strict=strict)


def test_an_unknown_name_says_so():
    with pytest.raises(UnknownExtension, match="float128") as caught:
        DataType.from_v3("float128")
    assert (caught.value.kind, caught.value.name) == ("data type", "float128")


def test_documented_leniencies_of_data_types():
    pairs = {"name": "struct", "configuration": {"fields": [["x", "float32"]]}}
    tolerant = {"name": "int8", "must_understand": False}
    assert isinstance(DataType.from_v3(pairs), Struct)
    assert DataType.from_v3(tolerant).name == "int8"
    for document in (pairs, tolerant):
        with pytest.raises(MetadataError):
            DataType.from_v3(document, strict=True)


def test_structured_is_read_and_struct_is_written():
    document = {"name": "structured", "configuration": {"fields": [["x", "float32"]]}}
    assert DataType.from_v3(document, strict=True).to_v3() == {
        "name": "struct",
        "configuration": {"fields": [{"name": "x", "data_type": "float32"}]},
    }


def test_other_packages_can_add_data_types(monkeypatch):
    from asynczarr.metadata.dtypes import registry

    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    register_data_type("words", lambda name, configuration, strict: VariableText(name))
    assert DataType.from_v3("words").to_v3() == "words"
    assert DataType.from_numpy("words").numpy == np.dtypes.StringDType()


def test_data_types_of_entry_points_are_found_by_name(monkeypatch):
    import importlib.metadata

    from asynczarr.metadata.dtypes import registry

    class Point:
        def load(self):
            return lambda name, configuration, strict: VariableText(name)

    found = {("asynczarr.data_types", "sentences"): [Point()]}
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group, name: found.get((group, name), []))
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    assert DataType.from_v3("sentences").to_v3() == "sentences"
    with pytest.raises(UnknownExtension):
        DataType.from_v3("paragraphs")


def test_ml_dtypes_is_imported_only_when_needed():
    import subprocess
    import sys

    code = (
        "import sys, asynczarr.metadata.v3; from asynczarr.metadata.dtypes import DataType;"
        "DataType.from_v3('float32');"
        "DataType.from_v3('int64').fill_from_json(3); DataType.from_numpy('f4').fill_from_json(1.5);"
        "print('ml_dtypes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
