"""Chunks made to hurt: bombs, lies in headers, streams that go on."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numcodecs.blosc
import numpy as np
import pytest
import zstandard

from asynczarr.codec.blosc import BloscCodec
from asynczarr.codec.gzip import GzipCodec
from asynczarr.codec.zstd import ZstdCodec
from asynczarr.errors import CodecError
from asynczarr.metadata.node import NamedConfig

from .samples import chain_of

BOMB = 192 * 2**20

_MEASURE = """
import re, sys
from pathlib import Path
from asynczarr.codec import ChunkSpec, CodecChain
from asynczarr.errors import CodecError
from asynczarr.metadata.dtypes import DataType
from asynczarr.metadata.node import NamedConfig
import numpy as np, zstandard, numcodecs.blosc

def peak():
    # Not getrusage: its peak is inherited from the process that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

compressor = NamedConfig(sys.argv[2], {"gzip": {"level": 5}, "zstd": {"level": 3}, "blosc": {
    "cname": "lz4", "clevel": 5, "shuffle": "noshuffle", "typesize": 1}}[sys.argv[2]])
chain = CodecChain.build([NamedConfig("bytes"), compressor], ChunkSpec((4,), DataType.from_v3("uint8"), np.uint8(0)))
chain.decode(chain.encode(np.zeros(4, "u1")))
bomb = Path(sys.argv[1]).read_bytes()
before = peak()
try:
    chain.decode(bomb)
except CodecError as error:
    assert error.codec == sys.argv[2]
    print(peak() - before)
