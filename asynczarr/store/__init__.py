"""Stores: bytes in and out, one attempt a call, no policy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base import Capabilities, Store, StoreBase, SyncStore
from .keys import validate_key, validate_prefix
from .memory import MemoryStore
from .url import open_store, register_scheme

if TYPE_CHECKING:
    from .filesystem import FilesystemStore
    from .lmdb import LMDBStore
    from .mongodb import MongoStore
    from .redis import RedisStore
    from .zip import ZipStore

__all__ = [
    "Capabilities",
    "FilesystemStore",
    "LMDBStore",
    "MemoryStore",
    "MongoStore",
    "RedisStore",
    "Store",
    "StoreBase",
    "SyncStore",
    "ZipStore",
    "open_store",
    "register_scheme",
    "validate_key",
    "validate_prefix",
]

# Loaded when first used: zipfile alone costs as much as the rest of this package, and fcntl is not everywhere.
_LATER = {
    "FilesystemStore": ".filesystem",
    "LMDBStore": ".lmdb",
    "MongoStore": ".mongodb",
    "RedisStore": ".redis",
    "ZipStore": ".zip",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(_LATER[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
