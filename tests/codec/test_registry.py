"""Names of codecs, and codecs as users name them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from asynczarr.codec import (
    ChunkSpec,
    CodecChain,
    default_codecs,
    get_codec_class,
    parse_codecs,
    register_codec,
    registry,
)
from asynczarr.codec.bytes import BytesCodec
from asynczarr.codec.gzip import GzipCodec
from asynczarr.errors import MetadataError, UnknownExtension
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.node import NamedConfig


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_codecs", dict(registry._codecs))


LITTLE = NamedConfig("bytes", {"endian": "little"})


def spec(dtype="int32", fill=0):
    return ChunkSpec((2, 3), DataType.from_v3(dtype), fill)


def test_built_in_names_have_classes():
    for name in [name for name in registry._codecs if not name.startswith("numcodecs.")]:
        codec = get_codec_class(name)
        assert codec.kind in ("array->array", "array->bytes", "bytes->bytes")
        assert codec.name == ("bytes" if name == "endian" else name)


def test_register_with_alias():
    register_codec("test.gzip", "asynczarr.codec.gzip:GzipCodec", "test.gz")
    assert get_codec_class("test.gzip") is get_codec_class("test.gz") is GzipCodec


def test_entry_points(monkeypatch):
    entry = EntryPoint("test.published", "asynczarr.codec.gzip:GzipCodec", "asynczarr.codecs")
    monkeypatch.setattr(registry, "_published", lambda: {"test.published": entry})
    assert get_codec_class("test.published") is GzipCodec


@pytest.mark.parametrize("name", ["pickle", "numcodecs.pickle", "nobody.knows", "", "GZIP"])
def test_unknown(name):
    with pytest.raises(UnknownExtension):
        get_codec_class(name)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("auto", ["bytes", "zstd"]),
        (None, ["bytes"]),
        ([], ["bytes"]),
        ("gzip", ["bytes", "gzip"]),
        (["zstd"], ["bytes", "zstd"]),
        (["bitround"], None),
        (
            [{"name": "transpose", "configuration": {"order": [1, 0]}}, "blosc", "crc32c"],
            ["transpose", "bytes", "blosc", "crc32c"],
        ),
        ([BytesCodec("big"), GzipCodec(3)], ["bytes", "gzip"]),
        (GzipCodec(3), ["bytes", "gzip"]),
        (NamedConfig("gzip", {"level": 2}), ["bytes", "gzip"]),
        ({"name": "gzip", "configuration": {"level": 2}}, ["bytes", "gzip"]),
        ("bytes", ["bytes"]),
        (["packbits", "crc32c"], ["packbits", "crc32c"]),
        ("sharding_indexed", None),
        ("transpose", None),
        ([3], None),
        ([{"configuration": {}}], None),
    ],
)
def test_parse(value, names):
    if names is None:
        with pytest.raises(MetadataError):
            parse_codecs(value, spec())
        return
    configs = parse_codecs(value, spec())
    assert [config.name for config in configs] == names
    chain = CodecChain.build(configs, spec())
    array = np.arange(6, dtype="i4").reshape(2, 3)
    assert np.array_equal(chain.decode(chain.encode(array)), array)


def test_byte_order_is_put_in_where_it_matters():
    assert parse_codecs("bytes", spec()) == (LITTLE,)
    assert parse_codecs(None, spec("uint8")) == (NamedConfig("bytes"),)
    assert parse_codecs(["bytes", "crc32c"], None) == (LITTLE, NamedConfig("crc32c"))
    assert parse_codecs([BytesCodec("big")], spec()) == (NamedConfig("bytes", {"endian": "big"}),)


@pytest.mark.parametrize(("dtype", "fill", "first"), [("string", "", "vlen-utf8"), ("bytes", b"", "vlen-bytes")])
def test_defaults_fit_the_data_type(dtype, fill, first):
    assert [config.name for config in default_codecs(spec(dtype, fill))] == [first, "zstd"]
    assert [config.name for config in parse_codecs("gzip", spec(dtype, fill))] == [first, "gzip"]


def test_importing_codecs_loads_no_library():
    code = (
        "import sys, asynczarr.codec; "
        "slow = {'numcodecs', 'zstandard', 'google_crc32c', 'lz4', 'ml_dtypes', 'zfpy', 'pcodec', 'msgpack'}; "
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
