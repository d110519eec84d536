"""Archives that lie: a typed error in bounded memory, and never wrong bytes."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asynczarr.errors import Forbidden, IntegrityError, StoreError, Unsupported
from asynczarr.store import ZipStore
from asynczarr.types import ByteRange

LOCAL, CENTRAL = b"PK\3\4", b"PK\1\2"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.zip"


def make(path, values, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, value in values.items():
            archive.writestr(name, value)
    return bytearray(path.read_bytes())


def patch(data, signature, field, value, form="<I"):
    """Change a field of the first header that has `signature`; `field` is its offset in a local header."""
    offset = data.index(signature) + field + (2 if signature == CENTRAL else 0)
    struct.pack_into(form, data, offset, value)


FLAGS, METHOD, CRC, PACKED, SIZE, NAME_LENGTH = 6, 8, 14, 18, 22, 26


@pytest.mark.parametrize("header", [LOCAL, CENTRAL], ids=["local", "central"])
@pytest.mark.parametrize(
    ("field", "value", "form"),
    [
        (CRC, 1, "<I"),
        (PACKED, 4, "<I"),
        (SIZE, 4, "<I"),
        (SIZE, 11, "<I"),
        (PACKED, 0xFFFFFFFF, "<I"),
        (SIZE, 0xFFFFFFFE, "<I"),
        (METHOD, 8, "<H"),
    ],
)
async def test_a_header_that_lies(path, header, field, value, form):
    data = make(path, {"key": b"0123456789"})
    patch(data, header, field, value, form)
    path.write_bytes(data)
    async with ZipStore(path) as store:
        tracemalloc.start()
        try:
            with pytest.raises(IntegrityError):
                await store.get("key")
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("header", [LOCAL, CENTRAL], ids=["local", "central"])
@pytest.mark.parametrize("length", [0, 2, 4, 60000])
async def test_a_name_of_another_length(path, header, length):
    data = make(path, {"key": b"0123456789"})
    patch(data, header, NAME_LENGTH, length, "<H")
    path.write_bytes(data)
    for key in ("ke", "key"):
        with suppress(IntegrityError):
            assert await ZipStore(path).get(key) in (None, b"0123456789")


async def test_sizes_that_agree_but_reach_beyond_the_archive(path):
    data = make(path, {"key": b"0123456789"})
    for header in (LOCAL, CENTRAL):
        patch(data, header, PACKED, 1 << 30)
        patch(data, header, SIZE, 1 << 30)
    path.write_bytes(data)
    async with ZipStore(path) as store:
        for part in (None, ByteRange(0, 4), ByteRange(-4)):
            with pytest.raises(IntegrityError, match="beyond"):
                await store.get("key", part)


def bomb(size):
    packer = zlib.compressobj(9, wbits=-15)
    zeros = bytes(1 << 20)
    return b"".join([*(packer.compress(zeros) for _ in range(size >> 20)), packer.flush()])


def entry(packed, size, crc=0):
    """An archive with one deflated entry that says what it likes."""
    local = struct.pack("<4s5H3I2H", LOCAL, 20, 0, 8, 0, 33, crc, len(packed), size, 1, 0) + b"k"
    central = struct.pack(
        "<4s6H3I5H2I", CENTRAL, 20, 20, 0, 8, 0, 33, crc, len(packed), size, 1, 0, 0, 0, 0, 0, 0
    ) + b"k"  # fmt: skip
    start = len(local) + len(packed)
    return local + packed + central + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), start, 0)


@pytest.mark.parametrize("said", [4, 0, 4 << 20, 0xFFFFFFF0], ids=["4 B", "0 B", "4 MiB", "4 GiB"])
async def test_a_bomb(path, said):
    """192 MiB behind a smaller or larger size than that."""
    path.write_bytes(entry(bomb(192 << 20), said))
    async with ZipStore(path) as store:
        await store.head("k")
        tracemalloc.start()
        try:
            with pytest.raises(IntegrityError):
                await store.get("k")
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()


async def test_an_honest_bomb_meets_the_limit(path):
    path.write_bytes(entry(bomb(8 << 20), 8 << 20, zlib.crc32(bytes(8 << 20))))
    async with ZipStore(path) as store:
        assert bytes(await store.get("k")) == bytes(8 << 20)
    async with ZipStore(path, max_inflated=1 << 20) as store:
        with pytest.raises(IntegrityError, match="max_inflated"):
            await store.get("k")
        assert bytes(await store.get("k", ByteRange(0, 1000))) == bytes(1000)


async def test_damaged_deflated_bytes(path):
    packed = bytearray(zlib.compress(os.urandom(100) * 3, wbits=-15))
    value = entry(packed, 300)
    for damaged in (value.replace(bytes(packed), bytes(len(packed))), entry(packed[:50], 300), entry(packed, 299)):
        path.write_bytes(damaged)
        async with ZipStore(path) as store:
            with pytest.raises(IntegrityError):
                await store.get("k")


async def test_names_that_lead_elsewhere_are_not_there(path):
    names = ["../up", "/abs", "a/../../b", "a\\b", "C:/x", "a//b", "./x", "fine"]
    make(path, dict.fromkeys(names, b"x"))
    data = path.read_bytes().replace(b"./x", b"f\0x")
    path.write_bytes(data)
    async with ZipStore(path) as store:
        assert [key async for key in store.list()] == ["fine"]
        assert [key async for key in store.list_dir()] == ["fine"]
        assert await store.get("f") is None


async def test_encrypted_and_unknown_methods_are_refused_by_name(path):
    data = make(path, {"secret": b"0123456789", "open": b"x"})
    for header in (LOCAL, CENTRAL):
        patch(data, header, FLAGS, 1, "<H")
    path.write_bytes(data)
    async with ZipStore(path, mode="a") as store:
        with pytest.raises(Unsupported, match="encrypted"):
            await store.get("secret")
        assert bytes(await store.get("open")) == b"x"
        with pytest.raises(Unsupported, match="encrypted"):
            await store.set("new", b"x")
    make(path, {"k": b"0123456789" * 10}, zipfile.ZIP_BZIP2)
    async with ZipStore(path) as store:
        with pytest.raises(Unsupported, match="method 12"):
            await store.get("k")


@pytest.mark.parametrize("mode", ["r", "a"])
@pytest.mark.parametrize(
    "content", [b"", b"PK", b"not a zip at all" * 100, b"PK\5\6" + b"\xff" * 18, b"PK\5\6" * 20], ids=range(5)
)
async def test_what_is_no_archive(path, mode, content):
    path.write_bytes(content)
    async with ZipStore(path, mode=mode) as store:
        for call in (store.get("k"), store.head("k")):
            with pytest.raises(IntegrityError):
                await call
    assert path.read_bytes() == content


async def test_what_is_no_file(path, tmp_path):
    os.mkfifo(path)
    for where in (path, tmp_path, "/dev/zero"):
        with pytest.raises(Forbidden, match="regular"):
            await ZipStore(where).get("k")


async def test_every_cut(path):
    """An archive that ends too early is no archive."""
    data = make(path, {"a/b": b"0123456789", "c": b"x" * 50})
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(IntegrityError):
            await ZipStore(path).get("c")


VALUES = {"zarr.json": b'{"a": 1}', "c/0": b"\0\1\2\3" * 20, "c/1": bytes(range(200)) * 3}


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([0, 8]), st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(1, 255)), min_size=1, max_size=4)
)
async def test_damage_anywhere_is_an_error_or_harmless(tmp_path, method, flips):
    path = tmp_path / "store.zip"
    data = make(path, VALUES, method)
    for place, bits in flips:
        data[place % len(data)] ^= bits
    path.write_bytes(data)
    store = ZipStore(path)
    try:
        for key, value in VALUES.items():
            with suppress(StoreError):
                assert await store.get(key) in (value, None)
                assert len(await store.get(key, ByteRange(2, 6)) or b"1234") == 4
        with suppress(StoreError):
            assert len([key async for key in store.list()]) <= len(VALUES)
    finally:
        await store.aclose()


async def test_a_rewrite_does_not_carry_damage_along(path):
    data = make(path, {"key": b"0123456789", "other": b"x"})
    patch(data, LOCAL, SIZE, 4)
    path.write_bytes(data)
    store = ZipStore(path, mode="a")
    await store.set("new", b"x")
    with pytest.raises(IntegrityError):
        await store.aclose()
    assert path.read_bytes() == data
    async with ZipStore(path, mode="a") as store:  # without the damaged entry it can be done
        await store.delete("key")
        await store.set("new", b"x")
    async with ZipStore(path) as store:
        assert [key async for key in store.list()] == ["new", "other"]


async def test_lies_that_both_headers_tell(path):
    data = make(path, {"key": b"0123456789"})
    for header in (LOCAL, CENTRAL):
        patch(data, header, SIZE, 9)
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="two sizes"):
        await ZipStore(path).get("key", ByteRange(0, 4))
    path.write_bytes(entry(zlib.compress(b"x", wbits=-15), 900 << 20))
    for part in (None, ByteRange(-4)):
        with pytest.raises(IntegrityError, match="cannot hold"):
            await ZipStore(path).get("k", part)
