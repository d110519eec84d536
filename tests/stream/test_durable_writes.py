"""A store that waits for its device: many writes wait at once, however few threads there are for the CPU's work."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynczarr as az
from asynczarr.codec.chain import CodecChain
from asynczarr.stream.write import DURABLE_WRITES
from asynczarr.types import BytesLike

from .support import nothing_left

CHUNKS, LENGTH = 4 * DURABLE_WRITES, 256
VALUES = np.arange(CHUNKS * LENGTH, dtype="i4")


class Device(az.FilesystemStore):
    """Writes of chunks wait for each other: each until as many are under way as there should be."""

    def __init__(self, root: Path, at_once: int) -> None:
        super().__init__(root, durability="data")
        self.together = threading.Barrier(at_once)
        self.calls: list[str] = []

    def _wait(self, key: str) -> None:
        if not key.endswith("zarr.json"):
            self.together.wait(60)

    def set_sync(self, key: str, value: BytesLike, **condition: Any) -> Any:
        self.calls.append("set")
        self._wait(key)
        return super().set_sync(key, value, **condition)

    def set_many_sync(self, items: Sequence[tuple[str, BytesLike]]) -> None:
        self.calls.append("set_many")
        self._wait(items[0][0])
        super().set_many_sync(items)


async def created(store: az.FilesystemStore, **spec: Any) -> az.Array:
    return await az.create_array(store, shape=CHUNKS * LENGTH, dtype="i4", **{"chunks": LENGTH, **spec})


async def write_grouped(array: az.Array) -> np.ndarray[Any, Any]:
    await array.write(VALUES, max_bytes=(DURABLE_WRITES + 1) * 4 * LENGTH * 4)  # a chunk costs twice its bytes
    return VALUES


async def write_singly(array: az.Array) -> np.ndarray[Any, Any]:
    await array.write(VALUES, max_bytes=(DURABLE_WRITES + 1) * 2 * LENGTH * 4)
    return VALUES


async def write_items(array: az.Array) -> np.ndarray[Any, Any]:
    await array.write_stream([(n, VALUES[n * LENGTH : (n + 1) * LENGTH]) for n in range(CHUNKS)])
    return VALUES


@pytest.mark.every_loop
@pytest.mark.parametrize("how", [write_grouped, write_singly, write_items])
async def test_as_many_wait_as_there_should_be(tmp_path: Path, one_thread: None, how: Any) -> None:
    store = Device(tmp_path, DURABLE_WRITES)
    array = await created(store)
    store.calls.clear()
    async with nothing_left():
        expected = await how(array)
    np.testing.assert_array_equal(await array.read(), expected)
    assert store.calls == (["set_many"] * (CHUNKS // 2) if how is write_grouped else ["set"] * CHUNKS)


@pytest.mark.parametrize("how", [write_grouped, write_singly, write_items])
async def test_encoding_waits_for_a_thread_of_the_pool(
    tmp_path: Path, one_thread: None, how: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = threading.Lock()
    encode = CodecChain.encode

    def alone(self: CodecChain, *args: Any, **kwargs: Any) -> BytesLike:
        assert at_work.acquire(blocking=False), "two threads encode at the same time"
        try:
            return encode(self, *args, **kwargs)
        finally:
            at_work.release()

    monkeypatch.setattr(CodecChain, "encode", alone)
    array = await created(
        az.FilesystemStore(tmp_path), codecs=["bytes", {"name": "gzip", "configuration": {"level": 9}}]
    )
    expected = await how(array)
    np.testing.assert_array_equal(await array.read(), expected)


@pytest.mark.parametrize("durability", ["full", "data", "none"])
async def test_who_asks_for_less_gets_less(tmp_path: Path, durability: Any) -> None:
    at_once, most = 0, 0
    lock = threading.Lock()

    class Counting(az.FilesystemStore):
        def set_sync(self, key: str, value: BytesLike, **condition: Any) -> Any:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            try:
                return super().set_sync(key, value, **condition)
            finally:
                with lock:
                    at_once -= 1

    store = Counting(tmp_path, durability=durability)
    assert store.capabilities.durable == (durability != "none")
    array = await created(store)
    await array.write(VALUES, concurrency=1, max_bytes=4 * LENGTH * 4)
    assert most == 1
    np.testing.assert_array_equal(await array.read(), VALUES)


@pytest.mark.parametrize("how", [write_grouped, write_singly, write_items])
async def test_what_is_cancelled_is_over(tmp_path: Path, how: Any) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Telling(az.FilesystemStore):
        over = 0
        go_on = threading.Event()

        def _write(self, write: Any, *args: Any, **condition: Any) -> Any:
            loop.call_soon_threadsafe(begun.set)
            try:
                self.go_on.wait(60)
                return write(*args, **condition)
            finally:
                self.over += 1

        def set_sync(self, *args: Any, **condition: Any) -> Any:
            return self._write(super().set_sync, *args, **condition)

        def set_many_sync(self, *args: Any) -> None:
            self._write(super().set_many_sync, *args)

    store = Telling(tmp_path)
    store.go_on.set()
    array = await created(store)
    begun.clear()
    store.go_on.clear()
    async with nothing_left():
        task = asyncio.create_task(how(array))
        await begun.wait()
        task.cancel()
        store.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        over = store.over
        await asyncio.sleep(0.05)
        assert store.over == over, "a write ended after its caller had left"
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name.startswith(".")]
    for n, chunk in enumerate((await array.read()).reshape(CHUNKS, LENGTH)):
        assert (chunk == VALUES[n * LENGTH : (n + 1) * LENGTH]).all() or not chunk.any()
