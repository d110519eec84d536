"""The default stack: what is in it, in which order, around which stores, and that it works as a whole."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np
import pytest

import asynczarr as az
from asynczarr.errors import ConnectionFailed, Throttled, Truncated, Unavailable, Unsupported
from asynczarr.middleware import (
    AttemptDeadline,
    Checksum,
    Deadline,
    Idempotency,
    Limit,
    Resume,
    Retry,
    RetryBudget,
    RetryPolicy,
    Telemetry,
    Throttle,
    Wrapper,
)
from asynczarr.middleware.default import ORDER
from asynczarr.store import MemoryStore
from asynczarr.testing import Fault, FaultyStore, StoreContract
from asynczarr.types import ByteRange

from .kit import Scripted, lost, policy, spoil, twice, virtual

DEFAULT = [Telemetry, Deadline, Idempotency, Retry, Throttle, Limit, AttemptDeadline, Checksum, Resume]


def layers(store):
    """Classes of the layers, the outermost first, and the store below."""
    found = []
    while isinstance(store, Wrapper) and not isinstance(store, Remote):
        found.append(type(store))
        store = store.inner
    return found, store


class Remote(Scripted):
    """A store behind a network: it has no blocking half."""

    url = "faraway://host/data"


@pytest.fixture
def faraway(monkeypatch, tmp_path):
    opened = []

    def make(url, /, *, mode=None, script=()):
        opened.append(Remote(*script, inner=MemoryStore(str(tmp_path))))
        return opened[-1]

    from asynczarr.store import url

    monkeypatch.setitem(url._registered, "faraway", make)
    return opened


def test_the_order():
    store = MemoryStore()
    assert layers(az.stack(store)) == (DEFAULT, store)
    assert [name for name, _, default in ORDER if default] == [
        *("telemetry", "deadline", "idempotency", "retry", "throttle", "limit"),
        *("attempt_deadline", "checksum", "resume"),
    ]


def test_all_layers_at_once():
    every = dict.fromkeys((name for name, _, _ in ORDER), True) | {"prefix": {"prefix": "a"}}
    assert [kind.__name__ for kind in layers(az.stack(MemoryStore(), **every))[0]] == [cls for _, cls, _ in ORDER]


def test_layers_can_be_left_out_changed_and_replaced():
    class Mine(Wrapper):
        pass

    store = MemoryStore()
    without = az.stack(store, checksum=False, resume=None)
    assert layers(without) == (DEFAULT[:7], store)
    assert layers(az.stack(store, retry=Mine, checksum=True, deadline={}))[0] == [
        *(Telemetry, Deadline, Idempotency, Mine, Throttle, Limit, AttemptDeadline, Checksum, Resume)
    ]
    assert layers(az.stack(store, **dict.fromkeys((name for name, _, _ in ORDER), False))) == ([], store)
    with pytest.raises(TypeError, match=r"no such layer: retries \(known: .*retry"):
        az.stack(store, retries=True)
    with pytest.raises(TypeError):
        az.stack(store, retry={"no_such_argument": 1})


@virtual
async def test_a_policy_is_for_all_layers_that_try_again():
    store = Scripted(*(Unavailable("no") for _ in range(9)))
    chosen = policy(attempts=2)
    with pytest.raises(Unavailable):
        await az.stack(store, policy=chosen).get("k")
    assert store.calls == ["get"] * 2
    store.calls.clear()
    with pytest.raises(Unavailable):
        await az.stack(store, policy=chosen, retry={"policy": policy(attempts=3)}).get("k")
    assert store.calls == ["get"] * 3


def test_what_is_opened_bare_and_what_is_not(faraway, tmp_path):
    for where in ("memory://", tmp_path / "folder", f"zip://{tmp_path}/file.zip"):
        assert not isinstance(az.open_store(where), Wrapper)
    opened = az.open_store("faraway://host/data")
    assert layers(opened) == (DEFAULT, faraway[0])
    assert opened.url == "faraway://host/data"
    assert az.open_store("faraway://host/data", stack=None) is faraway[1]
    assert layers(az.open_store("faraway://host/data", stack={"resume": False})) == (DEFAULT[:-1], faraway[2])
    assert layers(az.open_store("memory://", stack={}))[0] == DEFAULT
    assert layers(az.open_store("memory://", stack=Retry))[0] == [Retry]


def test_an_open_store_stays_as_it_is():
    for store in (MemoryStore(), Remote()):
        assert az.open_store(store) is store
        assert az.open_store(store, stack=None) is store
        with pytest.raises(Unsupported, match=r"asynczarr\.stack"):
            az.open_store(store, stack={})


@pytest.mark.every_loop
async def test_arrays_are_opened_through_it(faraway):
    values = np.arange(12).reshape(3, 4)
    quick = RetryPolicy(transient=0.0, throttle=0.0)
    options = {"script": [lost(ConnectionFailed("no"))], "stack": {"policy": quick}}
    async with az.create_array(
        "faraway://host/data", shape=(3, 4), dtype="i8", chunks=(2, 2), store_options=options
    ) as array:
        assert layers(array.store)[0] == DEFAULT
        await array.write(values)
    fails = {"script": [Unavailable("1"), Throttled("2"), Truncated("3")], "stack": {"policy": quick}}
    async with az.open_array("faraway://host/data", store_options=fails) as array:
        np.testing.assert_array_equal(await array.read(), values)
    bare = {"script": [Unavailable("1")], "stack": None}
    with pytest.raises(Unavailable):
        await az.open_array("faraway://host/data", store_options=bare)
    assert len(faraway) == 3


@virtual
async def test_a_conditional_write_through_all_layers():
    """An answer that is lost, a request that is lost, a throttled one, one sent twice: one write, and its version."""

    async def silence(send):
        await asyncio.get_running_loop().create_future()

    store = Scripted(silence, None, ConnectionFailed("no"), Unavailable("head"), None, Throttled("slow"), twice())
    version = await az.stack(store, policy=policy()).set("k", b"v", create=True)
    assert store.calls == ["set", "head", "set", "head", "head", "set", "set", "head"]
    assert version == (await store.inner.head("k")).version


@virtual
async def test_a_read_through_all_layers():
    store = Scripted(Unavailable("1"), spoil(lambda data: data[:-1]), Throttled("3", retry_after=2), None)
    await store.inner.set("k", b"0123456789")
    assert await az.stack(store, policy=policy()).get("k", ByteRange(2, 5)) == b"234"
    assert store.calls == ["get_ranges"] * 4


@virtual
async def test_errors_carry_what_it_took():
    store = Scripted(*(ConnectionFailed("no") for _ in range(99)))
    with pytest.raises(ConnectionFailed) as caught:
        await az.stack(store, policy=policy()).get("k")
    assert caught.value.attempts == len(store.calls) == 6
    assert caught.value.elapsed == pytest.approx(0.5 * 0.05 * (1 + 2 + 4 + 8 + 16))


def test_it_works_in_two_loops():
    store = Scripted(Unavailable("1"), Unavailable("2"), Unavailable("3"))
    quick = RetryPolicy(transient=0.0, budget=RetryBudget())
    ours = az.stack(store, policy=quick)
    assert asyncio.run(ours.set("k", b"v", create=True)) is not None
    assert asyncio.run(ours.get("k")) == b"v"
    assert store.calls == ["set", "head", "head", "head", "set", "get"]


def test_embedded_stores_pay_nothing():
    code = "import asynczarr as az, sys; az.open_store('memory://'); print('tenacity' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.every_loop
class TestStacked(StoreContract):
    @pytest.fixture
    async def store(self):
        async with az.stack(MemoryStore()) as store:
            yield store


class TestStackedWithChecksums(StoreContract):
    @pytest.fixture
    async def store(self):
        async with az.stack(MemoryStore(), checksum={"crc32c": True}) as store:
            yield store

    async def test_user_metadata(self, store):
        await store.set("k", b"y", metadata={"writer": "7"})
        info = await store.head("k")
        assert info.metadata["writer"] == "7"


class TestStackedOverFaults(StoreContract):
    """Every promise holds while a fifth of all requests goes wrong.

    A conditional delete without an answer is the one call whose outcome nobody can know: its answers arrive here.
    """

    @pytest.fixture
    async def store(self):
        answered = ("get", "get_ranges", "head", "set", "delete_many", "list", "list_dir")
        faulty = FaultyStore(
            MemoryStore(),
            [
                Fault("before", probability=0.06, times=None),
                Fault("after", verbs=answered, probability=0.06, times=None),
                Fault("cut", probability=0.03, times=None),
                Fault("truncate", probability=0.03, times=None),
                Fault("duplicate", verbs=("set",), probability=0.03, times=None),
            ],
            seed=21,
        )
        quick = RetryPolicy(attempts=12, transient=0.0, budget=RetryBudget(10**9))
        async with az.stack(faulty, policy=quick, checksum={"crc32c": True}) as store:
            yield store
        assert sum(faulty.injected.values()) > 0.1 * sum(faulty.calls.values()) or sum(faulty.calls.values()) < 60

    test_user_metadata = TestStackedWithChecksums.test_user_metadata
