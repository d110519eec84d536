"""Writers that the tests of LMDB start in other processes, to be killed or to compete."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from asynczarr.store import LMDBStore

sys.path.insert(0, str(Path(__file__).parent))
from crash_writers import KEYS, SIZE, add, create


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
    add(store, times)


def create_keys(ready, path: str, name: str, count: int) -> None:
    """Try to create every key, and note the winner in it."""
    store = LMDBStore(path, durability="none")
    ready.set()
    create(store, name, count)


def fill(ready, path: str, size: int) -> None:
    """Write one value that makes the map grow."""
    ready.set()
    LMDBStore(path, durability="none", map_size=1 << 16).set_sync("filled", bytes(size))
