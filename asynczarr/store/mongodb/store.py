"""MongoDB as a store: a document a key, and GridFS for what is large."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Self

from ...errors import IntegrityError, PreconditionFailed, Unavailable
from ...types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from ..base import Capabilities
from ..conditions import expect, one_condition
from ..extras import extra
from ..fileio import frozen
from ..finishing import finished
from ..guarded import GuardedStore
from ..keys import is_valid_key
from .client import MongoClients, failures
from .files import drop_quietly, read, sweep, upload
from .url import MongoAddress

__all__ = ["MongoStore"]

_BATCH = 1000
_READS = 8  # of a value that is overwritten again and again while it is read
_LARGEST_INLINE = 15 * 2**20  # a document has at most 16 MiB


class MongoStore(GuardedStore):
    """Keys are documents of one collection; values beyond `inline` are files of a GridFS bucket that they point to.

    The document is what is read first and changed last, in one atomic update: a large value is stored as a new file,
    then the document is made to point to it, then the old file is removed. A reader whose file is gone reads the
    document again.

    Writes are acknowledged by a majority and its journals (``w=majority``, ``journal=true``), unless URL or client say
    otherwise; reads go to the primary.

    A killed or disconnected writer may leave a file that nothing points to. It harms nobody, and :meth:`sweep` removes
    it.

    Args:
        url: ``mongodb://[user:password@]hosts/database[.bucket][/prefix][?options of PyMongo]`` or ``mongodb+srv://``.
        client: an ``AsyncMongoClient``, or a client of motor, in place of the server in the URL; it is used as it is,
            in its own event loop, and its owner closes it. It should not retry (``retryWrites=False``,
            ``retryReads=False``).
        read_only: refuse writes (``Unsupported``).
        inline: bytes; a value up to this size is kept in its document.
        chunk_size: bytes of a chunk of a new file, which is the least that a read of a range transfers.
        max_connections: connections for each event loop; further calls wait.
        timeout: seconds for one answer of the server.
        connect_timeout: seconds for finding a server, and for connecting to it.
        options: further arguments of ``AsyncMongoClient``, such as ``tlsCAFile``.

    Raises:
        KeyInvalid: a URL that is not understood.
        Unsupported: PyMongo is not installed, or a client that is neither PyMongo's nor motor's.
    """

    def __init__(
        self,
        url: str,
        *,
        client: Any = None,
        read_only: bool = False,
        inline: int = 256 * 2**10,
        chunk_size: int = 255 * 2**10,
        max_connections: int = 64,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if not 0 <= inline <= _LARGEST_INLINE:
            raise ValueError(f"inline is 0 to {_LARGEST_INLINE} bytes, not {inline}")
        address = MongoAddress.parse(url)
        self._url = address.shown
        self._prefix = address.prefix
        self._inline = inline
        self._chunk_size = chunk_size
        with extra("mongodb", store=self._url):
            import gridfs.asynchronous  # noqa: F401 - PyMongo since 4.9, not the sdist "gridfs" or "bson" of others
        self._clients = MongoClients(
            address.database,
            address.bucket,
            chunk_size=chunk_size,
            client=client,
            uri=address.uri,
            options={
                "maxPoolSize": max_connections,
                "socketTimeoutMS": int(timeout * 1000),
                "connectTimeoutMS": int(connect_timeout * 1000),
                "serverSelectionTimeoutMS": int(connect_timeout * 1000),
                **(options or {}),
            },
        )
        writes = not read_only
        self._capabilities = Capabilities(write=writes, create=writes, cas=writes, metadata=writes, versions=True)

    @classmethod
    def from_url(cls, url: str, *, read_only: bool = False, **options: Any) -> Self:
        """Make a store of a URL and the arguments of the class."""
        return cls(url, read_only=read_only, **options)

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``. One request for an inline value, one more for a file."""
        parts = await self.get_ranges(key, [byte_range or ByteRange()])
        return None if parts is None else parts.data[0]

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``. The chunks that the ranges touch come by one request."""
        from .document import info_of, inline_value

        with self._reading(key):
            name = self._name(key)
            at = await self._clients.get()
            gone: Version | None = None
            for _ in range(_READS):
                with failures():
                    found = await at.keys.find_one({"_id": name})
                if found is None:
                    return None
                info = info_of(found)
                expect(info.version, if_version)
                ends = [part.resolve(info.size) for part in ranges]
                value = inline_value(found)
                if value is not None:
                    data: list[bytes] | None = [value[start:stop] for start, stop in ends]
                elif info.version == gone:
                    raise IntegrityError("chunks of the value are missing")
                else:
                    data = await read(at, found, ends)
                if data is not None:
                    return Parts([*data], info.version, info.size, info.metadata)
                gone = info.version  # the key was overwritten or deleted meanwhile, and its file removed
            raise Unavailable("the value was overwritten again and again while it was read")

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        from .document import info_of

        with self._reading(key):
            name = self._name(key)
            at = await self._clients.get()
            with failures():
                found = await at.keys.find_one({"_id": name}, {"data": 0})
            return None if found is None else info_of(found)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``. A cancelled write may still land."""
        from bson import ObjectId

        from .pointing import put, put_file

        one_condition(create, if_version)
        with self._writing(key):
            name, data, version = self._name(key), frozen(value), ObjectId()
            at = await self._clients.get()
            document = {
                "_id": name,
                "version": version,
                "size": len(data),
                "modified": time.time(),
                "metadata": [[*item] for item in (metadata or {}).items()],
            }
            if len(data) <= self._inline:
                await put(at, {**document, "data": data}, create, if_version)
            else:
                await upload(at, version, name, data)
                document |= {"file": version, "chunk": self._chunk_size}
                await finished(put_file(at, document, create, if_version))
            return str(version)

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        from .pointing import condition

        with self._writing(key):
            which = condition(self._name(key), if_version)
            at = await self._clients.get()
            with failures():
                old = await at.keys.find_one_and_delete(which, projection={"file": 1})
            if old is None and if_version is not None:
                raise PreconditionFailed("the stored version is another one, or the key is missing")
            if old is not None and "file" in old:
                await drop_quietly(at, [old["file"]])

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Remove several keys, 1000 in a few requests."""
        names = [self._prefix + key for key in keys]
        for start in range(0, len(names), _BATCH):
            with self._writing(*keys[start : start + _BATCH]):
                at, which = await self._clients.get(), {"_id": {"$in": names[start : start + _BATCH]}}
                with failures():
                    found = await at.keys.find(which, {"file": 1, "version": 1}).to_list(None)
                    # A key that is written meanwhile was written after this, and keeps its file.
                    await at.keys.delete_many({**which, "version": {"$in": [each.get("version") for each in found]}})
                if files := [each["file"] for each in found if "file" in each]:
                    await drop_quietly(at, files)

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``. Sorted; one request for 1000 keys."""
        async for page in self._pages(prefix):
            for key in page:
                yield key

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``. Sorted; the rest of a subtree that goes beyond a page is jumped over."""
        last = ""
        async for page in self._pages(prefix, jump=True):
            for key in page:
                name, slash, _ = key[len(prefix) :].partition("/")
                if name + slash != last:
                    last = name + slash
                    yield last

    async def sweep(self, *, older_than: float = 3600.0) -> int:
        """Remove the files that killed writers have left in the bucket, of all prefixes, and return their number.

        Nothing does this by itself. It goes through all files and chunks of the bucket.

        Args:
            older_than: seconds since the upload began; younger files may belong to a writer that is alive.
        """
        with self._writing():
            return await sweep(await self._clients.get(), older_than)

    async def aclose(self) -> None:
        """Close the connections that were made here; calls under way fail."""
        self._closed = True
        await self._clients.aclose()

    async def _pages(self, prefix: str, *, jump: bool = False) -> AsyncIterator[Sequence[str]]:
        below = self._prefix + prefix
        bounds: dict[str, str] = {"$gte": below}
        if below:
            bounds["$lt"] = below[:-1] + "0"  # the character after "/"
        while True:
            with self._listing(prefix):
                at = await self._clients.get()
                with failures():
                    found = await at.keys.find({"_id": bounds}, {"_id": 1}).sort("_id", 1).limit(_BATCH).to_list(None)
            keys = [each["_id"][len(self._prefix) :] for each in found]
            yield [key for key in keys if is_valid_key(key)]
            if len(found) < _BATCH:
                return
            name, slash, _ = keys[-1][len(prefix) :].partition("/")
            bounds.pop("$gt", None)
            bounds.pop("$gte", None)
            bounds |= {"$gte": f"{below}{name}0"} if jump and slash else {"$gt": found[-1]["_id"]}

    def _name(self, key: str) -> str:
        return self._prefix + key
