"""Redis as a store: one string a key."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self

from ...errors import AlreadyExists, OutcomeUnknown, QuotaExceeded, Truncated
from ...types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from ..base import Capabilities
from ..conditions import expect, one_condition
from ..extras import extra
from ..guarded import GuardedStore
from ..keys import is_valid_key, temporary_name
from ..record import open_record, seal, version_bytes
from .scripts import DELETE, READ, SWAP, Command, Script
from .url import RedisAddress

__all__ = ["RedisStore"]

_BATCH = 1000
_LARGEST = 512 * 2**20  # of a string, and of an argument (proto-max-bulk-len)
_UPLOAD_SECONDS = 300
_GLOB = re.compile(r"[*?\[\]^\\]")


class RedisStore(GuardedStore):
    """Keys are strings of one database of a Redis server, each below the prefix in the URL.

    A string holds version, metadata and value (``asynczarr.store.record``), so that every write is one command, and
    every read one command or one script: ranges are cut out by the server, all of them from one version.

    Listings go through the whole database (``SCAN``) and keep the names that they have seen until they end, because
    Redis may name a key twice.

    Args:
        url: ``redis://[user:password@]host[:port][/database[/prefix]]``, the same with ``rediss`` for TLS, or
            ``unix:///socket[?db=0&prefix=a/b]``.
        read_only: refuse writes (``Unsupported``).
        max_connections: connections for each event loop; further calls wait.
        timeout: seconds for one attempt.
        connect_timeout: seconds for connecting.
        wait_replicas: a write returns when so many replicas have it (``WAIT``); ``OutcomeUnknown`` if they do not
            within `wait_timeout`, though the server has it then.
        wait_timeout: seconds to wait for the replicas.
        connection: further arguments for the connection class of redis-py, such as ``ssl_ca_certs``, ``password`` or
            ``credential_provider``.

    Raises:
        KeyInvalid: a URL that is not understood.
        Unsupported: redis-py is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        max_connections: int = 64,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        wait_replicas: int = 0,
        wait_timeout: float = 5.0,
        connection: Mapping[str, Any] | None = None,
    ) -> None:
        address = RedisAddress.parse(url)
        self._url = address.shown
        with extra("redis", store=self._url):
            from .client import RedisClient

        self._prefix = address.prefix
        self._client = RedisClient(
            address.scheme,
            {**address.options, **(connection or {})},
            max_connections=max_connections,
            timeout=timeout,
            connect_timeout=connect_timeout,
        )
        self._replicas = wait_replicas
        self._wait_milliseconds = int(wait_timeout * 1000)
        writes = not read_only
        self._capabilities = Capabilities(write=writes, create=writes, cas=writes, metadata=writes, versions=True)

    @classmethod
    def from_url(cls, url: str, *, read_only: bool = False, **options: Any) -> Self:
        """Make a store of a URL and the arguments of the class."""
        return cls(url, read_only=read_only, **options)

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``."""
        if byte_range is not None:
            parts = await self.get_ranges(key, [byte_range])
            return None if parts is None else parts.data[0]
        with self._reading(key):
            (record,) = await self._client.send(("GET", self._name(key)))
            return None if record is None else memoryview(record)[open_record(record, len(record))[1] :]

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``. One script, whatever the number of ranges."""
        wanted = b"" if if_version is None else version_bytes(if_version)
        ends = [end for part in ranges for end in _ends(part)]
        with self._reading(key):
            (answer,) = await self._client.send(READ.call([self._name(key)], wanted, *ends), script=READ)
            if answer is None:
                return None
            head, length, *data = answer
            info, _ = open_record(head, length)
            expect(info.version, if_version)
            for part, piece in zip(ranges, data, strict=True):
                start, stop = part.resolve(info.size)
                if len(piece) != stop - start:
                    raise Truncated(f"{len(piece)} bytes instead of {stop - start}")
        return Parts(data, info.version, info.size, info.metadata)

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``."""
        with self._reading(key):
            (answer,) = await self._client.send(READ.call([self._name(key)], b""), script=READ)
            return None if answer is None else open_record(*answer)[0]

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
        one_condition(create, if_version)
        with self._writing(key):
            name = self._name(key)
            version, record = seal(value, metadata)
            if len(record) > _LARGEST:
                raise QuotaExceeded("Redis holds values of up to 512 MiB")
            if if_version is not None:
                upload = f"{self._prefix}{temporary_name()}".encode()
                await self._write(
                    ("SET", upload, record, "EX", _UPLOAD_SECONDS),
                    SWAP.call([name, upload], version_bytes(if_version)),
                    script=SWAP,
                    check=partial(_expect, if_version),
                )
            else:
                await self._write(("SET", name, record, *(["NX"] if create else [])), check=_expect_none)
        return version

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        with self._writing(key):
            name = self._name(key)
            if if_version is None:
                await self._write(("UNLINK", name))
            else:
                remove = DELETE.call([name], version_bytes(if_version))
                await self._write(remove, script=DELETE, check=partial(_expect, if_version))

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Remove several keys, 1000 a command."""
        with self._writing(*keys):
            names = [self._name(key) for key in keys]
            for start in range(0, len(names), _BATCH):
                await self._write(("UNLINK", *names[start : start + _BATCH]))

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``. A page is one ``SCAN`` of 1000 names of the database, ours or not."""
        async for key in self._scan(prefix):
            yield key

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``. It goes through all keys below `prefix`."""
        seen: set[str] = set()
        async for key in self._scan(prefix):
            name, slash, _ = key[len(prefix) :].partition("/")
            if name + slash not in seen:
                seen.add(name + slash)
                yield name + slash

    async def aclose(self) -> None:
        """Close all connections; calls under way fail."""
        self._closed = True
        await self._client.aclose()

    async def _scan(self, prefix: str) -> AsyncIterator[str]:
        pattern = _GLOB.sub(r"\\\g<0>", self._prefix + prefix) + "*"
        cursor, seen = b"0", set[str]()
        while True:
            with self._listing(prefix):
                ((cursor, names),) = await self._client.send(("SCAN", cursor, "MATCH", pattern, "COUNT", _BATCH))
            for name in names:
                key = name[len(self._prefix.encode()) :].decode(errors="replace")
                if key not in seen and is_valid_key(key):
                    seen.add(key)
                    yield key
            if cursor == b"0":
                return

    def _name(self, key: str) -> bytes:
        return (self._prefix + key).encode()

    async def _write(
        self, *commands: Command, script: Script | None = None, check: Callable[[Any], None] = lambda _: None
    ) -> None:
        """Send commands, and look at the answer of the last one before anybody asks how many replicas have the write.

        Args:
            *commands: the commands.
            script: see ``RedisClient.send``.
            check: raises if an answer says that nothing was written.
        """
        if not self._replicas:
            check((await self._client.send(*commands, script=script))[-1])
            return
        wait = ("WAIT", self._replicas, self._wait_milliseconds)
        *_, answer, replicas = await self._client.send(*commands, wait, script=script)
        check(answer)
        if replicas < self._replicas:
            raise OutcomeUnknown(f"{replicas} replicas have the write, not {self._replicas}")


def _expect(wanted: Version, found: bytes | Literal[1]) -> None:
    """Check what a script has found, 1 if it was the version wanted."""
    if isinstance(found, bytes):
        expect(found.hex() or None, wanted)


def _expect_none(answer: object) -> None:
    """Check what ``SET`` answered, nothing if ``NX`` has found a value."""
    if answer is None:
        raise AlreadyExists("the key exists")


def _ends(part: ByteRange) -> tuple[int, int]:
    """Start and stop as the script wants them: -1 for no stop, and numbers that Lua keeps exactly."""
    stop = -1 if part.stop is None else min(part.stop, _LARGEST)
    return max(-_LARGEST, min(part.start, _LARGEST)), stop
