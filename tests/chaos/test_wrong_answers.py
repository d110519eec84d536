"""C8: bodies that break off, lengths and ranges that are wrong, a range ignored, a value replaced in the middle.

Never short or mixed data: a bare store raises, the default stack asks again, and the requests on the wire are counted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Drawn, Scripted, WireFault, seed
from asynczarr.types import ByteRange

from .stores import bare, stacked

DATA = bytes(range(256)) * 1000
OTHER = DATA[::-1]


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        server.bucket.put("k", DATA)
        yield server


BROKEN: dict[str, tuple[WireFault, tuple[type[az.StoreError], ...]]] = {
    "cut at once": (WireFault(cut=0), (az.Truncated,)),
    "cut in the middle": (WireFault(cut=100_000), (az.Truncated,)),
    "cut before the last byte": (WireFault(cut=len(DATA) - 1), (az.Truncated,)),
    "reset in the middle": (WireFault(reset="body"), (az.Truncated, az.ConnectionFailed)),
    "more promised than sent": (WireFault(length_error=5), (az.Truncated, az.IntegrityError)),
    "no answer": (WireFault(reset="after"), (az.ConnectionFailed,)),
    "refused by a 500": (WireFault(status=500), (az.Unavailable,)),
    "refused by a 503": (WireFault(status=503), (az.Throttled,)),
    "refused by a 429": (WireFault(status=429, retry_after=1), (az.Throttled,)),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_whole_value(server: FaultServer, name: str) -> None:
    fault, errors = BROKEN[name]
    server.faults = Scripted(fault)
    async with bare(server) as store:
        with pytest.raises(errors) as caught:
            await store.get("k")
        assert (caught.value.key, caught.value.store) == ("k", store.url)
        assert server.verbs() == ["GET"], "one attempt a call"
        assert bytes(await store.get("k")) == DATA
    server.forget()
    server.faults = Scripted(fault)
    async with stacked(server) as store:
        assert bytes(await store.get("k")) == DATA
        assert server.verbs()[:2] == ["GET", "GET"]
        # Of what was promised and is not there, the rest is asked for, refused, and the size looked up.
        assert server.verbs()[2:] in ([], ["HEAD"] if name == "more promised than sent" else [])


@pytest.mark.parametrize("name", BROKEN)
async def test_a_range(server: FaultServer, name: str) -> None:
    fault, errors = BROKEN[name]
    part = ByteRange(1000, 201_000)
    wanted = DATA[1000:201_000]
    if fault.cut is not None:
        fault = WireFault(cut=min(fault.cut, len(wanted) - 1))
    server.faults = Scripted(fault)
    async with bare(server) as store:
        with pytest.raises(errors):
            await store.get("k", part)
        assert server.verbs() == ["GET"]
    server.forget()
    server.faults = Scripted(None, fault)
    async with stacked(server) as store:
        parts = await store.get_ranges("k", [ByteRange(0, 10), part, ByteRange(-10)])
        assert parts is not None
        assert [bytes(data) for data in parts.data] == [DATA[:10], wanted, DATA[-10:]]
        assert 4 <= server.sent["GET"] <= 6
        assert parts.size == len(DATA)


@pytest.mark.parametrize(
    "fault", [WireFault(shift=7), WireFault(shift=-7), WireFault(length_error=-5)], ids=["behind", "before", "short"]
)
async def test_a_range_that_is_another_one(server: FaultServer, fault: WireFault) -> None:
    """206 with other bytes than asked for is an error, and asked again it is right."""
    part = ByteRange(1000, 2000)
    for read in ("get", "get_ranges"):
        server.forget()
        server.faults = Scripted(fault)
        async with bare(server) as store:
            with pytest.raises(az.StoreError):
                await (store.get("k", part) if read == "get" else store.get_ranges("k", [part]))
        server.faults = Scripted(fault)
        async with stacked(server) as store:
            if read == "get":
                assert bytes(await store.get("k", part)) == DATA[1000:2000]
            else:
                assert bytes((await store.get_ranges("k", [part])).data[0]) == DATA[1000:2000]
        assert server.verbs() == ["GET"] * 3


async def test_a_range_that_is_ignored(server: FaultServer) -> None:
    """200 with the whole value instead of 206: the range is cut out of it, or it is an error; never the wrong bytes."""
    server.faults = Scripted(WireFault(whole=True), always=True)
    async with bare(server) as store:
        for part in (ByteRange(1000, 2000), ByteRange(1000), ByteRange(-1000)):
            try:
                value = await store.get("k", part)
            except az.StoreError:
                continue
            assert bytes(value) == part.of(DATA)
        assert server.verbs() == ["GET"] * 3


@pytest.mark.parametrize("moment", [1, 2, 3])
async def test_a_value_replaced_between_its_ranges(server: FaultServer, moment: int) -> None:
    """All ranges are of the old value or all are of the new one."""
    replaced = WireFault(before=lambda: server.bucket.put("k", OTHER))
    server.faults = Scripted(*[None] * (moment - 1), replaced)
    ranges = [ByteRange(0, 100), ByteRange(50_000, 50_100), ByteRange(-100)]
    async with stacked(server) as store:
        parts = await store.get_ranges("k", ranges)
        assert parts is not None
        version = next(v for v in (DATA, OTHER) if parts.data[0] == v[:100])
        assert [bytes(data) for data in parts.data] == [bytes(part.of(version)) for part in ranges]
        old = await store.head("k")
        server.bucket.put("k", DATA)
        server.forget()
        with pytest.raises(az.PreconditionFailed):
            await store.get_ranges("k", ranges, if_version=old.version)
        assert server.sent["GET"] <= 3
        assert all("if-match" in request.headers for request in server.requests)


async def test_a_value_replaced_while_its_body_is_resumed(server: FaultServer) -> None:
    """What was read before the break is of the old value: it is thrown away, not joined with the new one."""
    replaced = WireFault(before=lambda: server.bucket.put("k", OTHER))
    server.faults = Scripted(WireFault(cut=100_000), replaced)
    async with stacked(server) as store:
        assert bytes(await store.get("k")) == OTHER
        assert 2 <= server.sent["GET"] <= 3


async def test_a_listing_that_breaks_off(server: FaultServer) -> None:
    """2 500 keys on three pages, the second broken twice: all of them, each once."""
    for number in range(2500):
        server.bucket.put(f"many/{number:04}", b"")
    for fault in (WireFault(cut=500), WireFault(reset="after"), WireFault(status=503)):
        server.forget()
        server.faults = Scripted(None, fault, fault)
        async with stacked(server) as store:
            keys = [key async for key in store.list("many/")]
            assert sorted(keys) == [f"many/{number:04}" for number in range(2500)]
        assert server.sent["GET"] <= 7
    server.faults = Scripted(None, WireFault(cut=500))
    async with bare(server) as store:
        with pytest.raises(az.StoreError):
            [key async for key in store.list("many/")]


MIX = {
    WireFault(cut=70): 0.05,
    WireFault(reset="body"): 0.05,
    WireFault(reset="before"): 0.05,
    WireFault(reset="after"): 0.05,
    WireFault(status=500): 0.05,
    WireFault(status=503): 0.02,
    WireFault(status=500, committed=True): 0.05,
    WireFault(length_error=9): 0.03,
    WireFault(duplicate=0.0): 0.05,
}


async def _create(store: az.Store, path: str, data: Any) -> int:
    spec = {"shape": data.shape, "dtype": data.dtype, "chunks": (4, 8), "shards": (16, 16)}
    await az.open_array(store, path, mode="a", **spec)
    return 0


async def _write(store: az.Store, path: str, data: Any) -> int:
    array = await az.open_array(store, path, mode="r+")
    await array.write(data)
    return 0


async def _change(store: az.Store, path: str, data: Any) -> int:
    array = await az.open_array(store, path, mode="r+")
    data[5:50, 3:40] = 7
    await array[5:50, 3:40].write(7)
    return 0


async def _read(store: az.Store, path: str, data: Any) -> int:
    """How many values are wrong."""
    array = await az.open_array(store, path)
    return int((await array.read() != data).sum())


async def _stream(store: az.Store, path: str, data: Any) -> int:
    """The same, chunk by chunk."""
    array = await az.open_array(store, path)
    wrong = 0
    async for chunk in array.stream_chunks():
        row, column = 4 * chunk.index[0], 8 * chunk.index[1]
        wrong += int((chunk.data != data[row : row + 4, column : column + 8]).sum())
    return wrong


async def test_an_array_under_everything(server: FaultServer, scale: Any, figure: Any) -> None:
    """Written, changed in part, streamed and read while 40 % of the requests go wrong: equal to NumPy."""
    faults = requests = wrong = errors = 0
    arrays = scale(1, 300, 3000)
    for number in range(arrays):
        server.faults = Drawn(MIX, seed=seed() + number, at_most=3)
        async with stacked(server) as store:
            data = np.random.default_rng(number).integers(0, 1000, (64, 64))
            for step in (_create, _write, _change, _read, _stream):
                done = False
                while not done:
                    try:
                        wrong += await step(store, f"a{number}", data)
                        done = True
                    except az.IntegrityError:  # read once more, and wrong again
                        errors += 1
        faults += sum(server.faults.met.values())
        requests += len(server.requests)
        server.forget()
    assert wrong == 0
    assert faults > 5
    assert requests > faults
    assert errors <= 2 + arrays / 5
    figure(
        "Arrays of 64 x 64 written, changed and read under faults",
        "S3 on the scripted server",
        arrays=arrays,
        requests=requests,
        faults=faults,
        **{"other errors": errors, "wrong values": wrong},
    )
