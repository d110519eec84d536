"""What stores of objects in buckets share: a prefix, guards, reading ranges of one version."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from ...errors import PreconditionFailed, StoreClosed, StoreError, Unsupported
from ...types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from ..base import Capabilities, StoreBase
from ..conditions import expect
from ..keys import is_valid_key, validate_key, validate_prefix
from .pinned import Reading, read_ranges
from .ranges import PastTheEnd

__all__ = ["RemoteStore"]

_AT_ONCE = 16


class RemoteStore(StoreBase):
    """Keys below a prefix of a bucket; a backend adds the requests.

    Args:
        root: scheme and bucket, without secrets.
        prefix: folder in the bucket that holds all keys of this store, empty for the whole bucket.
        read_only: refuse writes (``Unsupported``).
    """

    def __init__(self, root: str, prefix: str, *, read_only: bool) -> None:
        folder = prefix.strip("/")
        self._prefix = validate_prefix(folder + "/") if folder else ""
        self._url = f"{root}/{folder}" if folder else root
        self._closed = False
        write = not read_only
        self._capabilities = Capabilities(write=write, create=write, cas=write, metadata=write, versions=True)

    @property
    def url(self) -> str:
        """Scheme, bucket and prefix."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """Everything but the blocking half."""
        return self._capabilities

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``. One request."""
        with self._reading(key):
            if byte_range is not None and byte_range.length == 0:
                return None if await self._head(key) is None else b""
            try:
                reading = await self._fetch(key, byte_range or ByteRange(), None)
            except PastTheEnd:
                return b""
        return None if reading is None else reading.data

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``. One request a range, the first alone unless `if_version` is given.

        A range that lies past the end takes one more.
        """
        with self._reading(key):
            return await read_ranges(
                lambda part, version: self._read(key, part, version), ranges, if_version, limit=_AT_ONCE
            )

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``. One request."""
        with self._reading(key):
            return await self._head(key)

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``. One request for 1,000 keys."""
        with self._place(prefix):
            validate_prefix(prefix)
            async for name in self._names(self._prefix + prefix, flat=True):
                key = name[len(self._prefix) :]
                if is_valid_key(key):
                    yield key

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``. One request for 1,000 names."""
        with self._place(prefix):
            validate_prefix(prefix)
            async for name in self._names(self._prefix + prefix, flat=False):
                child = name[len(self._prefix) + len(prefix) :]
                if is_valid_key(child.removesuffix("/")):
                    yield child

    @abstractmethod
    async def _fetch(self, key: str, byte_range: ByteRange, version: Version | None) -> Reading | None:
        """One range that is not empty, by one request.

        Raises:
            PastTheEnd: it begins where the value has ended.
            PreconditionFailed: `version` is given and is not the stored one.
        """

    @abstractmethod
    async def _head(self, key: str) -> ObjectInfo | None:
        """Size, version and metadata, by one request."""

    @abstractmethod
    def _names(self, start: str, *, flat: bool) -> AsyncIterator[str]:
        """Full names that begin with `start`, or names and prefixes up to the next ``/`` after it, page by page."""

    async def _read(self, key: str, byte_range: ByteRange, version: Version | None) -> Reading | None:
        """One range, with size and version of the value also where the range is empty or past the end."""
        past: Version | None = None
        if byte_range.length != 0:
            try:
                return await self._fetch(key, byte_range, version)
            except PastTheEnd as error:
                past = error.version
        info = await self._head(key)
        if info is None:
            return None
        expect(info.version, version)
        start, stop = byte_range.resolve(info.size)
        if start < stop or past not in (None, info.version):
            raise PreconditionFailed("the value was replaced while it was read")
        return Reading(b"", info.size, info.version)

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        with self._place(key):
            validate_key(key)
            yield

    @contextmanager
    def _writing(self, *keys: str) -> Iterator[None]:
        with self._place(keys[0] if len(keys) == 1 else None):
            for key in keys:
                validate_key(key)
            if not self._capabilities.write:
                raise Unsupported("the store was opened read-only")
            yield

    @contextmanager
    def _place(self, key: str | None) -> Iterator[None]:
        if self._closed:
            raise StoreClosed("the store is closed", store=self.url, key=key)
        try:
            yield
        except StoreError as error:
            error.at(store=self.url, key=key)
            raise
