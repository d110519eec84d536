"""C4: one fault, one verb: the outcome, and which requests are on the wire in which order.

The faults are those of the retry conformance tests of the object stores: refusals, resets, broken streams, stalls and
corrupted data; and what goes wrong beyond them: wrong ranges and lengths, duplicates, answers that are late or lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import asynczarr as az
from asynczarr.store.base import Store
from asynczarr.testing.fault_server import FaultServer
from asynczarr.testing.wire_faults import Scripted, WireFault
from asynczarr.types import ByteRange, Version

from .stores import bare, wrapped
from .virtual_time import flying

pytestmark = pytest.mark.virtual_time

OLD, NEW = bytes(range(100)), b"new"


async def _value(store: Store) -> bool:
    return bytes(await store.get("k") or b"") == OLD


async def _range(store: Store) -> bool:
    return bytes(await store.get("k", ByteRange(10, 90)) or b"") == OLD[10:90]


async def _head(store: Store) -> bool:
    info = await store.head("k")
    return info is not None and info.size == len(OLD)


async def _list(store: Store) -> bool:
    return [key async for key in store.list()] == ["k"]


READS: dict[str, Callable[[Store], Awaitable[bool]]] = {
    "get": _value,
    "get a range": _range,
    "head": _head,
    "list": _list,
}
WRITES: dict[str, Callable[[Store, Version], Awaitable[Any]]] = {
    "set": lambda store, _: store.set("k", NEW),
    "create": lambda store, _: store.set("new", NEW, create=True),
    "swap": lambda store, version: store.set("k", NEW, if_version=version),
    "delete": lambda store, _: store.delete("k"),
    "delete if": lambda store, version: store.delete("k", if_version=version),
}
LEFT = {"set": {"k": NEW}, "create": {"k": OLD, "new": NEW}, "swap": {"k": NEW}, "delete": {}, "delete if": {}}
"""What is stored after each write, whatever has happened to it."""

SENT = {"get": "GET", "get a range": "GET", "head": "HEAD", "list": "GET"}
SENT |= {"set": "PUT", "create": "PUT", "swap": "PUT", "delete": "DELETE", "delete if": "DELETE"}

# What is on the wire, by verb, where V is the request of the verb.
AGAIN = dict.fromkeys(SENT, "V V")
CONDITIONAL = ("create", "swap", "delete if")
NOT_DONE = AGAIN | dict.fromkeys(CONDITIONAL, "V HEAD V")
"""A conditional write that failed is looked up before it is sent again."""
DONE = AGAIN | dict.fromkeys(CONDITIONAL, "V HEAD")
"""The answer is lost: the look-up proves that it has happened."""
IN_THE_BODY = {"get": "V V", "get a range": "V V", "list": "V V"}
OF_A_RANGE = {"get a range": "V V"}
PROMISED = {"get": "V V HEAD", "get a range": "V V", "list": "V V", "set": "V V", "create": "V HEAD", "swap": "V HEAD"}
"""Of a value that is shorter than promised the rest is asked for, refused, and the size looked up."""

TABLE: dict[str, tuple[WireFault, dict[str, str]]] = {
    "refused by 503": (WireFault(status=503), AGAIN),
    "refused by 429": (WireFault(status=429, retry_after=1), AGAIN),
    "refused by 500": (WireFault(status=500), NOT_DONE),
    "refused by 502": (WireFault(status=502), NOT_DONE),
    "refused by 504": (WireFault(status=504), NOT_DONE),
    "reset before": (WireFault(reset="before"), NOT_DONE),
    "silent before": (WireFault(silent="before"), NOT_DONE),
    "done late": (WireFault(delay=40), NOT_DONE),
    "done, and 500": (WireFault(status=500, committed=True), DONE),
    "reset after": (WireFault(reset="after"), DONE),
    "silent after": (WireFault(silent="after"), DONE),
    "answered late": (WireFault(late=40), DONE),
    "reset in the body": (WireFault(reset="body"), IN_THE_BODY),
    "body cut": (WireFault(cut=3), IN_THE_BODY),
    "a drip": (WireFault(bandwidth=1), IN_THE_BODY),
    "more promised": (WireFault(length_error=5), PROMISED),
    "another range": (WireFault(shift=7), OF_A_RANGE),
    "200 for 206": (WireFault(whole=True), OF_A_RANGE),
    "done twice": (WireFault(duplicate=0.0), {}),
}
"""Each fault, and the verbs that need more than their one request."""

UNSEEN = {("more promised", "head")}
"""A wrong length in an answer without a body is the length, for all that anybody can tell."""


@pytest.mark.parametrize("name", TABLE)
async def test_requests_of_one_fault(name: str) -> None:
    for verb in SENT:
        await _one_fault(name, verb)


async def _one_fault(name: str, verb: str) -> None:
    fault, wire = TABLE[name]
    async with FaultServer() as server, wrapped(bare(server, conditional_delete=True)) as store:
        version = await store.set("k", OLD)
        await store.get("k")  # connected, and an answer was seen to begin
        server.forget()
        server.faults = Scripted(fault)
        with flying():
            if verb in READS:
                assert await READS[verb](store) or (name, verb) in UNSEEN
            elif verb == "delete if" and wire is DONE:
                with pytest.raises(az.OutcomeUnknown, match="replaced"):  # nothing is left that tells whose work it was
                    await WRITES[verb](store, version)
            else:
                await WRITES[verb](store, version)
            assert " ".join(server.verbs()) == wire.get(verb, "V").replace("V", SENT[verb]), verb
            await asyncio.sleep(60)  # until what is late has happened
        assert {key: value.data for key, value in server.bucket.objects.items()} == LEFT.get(verb, {"k": OLD}), verb


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_requests_of_a_refusal_for_good(status: int) -> None:
    """Not tried again: one request, one typed error with store and key, nothing changed."""
    async with FaultServer() as server, wrapped(bare(server, conditional_delete=True)) as store:
        version = await store.set("k", OLD)
        server.faults = Scripted(WireFault(status=status), always=True)
        for verb in SENT:
            server.forget()
            with pytest.raises(az.StoreError) as caught:
                await (READS[verb](store) if verb in READS else WRITES[verb](store, version))
            assert caught.value.store == store.url
            assert server.verbs() == [SENT[verb]], verb
        assert {key: value.data for key, value in server.bucket.objects.items()} == {"k": OLD}
