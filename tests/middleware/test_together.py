"""Middleware for speed, put together and under the engine: bounds hold, answers are right, requests are counted."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import asynczarr as az
from asynczarr.errors import Throttled
from asynczarr.middleware import Cache, Coalesce, Hedge, Limit, Prefix, Throttle
from asynczarr.store import MemoryStore
from asynczarr.testing import Fault, FaultyStore, StoreContract
from tests.waiting import until

from .harness import Turns, others


class TestAll(StoreContract):
    @pytest.fixture(params=["right", "reverse"])
    async def store(self, request):
        layers = [
            lambda inner: Limit(inner, requests=4, max_bytes=10_000),
            Throttle,
            lambda inner: Hedge(inner, least=1, quantile=0.01, extra=1.0),
            lambda inner: Coalesce(inner, gap=8),
            lambda inner: Cache(inner, max_bytes=20_000),
            lambda inner: Prefix(inner, "a"),
        ]
        store = Turns(MemoryStore())
        for layer in layers if request.param == "right" else reversed(layers):
            store = layer(store)
        async with store:
            yield store
            assert others() == set()


async def _array(inner, name, **options):
    spec = {"shape": (64, 64), "chunks": (4, 64), "dtype": "int32"}
    async with az.open_array(Prefix(inner, name), mode="w", **spec) as array:
        await array[:].write(np.arange(64 * 64, dtype="int32").reshape(64, 64))


def _values():
    return np.arange(64 * 64, dtype="int32").reshape(64, 64)


@pytest.mark.every_loop
async def test_two_arrays_of_one_endpoint_share_a_limit_below_that_of_the_engine():
    shelf = MemoryStore()
    await _array(shelf, "one")
    await _array(shelf, "two")
    wire = Turns(shelf, 3)
    limited = [Limit(wire, requests=5) for _ in range(2)]
    arrays = [await az.open_array(Prefix(store, name)) for store, name in zip(limited, ("one", "two"), strict=True)]
    wire.calls.clear()
    wire.most = 0
    values = await asyncio.gather(*(array.read() for array in arrays))
    assert all(np.array_equal(value, _values()) for value in values)
    assert len(wire.calls) == 32  # a request a chunk
    assert wire.most == 5
    assert limited[0].in_flight == (0, 0)


async def test_a_stream_that_is_left_leaves_no_token():
    shelf = MemoryStore()
    await _array(shelf, "one")
    store = Throttle(Limit(Turns(shelf, 3), requests=3))
    array = await az.open_array(Prefix(store, "one"))
    async for _ in array.stream_chunks():
        break
    await until(lambda: not others())
    assert store.inner.in_flight == (0, 0)


async def test_reading_an_array_again_from_the_cache():
    shelf = MemoryStore()
    await _array(shelf, "one")
    wire = Turns(shelf)
    for ttl, again in ((0.0, {"head": 16}), (None, {})):
        array = await az.open_array(Prefix(Cache(wire, ttl=ttl), "one"))
        wire.calls.clear()
        assert np.array_equal(await array.read(), _values())
        first = [request.verb for request in wire.calls]
        assert first == ["get_ranges"] * 16
        wire.calls.clear()
        assert np.array_equal(await array.read(), _values())
        verbs = [request.verb for request in wire.calls]
        assert {verb: verbs.count(verb) for verb in verbs} == again


async def test_a_storm_under_the_engine_is_seen_once():
    shelf = MemoryStore()
    await _array(shelf, "one")
    wire = FaultyStore(shelf, [Fault("throttle", keys="one/c/*", times=None)])
    store = Throttle(Limit(Turns(wire), requests=4))
    array = await az.open_array(Prefix(store, "one"))
    with pytest.raises(Throttled):
        await array.read()
    # The engine begins nothing after the first error; who already waits at the limit may be let in before the
    # cancellation comes: one more round.
    assert 1 <= wire.injected["throttle"] <= 8
    assert store.rate is not None