"""


def _zeros():
    for _ in range(BOMB // 2**20):
        yield bytes(2**20)


def _gzip_bomb():
    made = zlib.compressobj(9, wbits=31)
    return b"".join([*(made.compress(block) for block in _zeros()), made.flush()])


def _zstd_bomb(**options):
    made = zstandard.ZstdCompressor(**options).compressobj()
    return b"".join([*(made.compress(block) for block in _zeros()), made.flush()])


def _zstd_sized_bomb():
    made = zstandard.ZstdCompressor().compressobj(size=BOMB)
    return b"".join([*(made.compress(block) for block in _zeros()), made.flush()])


def _wide_window():
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    return _zstd_bomb(compression_params=parameters)


def _blosc_bomb():
    return numcodecs.blosc.compress(bytes(BOMB), b"lz4", 5, 0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("codec", "bomb"),
    [
        ("gzip", _gzip_bomb),
        ("zstd", _zstd_bomb),
        ("zstd", _zstd_sized_bomb),
        ("zstd", _wide_window),
        ("blosc", _blosc_bomb),
    ],
)
def test_a_bomb_costs_next_to_nothing(codec, bomb, tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(bomb())
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path), codec], capture_output=True, text=True, check=True
    )
    grown = int(done.stdout)
    assert grown * 1024 < 8 * 2**20


def test_gzip_members():
    parts = [b"abc", b"", b"defg" * 10000]
    data = b"".join(zlib.compress(part, wbits=31) for part in parts)
    assert GzipCodec().decode(data, 50000) == b"".join(parts)
    with pytest.raises(CodecError, match="more than 40002"):
        GzipCodec().decode(data, 40002)
    for extra in (b"x", b"\x1f\x8b", b"\0" * 8):
        with pytest.raises(CodecError):
            GzipCodec().decode(data + extra, 50000)


def test_a_zlib_stream_is_no_gzip():
    with pytest.raises(CodecError, match="not a valid gzip"):
        GzipCodec().decode(zlib.compress(b"abc"), 100)


@pytest.mark.parametrize("part", [zlib.compress(b"", wbits=31), zstandard.compress(b""), b"\x50\x2a\x4d\x18\0\0\0\0"])
def test_many_empty_parts_take_linear_time(part):
    codec = ZstdCodec() if part[:2] != b"\x1f\x8b" else GzipCodec()
    started = time.process_time()
    assert codec.decode(part * 20_000, 4) == b""
    assert time.process_time() - started < 5


def test_zstd_frames():
    whole = zstandard.ZstdCompressor(write_checksum=True).compress(b"first")
    stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    unsized = stream.compress(b"second") + stream.flush()
    skipped = b"\x5f\x2a\x4d\x18" + struct.pack("<I", 3) + b"???"
    data = skipped + whole + skipped + unsized + skipped
    assert ZstdCodec().decode(data, 100) == b"firstsecond"
    assert ZstdCodec().decode(data, 11) == b"firstsecond"
    for limit in (0, 4, 10):
        with pytest.raises(CodecError):
            ZstdCodec().decode(data, limit)
    for cut in (1, 4, len(skipped) + 1):
        with pytest.raises(CodecError, match=r"truncated|no zstd frame"):
            ZstdCodec().decode(data[:-cut], 100)
    broken = bytearray(whole)
    broken[-1] ^= 1
    with pytest.raises(CodecError, match="not a valid zstd"):
        ZstdCodec().decode(bytes(broken), 100)


def test_zstd_window_is_bounded():
    parameters = zstandard.ZstdCompressionParameters(window_log=28)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = stream.compress(b"abcd") + stream.flush()
    with pytest.raises(CodecError, match="not a valid zstd"):
        ZstdCodec().decode(data, 4)


def _frame(**changes):
    data = bytearray(numcodecs.blosc.compress(np.arange(100, dtype="i4"), b"lz4", 5, 1))
    for offset, (layout, value) in {
        {"version": 0, "flags": 2, "typesize": 3, "nbytes": 4, "blocksize": 8, "cbytes": 12}[key]: value
        for key, value in changes.items()
    }.items():
        struct.pack_into(layout, data, offset, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": ("B", 5)}, "version 5"),
        ({"nbytes": ("<I", 2**31)}, "at most 400"),
        ({"nbytes": ("<I", 401)}, "at most 400"),
        ({"nbytes": ("<I", 399)}, None),
        ({"nbytes": ("<I", 0)}, "expected 400"),
        ({"cbytes": ("<I", 2**32 - 1)}, "announces"),
        ({"cbytes": ("<I", 0)}, "announces"),
        ({"blocksize": ("<I", 0)}, "do not fit"),
        ({"blocksize": ("<I", 2**31)}, "do not fit"),
        ({"typesize": ("B", 0)}, "do not fit"),
        ({"flags": ("B", 2 << 5 | 1)}, "snappy"),
        ({"flags": ("B", 7 << 5 | 1)}, "unknown Blosc compressor"),
        ({"flags": ("B", 3 << 5 | 1)}, None),
    ],
)
def test_blosc_headers(changes, message):
    blosc = NamedConfig("blosc", {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"})
    chain = chain_of("int32", (100,), NamedConfig("bytes", {"endian": "little"}), blosc)
    with pytest.raises(CodecError, match=message) as caught:
        chain.decode(_frame(**changes))
    assert caught.value.codec == "blosc"


def test_blosc_cannot_make_snappy():
    with pytest.raises(CodecError, match="snappy"):
        BloscCodec(cname="snappy").encode(b"abc")


def _vlen(*lengths, count=None, rest=b""):
    body = b"".join(struct.pack("<I", length) + b"a" * min(length, 8) for length in lengths)
    return struct.pack("<I", len(lengths) if count is None else count) + body + rest


@pytest.mark.parametrize("dtype", ["string", "bytes"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x03\0\0",
        _vlen(),
        _vlen(1, 2),
        _vlen(1, 2, 3, 4),
        _vlen(1, 2, count=3),
        _vlen(1, 2, 3, count=2**32 - 1),
        _vlen(1, 2, 2**32 - 1),
        _vlen(2**31, 2, 3),
        _vlen(1, 2, 9),
        _vlen(1, 2, 3, rest=b"a"),
        _vlen(1, 2, 3)[:-1],
    ],
)
def test_vlen(dtype, data):
    chain = chain_of(dtype, (3,), NamedConfig("vlen-utf8" if dtype == "string" else "vlen-bytes"))
    with pytest.raises(CodecError):
        chain.decode(data)
    assert len(chain.decode(_vlen(1, 2, 3))) == 3


@pytest.mark.parametrize("text", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
def test_vlen_refuses_what_is_not_utf8(text):
    data = struct.pack("<II", 1, len(text)) + text
    with pytest.raises(CodecError):
        chain_of("string", (1,), NamedConfig("vlen-utf8")).decode(data)
    assert chain_of("bytes", (1,), NamedConfig("vlen-bytes")).decode(data)[0] == text


def test_vlen_encodes_only_its_kind():
    chain = chain_of("bytes", (2,), NamedConfig("vlen-bytes"))
    with pytest.raises(CodecError, match="must be bytes"):
        chain.encode(np.array([b"a", None], object))


@pytest.mark.parametrize("data", [b"", b"\0\xff", b"\x04\xff\x0f", b"\x05\xff", b"\xff\xff\x0f"])
def test_packbits_padding(data):
    chain = chain_of("bool", (3,), NamedConfig("packbits", {"padding_encoding": "first_byte"}))
    with pytest.raises(CodecError):
        chain.decode(data[:1] + data[2:] if len(data) == 3 else data[:1])
    assert chain.decode(b"\x05\x05").tolist() == [True, False, True]


@pytest.mark.parametrize("header", [b"", b"\x04", b"\x80"])
def test_conditional_headers(header):
    conditional = NamedConfig(
        "conditional", {"codecs": [{"name": "crc32c"}, {"name": "gzip", "configuration": {"level": 1}}]}
    )
    chain = chain_of("uint8", (3,), NamedConfig("bytes"), conditional)
    with pytest.raises(CodecError) as caught:
        chain.decode(header + b"abc" * bool(header))
    assert caught.value.codec == "conditional"
    assert chain.decode(b"\0abc").tobytes() == b"abc"
    assert chain.decode(b"\2" + zlib.compress(b"abc", wbits=31)).tobytes() == b"abc"


@pytest.mark.parametrize(
    "block",
    [
        struct.pack(">HHII", 1, 2, 3, 2),
        struct.pack(">HHI", 0, 1, 6),
        struct.pack(">HHII", 0, 2, 4, 2),
        struct.pack(">HHII", 0, 2, 2**32 - 1, 2**32 - 1),
        struct.pack(">HHI", 0, 2, 3),
    ],
)
def test_n5_headers(block):
    configs = [
        {"name": "transpose", "configuration": {"order": [1, 0]}},
        {"name": "bytes", "configuration": {"endian": "big"}},
    ]
    chain = chain_of("uint16", (2, 3), NamedConfig("n5_default", {"codecs": configs}))
    with pytest.raises(CodecError):
        chain.decode(block + bytes(12))
    cut = struct.pack(">HHII", 0, 2, 3, 1) + np.array([1, 2, 3], ">u2").tobytes()
    assert chain.decode(cut).tolist() == [[1, 2, 3], [0, 0, 0]]
