"""What stores of objects in buckets share: a prefix, guards, reading ranges of one version."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import NamedTuple

from ...errors import IntegrityError, PreconditionFailed
from ...types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from ..base import Capabilities
from ..conditions import expect
from ..guarded import GuardedStore
from ..keys import is_valid_key, validate_prefix
from .pinned import Reading, read_ranges
from .ranges import PastTheEnd

__all__ = ["Page", "RemoteStore"]

_AT_ONCE = 32


class Page(NamedTuple):
    """One answer to a listing.

    Attributes:
        names: keys and common prefixes, with the prefix of the store.
        following: token of the next page, empty if this is the last.
    """

    names: list[str]
    following: str


class RemoteStore(GuardedStore):
    """Keys below a prefix of a bucket; a backend adds the requests.

    Args:
        root: scheme and bucket, without secrets.
        prefix: folder in the bucket that holds all keys of this store, empty for the whole bucket.
        read_only: refuse writes (``Unsupported``).
    """

    _service = ""

    def __init__(self, root: str, prefix: str, *, read_only: bool) -> None:
        folder = prefix.strip("/")
        self._prefix = validate_prefix(folder + "/") if folder else ""
        self._url = f"{root}/{folder}" if folder else root
        write = not read_only
        self._capabilities = Capabilities(write=write, create=write, cas=write, metadata=write, versions=True)

    @property
    def service(self) -> str:
        """Address of a service that counts the requests to all its buckets together; empty where each has its own."""
        return self._service

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
            return await read_ranges(partial(self._read, key), ranges, if_version, limit=_AT_ONCE)

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``. One request."""
        with self._reading(key):
            return await self._head(key)

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``. One request for 1,000 keys."""
        async for name in self._listed(prefix, flat=True):
            if is_valid_key(name):
                yield name

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``. One request for 1,000 names."""
        async for name in self._listed(prefix, flat=False):
            if name != prefix and is_valid_key(name.removesuffix("/")):  # the marker of an empty folder is no child
                yield name[len(prefix) :]

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
    async def _page(self, start: str, token: str, *, flat: bool) -> Page:
        """Names that begin with `start`, or names and prefixes up to the next ``/`` after it, by one request.

        Args:
            start: with the prefix of the store.
            token: of this page, empty for the first one.
            flat: names alone.
        """

    async def _listed(self, prefix: str, *, flat: bool) -> AsyncIterator[str]:
        with self._listing(prefix):
            page = Page([], "")
            while True:
                asked = page.following
                page = await self._page(self._prefix + prefix, asked, flat=flat)
                for name in page.names:
                    if name.startswith(self._prefix):
                        yield name[len(self._prefix) :]
                if not page.following:
                    return
                if page.following == asked:
                    raise IntegrityError("a page of a listing that names itself as the next one")

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
