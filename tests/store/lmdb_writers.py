"""Writers that the tests of LMDB start in other processes, to be killed or to compete."""

from __future__ import annotations

import itertools
from contextlib import suppress

from asynczarr.errors import PreconditionFailed
from asynczarr.store import LMDBStore
from asynczarr.types import ByteRange

KEYS = ("zarr.json", "a/c/0", "a/c/1")
SIZE = 200_000


def overwrite(ready, path: str, generation: int) -> None:
    """Write all keys again and again, each value of one letter."""
    store = LMDBStore(path, durability="none", map_size=1 << 20)
    ready.set()
    for number in itertools.count(generation):
        for key in KEYS:
            store.set_sync(key, bytes([65 + number % 26]) * SIZE)


def count_up(ready, path: str, times: int) -> None:
    """Add 1 to the key ``counter`` by compare-and-swap."""
    store = LMDBStore(path, durability="none")
    ready.set()
    for _ in range(times):
        done = False
        while not done:
            parts = store.get_ranges_sync("counter", [ByteRange()])
            assert parts is not None
            with suppress(PreconditionFailed):
                store.set_sync("counter", b"%d" % (int(bytes(parts.data[0])) + 1), if_version=parts.version)
                done = True


def create_keys(ready, path: str, name: str, count: int) -> None:
    """Try to create every key, and note the winner in it."""
    store = LMDBStore(path, durability="none")
    ready.set()
    for number in range(count):
        with suppress(FileExistsError):
            store.set_sync(f"c/{number}", name.encode(), create=True)
            store.set_sync(f"won/{name}/{number}", b"")


def fill(ready, path: str, size: int) -> None:
    """Write one value that makes the map grow."""
    ready.set()
    LMDBStore(path, durability="none", map_size=1 << 16).set_sync("filled", bytes(size))
