"""asyncio-first streaming I/O for Zarr arrays.

::

    import asynczarr as az

    async with az.open_array("file:///data/temperature.zarr") as arr:
        async for chunk in arr.stream_chunks(max_bytes=64 * 2**20):
            print(chunk.index, chunk.region, chunk.data.mean())

Nothing heavy is imported before it is needed: names below are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .errors import (
    AlreadyExists,
    AsyncZarrError,
    AttemptTimeout,
    BudgetExhausted,
    ChunkMissing,
    CodecError,
    ConnectionFailed,
    DeadlineExceeded,
    Forbidden,
    IntegrityError,
    KeyInvalid,
    MetadataError,
    NotFound,
    OutcomeUnknown,
    PipelineError,
    PreconditionFailed,
    QuotaExceeded,
    SelectionError,
    StoreClosed,
    StoreError,
    Throttled,
    Truncated,
    Unauthenticated,
    Unavailable,
    UnknownExtension,
    Unsupported,
)
from .types import ByteRange, ObjectInfo, Parts

if TYPE_CHECKING:
    from .array import (
        Array,
        CopyReport,
        Group,
        NodeOptions,
        Tree,
        View,
        copy,
        create_array,
        create_group,
        open,  # noqa: A004 - az.open() is the public name
        open_array,
        open_group,
    )
    from .codec import register_codec
    from .middleware import open_store, stack
    from .store import (
        AzureStore,
        FilesystemStore,
        GCSStore,
        HTTPStore,
        LMDBStore,
        MemoryStore,
        MongoStore,
        ObstoreStore,
        RedisStore,
        ReferenceStore,
        S3Store,
        Store,
        ZarrPythonStore,
        ZipStore,
        register_scheme,
    )
    from .stream import Chunk, ChunkStream, FailedItem, Progress, Slice, SliceStream, WriteReport

__version__ = "0.1.0"

_LATER = {
    **dict.fromkeys(
        (
            "Array",
            "CopyReport",
            "Group",
            "NodeOptions",
            "Tree",
            "View",
            "copy",
            "create_array",
            "create_group",
            "open",
            "open_array",
            "open_group",
        ),
        "array",
    ),
    **dict.fromkeys(("open_store", "stack"), "middleware"),
    **dict.fromkeys(
        (
            "AzureStore",
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
            "ZarrPythonStore",
            "ZipStore",
            "register_scheme",
        ),
        "store",
    ),
    **dict.fromkeys(
        ("Chunk", "ChunkStream", "FailedItem", "Progress", "Slice", "SliceStream", "WriteReport"), "stream"
    ),
    "register_codec": "codec",
}

__all__ = [
    "AlreadyExists",
    "Array",
    "AsyncZarrError",
    "AttemptTimeout",
    "AzureStore",
    "BudgetExhausted",
    "ByteRange",
    "Chunk",
    "ChunkMissing",
    "ChunkStream",
    "CodecError",
    "ConnectionFailed",
    "CopyReport",
    "DeadlineExceeded",
    "FailedItem",
    "FilesystemStore",
    "Forbidden",
    "GCSStore",
    "Group",
    "HTTPStore",
    "IntegrityError",
    "KeyInvalid",
    "LMDBStore",
    "MemoryStore",
    "MetadataError",
    "MongoStore",
    "NodeOptions",
    "NotFound",
    "ObjectInfo",
    "ObstoreStore",
    "OutcomeUnknown",
    "Parts",
    "PipelineError",
    "PreconditionFailed",
    "Progress",
    "QuotaExceeded",
    "RedisStore",
    "ReferenceStore",
    "S3Store",
    "SelectionError",
    "Slice",
    "SliceStream",
    "Store",
    "StoreClosed",
    "StoreError",
    "Throttled",
    "Tree",
    "Truncated",
    "Unauthenticated",
    "Unavailable",
    "UnknownExtension",
    "Unsupported",
    "View",
    "WriteReport",
    "ZarrPythonStore",
    "ZipStore",
    "copy",
    "create_array",
    "create_group",
    "open",
    "open_array",
    "open_group",
    "open_store",
    "register_codec",
    "register_scheme",
    "stack",
]


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module 'asynczarr' has no attribute {name!r}")
    value = getattr(import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
