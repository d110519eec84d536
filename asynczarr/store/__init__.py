"""Stores: bytes in and out, one attempt a call, no policy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base import Capabilities, Store, StoreBase, SyncStore
from .keys import validate_key, validate_prefix
from .memory import MemoryStore
from .url import open_store, register_scheme

if TYPE_CHECKING:
    from .azure import AzureStore
    from .filesystem import FilesystemStore
    from .gcs import GCSStore
    from .http import HTTPStore
    from .kerchunk import ReferenceStore
    from .lmdb import LMDBStore
    from .mongodb import MongoStore
    from .obstore import ObstoreStore
    from .redis import RedisStore
    from .s3 import S3Store
    from .zarr_python import ZarrPythonStore
    from .zip import ZipStore

__all__ = [
    "AzureStore",
    "Capabilities",
    "FilesystemStore",
    "GCSStore",
    "HTTPStore",
    "LMDBStore",
    "MemoryStore",
    "MongoStore",
    "ObstoreStore",
    "RedisStore",
    "ReferenceStore",
    "S3Store",
    "Store",
    "StoreBase",
    "SyncStore",
    "ZarrPythonStore",
    "ZipStore",
    "open_store",
    "register_scheme",
    "validate_key",
    "validate_prefix",
]

# Loaded when first used: zipfile alone costs as much as the rest of this package, and fcntl is not everywhere.
_LATER = {
    "AzureStore": ".azure",
    "FilesystemStore": ".filesystem",
    "GCSStore": ".gcs",
    "HTTPStore": ".http",
    "LMDBStore": ".lmdb",
    "MongoStore": ".mongodb",
    "ObstoreStore": ".obstore",
    "RedisStore": ".redis",
    "ReferenceStore": ".kerchunk",
    "S3Store": ".s3",
    "ZarrPythonStore": ".zarr_python",
    "ZipStore": ".zip",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(_LATER[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
