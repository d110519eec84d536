"""C9: a bit turned anywhere. No silent wrong value where a checksum is, no hang, no memory without bound."""

from __future__ import annotations

import math
import random
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.testing import Fault, FaultyStore
from asynczarr.testing.wire_faults import seed

SHAPE = (12, 12)
DATA = np.arange(144, dtype="u2").reshape(SHAPE)
MEMORY = 4 << 20
"""What reading 288 bytes may allocate at once, with everything around it."""

REQUESTS = 2 * (3 + 4 * 2)
"""What reading may send: three documents, four chunks or shards of two requests each, all of it twice."""

LAYOUTS: dict[str, dict[str, Any]] = {
    "crc32c last": {"chunks": (6, 6), "codecs": ["bytes", "crc32c"]},
    "crc32c over zstd": {"chunks": (6, 6), "codecs": ["bytes", "zstd", "crc32c"]},
    "crc32c under gzip": {"chunks": (6, 6), "codecs": ["bytes", "crc32c", "gzip"]},
    "shards": {"chunks": (3, 3), "shards": (6, 6), "codecs": ["bytes", "zstd", "crc32c"]},
    "blosc, no checksum": {"chunks": (6, 6), "codecs": ["bytes", "blosc"]},
    "shards, checksum of the index only": {"chunks": (3, 3), "shards": (6, 6), "codecs": ["bytes"]},
}
CHECKED = [name for name in LAYOUTS if "only" not in name and "no checksum" not in name]


@pytest.fixture(params=LAYOUTS)
async def stored(request: pytest.FixtureRequest) -> tuple[str, az.MemoryStore]:
    store = az.MemoryStore()
    array = await az.create_array(store, shape=SHAPE, dtype="u2", **LAYOUTS[request.param])
    await array.write(DATA)
    return request.param, store


async def _flips(store: az.MemoryStore, key: str, ends: int, count: int) -> list[tuple[bytes, int]]:
    """Copies of a value with one bit turned: all bits of that many bytes at either end, others by chance."""
    value = bytes(await store.get(key))
    outer = {bit for bit in range(8 * len(value)) if bit < 8 * ends or bit >= 8 * (len(value) - ends)}
    bits = outer | set(random.Random(f"{seed()} {key}").choices(range(8 * len(value)), k=count))
    flipped = []
    for bit in sorted(bits):
        wrong = bytearray(value)
        wrong[bit // 8] ^= 1 << bit % 8
        flipped.append((bytes(wrong), bit))
    return flipped


async def _read(store: az.MemoryStore, most: float = REQUESTS) -> np.ndarray[Any, Any] | az.AsyncZarrError:
    """What reading gives, or the error; nothing else is raised, and not much time, memory and requests are used."""
    counted = FaultyStore(store)
    begin = time.process_time()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        result: Any = await (await az.open_array(counted)).read()
    except az.AsyncZarrError as error:
        result = error
    assert 0 < sum(counted.calls.values()) <= most
    assert tracemalloc.get_traced_memory()[1] - before < MEMORY
    assert time.process_time() - begin < 5
    return result


async def test_in_a_chunk_or_shard(stored: tuple[str, az.MemoryStore], scale: Any, figure: Any) -> None:
    layout, store = stored
    caught = harmless = silent = 0
    tracemalloc.start()
    try:
        for key in ("c/0/0", "c/1/1"):
            value = bytes(await store.get(key))
            for wrong, bit in await _flips(store, key, scale(4, 24, 24), scale(60, 5000, 50_000)):
                await store.set(key, wrong)
                result = await _read(store)
                if isinstance(result, az.AsyncZarrError):
                    caught += 1
                    assert isinstance(result, az.CodecError | az.IntegrityError), (bit, result)
                    assert result.key == key
                elif (result == DATA).all():
                    harmless += 1
                else:
                    silent += 1
                    assert layout not in CHECKED, f"bit {bit} of {key} read as a wrong value"
            await store.set(key, value)
    finally:
        tracemalloc.stop()
    assert caught
    figure(
        "One bit turned in what is stored",
        layout,
        flips=caught + harmless + silent,
        caught=caught,
        **{"without effect": harmless, "read as wrong values": silent},
    )


async def test_in_a_metadata_document(stored: tuple[str, az.MemoryStore], scale: Any) -> None:
    """It has no checksum: what is still a document may be believed, and everything else is one typed error."""
    _, store = stored
    refused = 0
    tracemalloc.start()
    try:
        for wrong, _ in await _flips(store, "zarr.json", scale(4, 24, 24), scale(150, 5000, 50_000)):
            await store.set("zarr.json", wrong)
            result = await _read(store, math.inf)  # of another shape
            refused += isinstance(result, az.AsyncZarrError)
    finally:
        tracemalloc.stop()
    assert refused > 50


async def test_in_what_arrives_and_not_in_what_is_stored() -> None:
    """The bytes on their way, not those that are stored: each chunk is asked for once more, and is then right."""
    store = FaultyStore(az.MemoryStore(), [Fault("flip", keys="c/*", times=3)], seed=seed())
    array = await az.create_array(store, shape=SHAPE, dtype="u2", **LAYOUTS["crc32c last"])
    await array.write(DATA)
    before = sum(store.calls.values())
    errors: list[az.CodecError] = []
    while store.injected["flip"] < 3 or not errors:
        try:
            assert (await array.read() == DATA).all()
            break
        except az.CodecError as error:  # one chunk was hit twice
            errors.append(error)
    assert store.injected["flip"] == 3
    assert errors or sum(store.calls.values()) - before == 4 + 3
    assert all(error.key is not None and error.key.startswith("c/") for error in errors)
    assert (await array.read() == DATA).all()
