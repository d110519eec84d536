"""zfp: what the library makes, mode by mode, and streams that are too short."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from asynczarr.errors import CodecError, MetadataError
from asynczarr.metadata.node import NamedConfig

from .samples import chain_of, random_array, same_bits

zfpy = pytest.importorskip("zfpy")

shapes = st.one_of(st.just(()), array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6))


@given(
    st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "int64", "float32", "float64"]),
    shapes,
    st.integers(0, 2**32),
    st.booleans(),
)
def test_reversible_is_lossless(dtype, shape, seed, fortran):
    chain = chain_of(dtype, shape, NamedConfig("zfp", {"mode": "reversible"}))
    array = random_array(chain.spec.dtype, shape, seed)
    if array.dtype.kind == "f":
        array = np.nan_to_num(array)  # zfp keeps no NaN
    data = chain.encode(array.copy(order="F") if fortran else array)
    assert len(data) <= chain.max_encoded_size()
    assert same_bits(chain.decode(data), array)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("fixed_accuracy", {"tolerance": 0.01}),
        ("fixed_accuracy", {"tolerance": 0}),
        ("fixed_rate", {"rate": 10.5}),
        ("fixed_rate", {"rate": 100}),
        ("fixed_precision", {"precision": 17}),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lossy_modes_are_the_library_s(mode, options, dtype):
    chain = chain_of(dtype, (9, 13), NamedConfig("zfp", {"mode": mode, **options}))
    array = np.sin(np.arange(117).reshape(9, 13)).astype(dtype)
    data = chain.encode(array)
    assert data == zfpy.compress_numpy(array, write_header=False, **options)
    assert len(data) <= chain.max_encoded_size()
    theirs = zfpy.decompress_numpy(zfpy.compress_numpy(array, **options))
    assert same_bits(chain.decode(data), theirs)
    assert chain.to_configs()[0].configuration == {"mode": mode, **options}
    with pytest.raises(CodecError, match="too few"):
        chain.decode(data[: len(data) // 2])


def test_times_are_integers():
    dtype = {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}
    chain = chain_of(dtype, (5,), NamedConfig("zfp", {"mode": "reversible"}))
    array = np.arange(5).astype("M8[s]")
    assert same_bits(chain.decode(chain.encode(array)), array)


def test_unsigned_integers_above_the_signed_ones():
    chain = chain_of("uint32", (2,), NamedConfig("zfp", {"mode": "reversible"}))
    assert chain.decode(chain.encode(np.array([0, 2**31 - 1], "u4"))).tolist() == [0, 2**31 - 1]
    with pytest.raises(CodecError, match="only up to"):
        chain.encode(np.array([0, 2**31], "u4"))


@pytest.mark.parametrize("data", [b"", bytes(1000)])
def test_sizes(data):
    with pytest.raises(CodecError, match="expected at most"):
        chain_of("float32", (4,), NamedConfig("zfp", {"mode": "reversible"})).decode(data)


@pytest.mark.parametrize(
    ("dtype", "shape", "configuration"),
    [
        ("float32", (2,) * 5, {"mode": "reversible"}),
        ("float16", (2,), {"mode": "reversible"}),
        ("bool", (2,), {"mode": "reversible"}),
        ("int32", (2,), {"mode": "fixed_accuracy", "tolerance": 1}),
        ("float32", (2,), {"mode": "reversible", "rate": 1}),
        ("float32", (2,), {"mode": "fixed_rate"}),
        ("float32", (2,), {"mode": "fixed_rate", "rate": 0}),
        ("float32", (2,), {"mode": "fixed_rate", "rate": 1e9}),
        ("float32", (2,), {"mode": "fixed_precision", "precision": 1.5}),
        ("float32", (2,), {"mode": "fixed_accuracy", "tolerance": float("nan")}),
        ("float32", (2,), {"mode": "expert", "minbits": 1, "maxbits": 2, "maxprec": 3, "minexp": 4}),
    ],
)
def test_refused(dtype, shape, configuration):
    with pytest.raises(MetadataError) as caught:
        chain_of(dtype, shape, NamedConfig("zfp", configuration))
    assert caught.value.codec == "zfp"
