"""Any store of zarr-python 3 (icechunk, VirtualiZarr, fsspec, ...) as ours."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import IntegrityError, Unavailable, Unsupported
from ...types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from ..base import Capabilities
from ..extras import extra
from ..fileio import absolute, frozen
from ..guarded import GuardedStore, Place
from ..keys import is_valid_key
from ..listing import children
from ..network.together import together
from .errors import foreign_error

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.abc.store import Store as ZarrStore

__all__ = ["ZarrPythonStore"]

T = TypeVar("T")

_ALL = ByteRange()
_AT_ONCE = 32
_PAGE = 256
_ATTEMPTS = 16
_NO_KEY = ("InvalidInputError", "NodeNotFoundError")  # what icechunk says of keys that belong to no node
_PATTERN = re.compile(r"[*?\[]").search
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.partial$").search  # what zarr-python's LocalStore lists while it writes


class ZarrPythonStore(GuardedStore):
    """A store of zarr-python. It has no versions and no metadata; conditions are refused.

    The wrapped store belongs to you: it is not closed with this one.

    Args:
        store: any ``zarr.abc.store.Store``.
        immutable: what is stored does not change while it is read. Then ranges of a value are read by a request each;
            otherwise by one request that covers them, since nothing else could keep them of one state. By default true
            for read-only sessions of icechunk.

    Raises:
        Unsupported: zarr is not installed.
    """

    def __init__(self, store: ZarrStore, *, immutable: bool | None = None) -> None:
        kind = type(store).__name__
        self._url = _address(store)
        with extra("zarr", store=self._url):
            from zarr.abc import store as requests
            from zarr.core.buffer import default_buffer_prototype
        self._store, self._requests = store, requests
        # ``set_if_not_exists`` does not tell whether it has written, so it is of no use.
        writes = store.supports_writes and store.supports_deletes and not store.read_only
        self._capabilities = Capabilities(write=writes, list=store.supports_listing)
        self._prototype = default_buffer_prototype()
        self._icechunk = kind == "IcechunkStore"
        self._immutable = (self._icechunk and store.read_only) if immutable is None else immutable
        self._fs: Any = getattr(store, "fs", None) if kind == "FsspecStore" else None
        # Such file systems keep the connections of the loop that used them first.
        self._one_loop = self._fs is not None and type(self._fs).__name__ != "AsyncFileSystemWrapper"
        self._loop: asyncio.AbstractEventLoop | None = None

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``. Whether a shorter answer is all there is, is for the wrapped store to know."""
        place = self._reading(key)
        part = byte_range or _ALL
        if part.length == 0 or part.start < 0 or (self._icechunk and part != _ALL):
            # Not all stores cut suffixes right, and icechunk refuses ranges that end past the end of a value.
            parts = await self.get_ranges(key, [part])
            return None if parts is None else parts.data[0]
        with place:
            try:
                return await self._get(key, part)
            except Exception as error:
                if part == _ALL or not await self._is_past_the_end(key, part):
                    raise foreign_error(error, self._url) from error
            return b""

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``. The size first; then one request, or one a range if nothing changes."""
        place = self._reading(key)
        if if_version is not None:
            raise Unsupported("stores of zarr-python have no versions", store=self._url, key=key)
        with place:
            for _ in range(_ATTEMPTS):
                size = await self._size(key)
                if size is None:
                    return None
                data = await self._cut(key, [part.resolve(size) for part in ranges])
                if data is not None:
                    return Parts([*data], None, size)
            raise Unavailable(f"the value changed {_ATTEMPTS} times while it was read")

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``. Stores that do not know a size read the value for it."""
        with self._reading(key):
            size = await self._size(key)
        return None if size is None else ObjectInfo(size)

    async def set(
        self,
        key: str,
        value: BytesLike,
        *,
        create: bool = False,
        if_version: Version | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Version | None:
        """See ``Store.set``. Whether it is atomic is for the wrapped store to say."""
        place = self._writing(key)
        if create or if_version is not None or metadata:
            raise Unsupported("stores of zarr-python have no conditions and no metadata", store=self._url, key=key)
        data = self._prototype.buffer.from_bytes(frozen(value))
        with place:
            await self._ask(lambda: self._store.set(key, data))
        return None

    async def delete(self, key: str, *, if_version: Version | None = None) -> None:
        """See ``Store.delete``."""
        place = self._writing(key)
        if if_version is not None:
            raise Unsupported("stores of zarr-python have no conditions", store=self._url, key=key)
        with place:
            if self._fs is not None and _PATTERN(key):
                raise Unsupported("fsspec would remove all keys that match this one as a pattern")
            if await self._exists(key):  # some, given the name of a folder, would remove all of it
                await self._ask(lambda: self._store.delete(key))

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``."""
        self._listing(prefix)
        start = await self._listable(prefix)
        async for key in self._listed(lambda: self._store.list_prefix(start) if start else self._store.list()):
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``. zarr-python does not tell keys from prefixes: a request a name finds out.

        A key with further keys below it is listed as a key only.
        """
        place = self._listing(prefix)
        if await self._listable(prefix) != prefix:
            for name in children(sorted([key async for key in self.list(prefix)]), prefix):
                yield name
            return

        async def kind(name: str) -> str:
            if await self._exists(prefix + name):
                return name
            return f"{name}/" if await self._holds(f"{prefix}{name}/") else ""

        found_here = self._listed(lambda: self._store.list_dir(prefix.rstrip("/")))
        names = iter({name.rstrip("/"): None async for name in found_here})
        while page := tuple(islice(names, _PAGE)):
            with place:
                found = await together(kind, page, _AT_ONCE)
            for name in filter(None, found):
                yield name

    async def aclose(self) -> None:
        """Refuse further calls; the wrapped store stays open."""
        self._closed = True

    async def _cut(self, key: str, bounds: Sequence[tuple[int, int]]) -> Sequence[BytesLike] | None:
        """Bytes between `bounds`, empty ones included; ``None`` if the value is another one by now."""
        wanted = [(start, stop) for start, stop in bounds if start < stop]
        if wanted and not self._immutable:
            wanted = [(min(start for start, _ in wanted), max(stop for _, stop in wanted))]
        found = await together(lambda run: self._ask(lambda: self._get(key, ByteRange(*run))), wanted, _AT_ONCE)
        data = dict(zip(wanted, found, strict=True))
        if any(part is None or len(part) != stop - start for (start, stop), part in data.items()):
            return None

        def cut(start: int, stop: int) -> BytesLike:
            if start >= stop:
                return b""
            run = (start, stop) if self._immutable else wanted[0]
            return memoryview(data[run] or b"")[start - run[0] : stop - run[0]]

        return [cut(*part) for part in bounds]

    async def _get(self, key: str, part: ByteRange) -> BytesLike | None:
        buffer = await self._store.get(key, self._prototype, self._request(part))
        if buffer is None:
            return None
        data = buffer.as_numpy_array().data
        if part.length is not None and len(data) > part.length:
            raise IntegrityError(f"asked for {part.length} bytes, got {len(data)}")
        return data

    def _request(self, part: ByteRange) -> ByteRequest | None:
        if part.stop is not None:
            return self._requests.RangeByteRequest(part.start, part.stop)
        return self._requests.OffsetByteRequest(part.start) if part.start else None

    async def _exists(self, key: str) -> bool:
        """Whether there is such a key; for fsspec, folders exist as well."""
        fs = self._fs
        path = f"{getattr(self._store, 'path', '').rstrip('/')}/{key}"
        try:
            return bool(await (self._store.exists(key) if fs is None else fs._isfile(path)))
        except Exception as error:
            if type(error).__name__ in _NO_KEY:
                return False
            raise foreign_error(error, self._url) from error

    async def _size(self, key: str) -> int | None:
        # Some know the size of a folder. icechunk knows none, but says 0 of missing chunks.
        if not self._icechunk and not await self._exists(key):
            return None
        try:
            size = await self._store.getsize(key)
        except Exception as error:
            if isinstance(error, FileNotFoundError) or type(error).__name__ in _NO_KEY:
                return None
            raise foreign_error(error, self._url) from error
        return size if size or await self._exists(key) else None

    async def _is_past_the_end(self, key: str, part: ByteRange) -> bool:
        size = await self._size(key)
        return size is not None and part.resolve(size)[0] >= size

    async def _holds(self, prefix: str) -> bool:
        """Whether there is any key below; folders may be empty."""
        async for name in self._store.list_dir(prefix.rstrip("/")):
            if await self._exists(prefix + name) or await self._holds(f"{prefix}{name}/"):
                return True
        return False

    async def _listable(self, prefix: str) -> str:
        """`prefix`, or the nearest above it that icechunk agrees to list: it takes only those of nodes."""
        if self._icechunk:
            with Place(self._url, None):
                while prefix and not await self._exists(f"{prefix}zarr.json"):
                    prefix = prefix[: prefix[:-1].rfind("/") + 1]
        return prefix

    async def _listed(self, call: Callable[[], AsyncIterator[str]]) -> AsyncIterator[str]:
        with Place(self._url, None):
            names = call()
            while (name := await self._ask(lambda: anext(names, None))) is not None:
                if is_valid_key(name.rstrip("/")) and not _TEMPORARY(name):
                    yield name

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except Exception as error:
            raise foreign_error(error, self._url) from error

    def _check_usable(self) -> None:
        super()._check_usable()
        if self._one_loop:
            loop = asyncio.get_running_loop()
            if self._loop is None:
                self._loop = loop
            elif self._loop is not loop:
                raise Unsupported("file systems of fsspec belong to one event loop: make a store in each")


def _address(store: ZarrStore) -> str:
    kind = type(store).__name__
    if kind == "LocalStore":
        from pathlib import Path

        return Path(absolute(getattr(store, "root", ""))).as_uri()
    return f"zarr+{kind.lower()}://{id(store):x}"
