"""Bytes that are too few, too many or wrong are not believed."""

from __future__ import annotations

import pytest

import asynczarr as az
from asynczarr.errors import IntegrityError, Truncated, Unavailable
from asynczarr.middleware import Cache, Checksum, Retry, stack
from asynczarr.middleware.checksum import CRC32C
from asynczarr.store import MemoryStore
from asynczarr.types import ByteRange, Parts

from .kit import Scripted, policy, spoil, virtual


def shorter(data):
    return data[:-1]


def longer(data):
    return data + b"x"


def flipped(data):
    return bytes([data[0] ^ 1]) + data[1:]


async def scripted(*script):
    store = Scripted(*script)
    await store.inner.set("k", b"0123456789")
    return store


@pytest.mark.parametrize("part", [ByteRange(2, 5), ByteRange(-3), ByteRange(4), ByteRange(5, 100)])
@pytest.mark.parametrize(("change", "error"), [(shorter, Truncated), (longer, IntegrityError)])
@virtual
async def test_a_range_of_another_length_is_read_again(part, change, error):
    for read in (lambda store: store.get("k", part), lambda store: store.get_ranges("k", [part])):
        store = await scripted(spoil(change))
        with pytest.raises(error) as caught:
            await read(Checksum(store))
        assert (caught.value.store, caught.value.key) == ("memory://", "k")
        store = await scripted(spoil(change))
        await read(Retry(Checksum(store), policy=policy()))
        assert store.calls == ["get_ranges"] * 2


@virtual
async def test_the_right_bytes_pass():
    store = await scripted()
    ours = Checksum(store)
    assert await ours.get("k") == b"0123456789"
    assert await ours.get("k", ByteRange(5, 100)) == b"56789"
    assert await ours.get("k", ByteRange(20, 100)) == b""
    assert await ours.get("missing", ByteRange(1, 2)) is None
    assert await ours.get_ranges("missing", [ByteRange(1, 2)]) is None
    assert (await ours.get_ranges("k", [])).data == []
    assert store.calls == ["get", *["get_ranges"] * 5]


@virtual
async def test_a_part_too_few():
    async def one(send):
        answer = await send()
        return Parts(answer.data[:1], answer.version, answer.size)

    with pytest.raises(IntegrityError):
        await Checksum(await scripted(one)).get_ranges("k", [ByteRange(0, 1), ByteRange(1, 2)])


@virtual
async def test_a_checksum_is_written_and_verified():
    store = Scripted()
    ours = Checksum(store, crc32c=True)
    await ours.set("k", memoryview(b"0123456789"), metadata={"a": "b"})
    assert dict((await store.inner.head("k")).metadata) == {"a": "b", CRC32C: "280c069e"}
    assert await ours.get("k") == b"0123456789"
    assert store.calls == ["set", "get_ranges"]  # this store tells the metadata with the value
    store.script += [spoil(flipped)]
    with pytest.raises(IntegrityError, match="CRC-32C"):
        await ours.get("k")
    store.script += [spoil(flipped)]
    assert await Retry(ours, policy=policy()).get("k") == b"0123456789"
    assert store.calls[-2:] == ["get_ranges"] * 2
    assert await ours.get("missing") is None
    await store.inner.set("k", b"without")
    assert await ours.get("k") == b"without"


@pytest.mark.parametrize("part", [ByteRange(), ByteRange(0, 10), ByteRange(0, 11), ByteRange(-10), ByteRange(-20)])
@virtual
async def test_whatever_is_the_whole_value_is_verified(part):
    store = Scripted()
    ours = Checksum(store, crc32c=True)
    await ours.set("k", b"0123456789")
    for read in (ours.get("k", part), ours.get_ranges("k", [ByteRange(1, 2), part]), Cache(ours).get("k", part)):
        store.script += [spoil(flipped)]
        with pytest.raises(IntegrityError, match="CRC-32C"):
            await read
    assert await ours.get("k", part) == b"0123456789"
    store.script += [spoil(flipped)]
    assert await ours.get("k", ByteRange(0, 9)) == b"112345678"  # a part: nothing tells
    await ours.set("k", b"")
    await store.inner.set("k", b"", metadata={CRC32C: "280c069e"})  # all of it is gone
    with pytest.raises(IntegrityError):
        await ours.get("k", part)


async def test_chunks_that_an_array_reads_are_verified():
    inner = MemoryStore()
    spec = {"shape": (4,), "chunks": (4,), "dtype": "i4", "codecs": ["bytes"]}
    for layers in ({}, {"cache": True}):
        store = stack(inner, checksum={"crc32c": True}, policy=policy(), **layers)
        async with az.open_array(store, mode="w", **spec) as array:
            await array.write([1, 2, 3, 4])
            rotten = flipped(await inner.get("c/0"))
            await inner.set("c/0", rotten, metadata=(await inner.head("c/0")).metadata)
            with pytest.raises(IntegrityError, match="CRC-32C"):
                await array.read()


class Mute(MemoryStore):
    """Tells metadata only by ``head``."""

    async def get_ranges(self, key, ranges, *, if_version=None):
        parts = await super().get_ranges(key, ranges, if_version=if_version)
        return None if parts is None else Parts(parts.data, parts.version, parts.size)


@virtual
async def test_where_a_read_does_not_tell_it_a_head_does():
    store = Scripted(inner=Mute())
    ours = Checksum(store, crc32c=True)
    await ours.set("k", b"0123456789")
    assert await ours.get("k") == b"0123456789"
    assert store.calls == ["set", "get_ranges", "head"]
    await ours.get("k", ByteRange(0, 9))
    assert store.calls[3:] == ["get_ranges"]  # which nothing tells the checksum of
    store.script += [spoil(flipped)]
    with pytest.raises(IntegrityError):
        await ours.get("k")


@virtual
async def test_a_value_that_changes_meanwhile_is_read_again():
    store = Scripted(inner=Mute())
    ours = Checksum(store, crc32c=True)
    await ours.set("k", b"one")

    async def overwritten(send):
        await Checksum(store.inner, crc32c=True).set("k", b"two")
        return await send()

    store.script += [None, overwritten]
    assert await ours.get("k") == b"two"
    assert store.calls[1:] == ["get_ranges", "head"] * 2
    store.script += [None, overwritten] * 20
    with pytest.raises(Unavailable):
        await ours.get("k")
