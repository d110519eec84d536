"""Clients of MongoDB, one for each event loop, and PyMongo's errors in our words."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import (
    AttemptTimeout,
    ConnectionFailed,
    Forbidden,
    OutcomeUnknown,
    QuotaExceeded,
    StoreError,
    Throttled,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from ...threads import Threads
from ..sessions import PerLoop

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

__all__ = ["Collections", "MongoClients", "failures"]

_CODES: dict[int, type[StoreError]] = {
    13: Forbidden,
    18: Unauthenticated,
    50: AttemptTimeout,
    262: AttemptTimeout,
    8000: QuotaExceeded,  # of MongoDB Atlas
    14031: QuotaExceeded,  # no disk space
    16500: Throttled,  # of Azure Cosmos DB
    462: Throttled,
}
_PASSING = frozenset({6, 7, 89, 91, 112, 134, 189, 9001, 10058, 10107, 11600, 11602, 13435, 13436})


@dataclass(frozen=True, slots=True)
class Collections:
    """Where the values are: ``keys`` points into the GridFS bucket of ``files`` and ``chunks``."""

    keys: Any
    files: Any
    chunks: Any
    bucket: Any


class MongoClients:
    """Collections for the running event loop.

    Args:
        database: name of the database.
        bucket: name of the GridFS bucket.
        chunk_size: bytes of a chunk of a new file.
        client: a client of PyMongo Async or motor that its owner closes; ``None`` connects to `uri`.
        uri: for PyMongo.
        options: further arguments of ``AsyncMongoClient``.
    """

    def __init__(
        self,
        database: str,
        bucket: str,
        *,
        chunk_size: int,
        client: Any = None,
        uri: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if client is not None and _bucket_class(client) is None:
            raise Unsupported(f"neither an AsyncMongoClient nor a client of motor: {type(client).__name__}")
        self._database = database
        self._bucket = bucket
        self._chunk_size = chunk_size
        self._given = client
        self._uri = uri
        # One attempt: PyMongo would send writes, reads and what an overloaded server refused again by itself.
        self._options = {**(options or {}), "retryWrites": False, "retryReads": False}
        self._clients = PerLoop(self._connect, self._close)

    async def get(self) -> Collections:
        """The collections, by the client of the running loop."""
        return (await self._clients.get())[1]

    async def aclose(self) -> None:
        """Close the clients that were made here."""
        await self._clients.aclose()

    async def _connect(self) -> tuple[Any, Collections]:
        from pymongo import AsyncMongoClient, ReadPreference, WriteConcern

        client = self._given
        if client is None:  # its constructor looks at files: certificates, and what kind of machine this is
            client = await Threads(1).run(AsyncMongoClient[dict[str, Any]], self._uri, **self._options)
        # The server's own default may acknowledge what a crash of the server loses: a journal of up to 100 ms.
        durable = client.write_concern if client.write_concern.document else WriteConcern("majority", j=True)
        database = client.get_database(self._database, read_preference=ReadPreference.PRIMARY, write_concern=durable)
        names = (f"{self._bucket}.{part}" for part in ("keys", "files", "chunks"))
        keys, files, chunks = (database.get_collection(name) for name in names)
        bucket = _bucket_class(client)(database, bucket_name=self._bucket, chunk_size_bytes=self._chunk_size)
        return client, Collections(keys, files, chunks, bucket)

    async def _close(self, made: tuple[Any, Collections]) -> None:
        if self._given is None:
            await made[0].close()


def _bucket_class(client: object) -> Any:
    from gridfs.asynchronous import AsyncGridFSBucket
    from pymongo import AsyncMongoClient

    motor = sys.modules.get("motor.motor_asyncio")  # who has a client of motor has imported it
    if motor is not None and isinstance(client, motor.AsyncIOMotorClient):
        return motor.AsyncIOMotorGridFSBucket
    return AsyncGridFSBucket if isinstance(client, AsyncMongoClient) else None


@contextmanager
def failures() -> Iterator[None]:
    """Raise our errors, without place, for those of PyMongo."""
    from pymongo.errors import DocumentTooLarge, PyMongoError

    try:
        yield
    except PyMongoError as error:
        raise _translated(error) from error
    except DocumentTooLarge as error:
        raise QuotaExceeded(str(error)) from error


def _translated(error: PyMongoError) -> StoreError:
    from pymongo import errors

    reason = str(error)
    code = getattr(error, "code", None) or 0
    if error.has_error_label("SystemOverloadedError"):
        return Throttled(reason)
    if isinstance(error, errors.WaitQueueTimeoutError):
        return AttemptTimeout(reason, sent=False)
    if isinstance(error, errors.ServerSelectionTimeoutError):  # PyMongo raises the first error if it was sent before
        return ConnectionFailed(reason, sent=False)
    if isinstance(error, errors.WriteConcernError):
        return OutcomeUnknown(f"written, but not confirmed by as many members as were asked for: {reason}")
    if isinstance(error, errors.NotPrimaryError) or code in _PASSING:
        return Unavailable(reason)
    if code in _CODES:
        return _CODES[code](reason)
    if error.timeout:
        return AttemptTimeout(reason)
    if isinstance(error, errors.ConnectionFailure):
        return ConnectionFailed(reason)
    return StoreError(reason)
