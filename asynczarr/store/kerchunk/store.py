"""Kerchunk references as a store, read-only: chunks are parts of files that were never written as Zarr."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Self, TypeAlias
from urllib.parse import unquote

from ...errors import Forbidden, KeyInvalid, MetadataError, NotFound, Truncated, Unsupported
from ...threads import Threads
from ...types import ByteRange, BytesLike, ObjectInfo, Parts, Version
from ..base import Store
from ..fileio import absolute
from ..keys import validate_key
from ..listing import below, children
from ..read_only import ReadOnlyStore
from ..sessions import PerLoop
from ..url import local_path, open_store, without_secrets
from .document import References, Target, parse

__all__ = ["ReferenceStore"]

Document: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any]"

_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*)(.*)", re.DOTALL).fullmatch
_ALL = ByteRange()


class ReferenceStore(ReadOnlyStore):
    """What a kerchunk reference document (JSON, version 1 or 0) describes.

    A document names files anywhere, and whoever wrote it would have them read with your rights. So only those are read
    that are on the same host or in the same bucket as the document (in the same folder, if that is on this machine), or
    below one of `targets`.

    Args:
        where: URL or path of the document, or its content as a mapping.
        targets: URLs or paths of folders whose files may be read as well, each with the options of its store, or with
            the store itself, which then stays open.
        max_bytes: of the document.
        **options: of the store that holds the document.

    Raises:
        KeyInvalid: a URL that names no document.
    """

    def __init__(
        self,
        where: Document,
        *,
        targets: Mapping[str, Mapping[str, Any] | Store] | None = None,
        max_bytes: int = 128 * 2**20,
        **options: Any,
    ) -> None:
        self._where, self._max_bytes, self._options = where, max_bytes, options
        self._folder, self._name = ("", "") if isinstance(where, Mapping) else _document_at(os.fspath(where))
        self._url = f"kerchunk+{_shown(self._folder)}/{self._name}" if self._name else f"kerchunk://{id(where):x}"
        self._allowed: dict[str, Mapping[str, Any] | Store] = {}
        if self._folder:
            self._allowed[_own_root(self._folder)] = options
        for root, how in (targets or {}).items():
            self._allowed[_canonical(root).rstrip("/")] = how
        self._opened: dict[str, Store] = {}
        self._document: References | None = None
        self._loading: PerLoop[References] = PerLoop(self._load, _nothing)

    @classmethod
    def from_url(cls, url: str, *, read_only: bool = True, **options: Any) -> Self:
        """The store of ``kerchunk+https://host/references.json`` and the like; it can only be read."""
        return cls(url.removeprefix("kerchunk+"), **options)

    async def get(self, key: str, byte_range: ByteRange | None = None) -> BytesLike | None:
        """See ``Store.get``.

        Raises:
            NotFound: the file that is referred to is missing. The key is not, so this is no missing chunk.
            Truncated: the file ends before the part that is referred to.
            Forbidden: the file is not below what may be read.
        """
        with self._reading(key):
            found = await self._find(key)
            part = byte_range or _ALL
            if not isinstance(found, Target):
                return None if found is None else part.of(found)
            store, path = self._target(found.url)
            if found.length is None:
                data = await store.get(path, byte_range)
                if data is None:
                    raise _gone()
                return data
            start, stop = part.resolve(found.length)
            if start == stop:
                return b""
            data = await store.get(path, ByteRange(found.start + start, found.start + stop))
            return _whole(data, stop - start)

    async def get_ranges(
        self, key: str, ranges: Sequence[ByteRange], *, if_version: Version | None = None
    ) -> Parts | None:
        """See ``Store.get_ranges``. Of one version of the file, if its store has versions."""
        with self._reading(key):
            found = await self._find(key)
            if if_version is not None:
                raise Unsupported("references have no versions")
            if not isinstance(found, Target):
                return None if found is None else Parts([part.of(found) for part in ranges], None, len(found))
            store, path = self._target(found.url)
            bounds = [part.resolve(found.length) for part in ranges] if found.length is not None else []
            wanted = [ByteRange(found.start + start, found.start + stop) for start, stop in bounds]
            parts = await store.get_ranges(path, ranges if found.length is None else wanted)
            if parts is None:
                raise _gone()
            if found.length is None:
                return Parts(parts.data, None, parts.size)
            data = [_whole(data, stop - start) for data, (start, stop) in zip(parts.data, bounds, strict=True)]
            return Parts(data, None, found.length)

    async def head(self, key: str) -> ObjectInfo | None:
        """See ``Store.head``. No request, if the document tells the length."""
        with self._reading(key):
            found = await self._find(key)
            if found is None:
                return None
            if not isinstance(found, Target):
                return ObjectInfo(len(found))
            if found.length is not None:
                return ObjectInfo(found.length)
            store, path = self._target(found.url)
            info = await store.head(path)
            if info is None:
                raise _gone()
            return ObjectInfo(info.size)

    async def list(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list``. The keys of the document, sorted."""
        for key in below((await self._listable(prefix)).keys, prefix):
            yield key

    async def list_dir(self, prefix: str = "") -> AsyncIterator[str]:
        """See ``Store.list_dir``."""
        for name in children((await self._listable(prefix)).keys, prefix):
            yield name

    async def aclose(self) -> None:
        """Close the stores that were opened for the document and its targets."""
        self._closed = True
        await self._loading.aclose()
        while self._opened:
            await self._opened.popitem()[1].aclose()

    async def _find(self, key: str) -> bytes | Target | None:
        return (self._document or await self._loading.get()).find(key)

    async def _listable(self, prefix: str) -> References:
        with self._listing(prefix):
            return self._document or await self._loading.get()

    async def _load(self) -> References:
        if isinstance(self._where, Mapping):
            document: bytes | Mapping[str, Any] = self._where
        else:
            store = open_store(self._folder, mode="r", **self._options)
            try:
                data = await store.get(self._name, ByteRange(0, self._max_bytes + 1))
            finally:
                await store.aclose()
            if data is None:
                raise NotFound("there is no such reference document")
            if len(data) > self._max_bytes:
                raise MetadataError(f"a reference document of more than {self._max_bytes} bytes")
            document = bytes(data)
        self._document = await Threads(1).run(parse, document)
        return self._document

    def _target(self, url: str) -> tuple[Store, str]:
        """The store of a file and its key there."""
        full = _canonical(url if _ABSOLUTE(url) or url.startswith("/") else f"{_bare(self._folder)}/{url}")
        roots = [root for root in self._allowed if full.startswith(f"{root}/")]
        if not roots:
            raise Forbidden(f"the reference leads to {_shown(full)[:200]}, which is not below the allowed targets")
        root = max(roots, key=len)
        path = full[len(root) + 1 :]
        if root.startswith(("http://", "https://")):
            if re.search(r"[?#]|%2f|%5c", path, re.IGNORECASE):
                raise KeyInvalid("a query or an encoded separator may not be in the URL of a reference")
            path = unquote(path)
        validate_key(path)
        how = self._allowed[root]
        if not isinstance(how, Mapping):
            return how, path
        if root not in self._opened:
            query = self._folder.partition("?")[2] if root == _own_root(self._folder) else ""
            self._opened[root] = open_store(f"{root}?{query}" if query else root or "/", mode="r", **how)
        return self._opened[root], path


def _document_at(where: str) -> tuple[str, str]:
    """Folder (with the query of the document, if any) and name of a document."""
    address, mark, query = where.partition("?") if where.startswith(("http://", "https://")) else (where, "", "")
    full = _canonical(address)
    folder, _, name = full.rpartition("/")
    if not address or ("://" in full and "://" not in folder):
        raise KeyInvalid("write the URL or path of a reference document", store=without_secrets(where))
    validate_key(name)
    return f"{folder or '/'}{mark}{query}", name


def _canonical(url: str) -> str:
    """An absolute URL with scheme and host in lower case, or an absolute path of this machine."""
    match = _ABSOLUTE(url)
    if match is None:
        return absolute(url)
    scheme, host = match[1].lower(), match[2]
    if scheme == "file":
        return absolute(local_path(url))
    if "@" in host or not host:
        raise KeyInvalid("a URL of a reference names a host and no user", store=without_secrets(url))
    return f"{scheme}://{host.lower() if scheme in ('http', 'https') else host}{match[3]}"


def _bare(folder: str) -> str:
    return folder.partition("?")[0] if "://" in folder else folder


def _own_root(folder: str) -> str:
    """Below which a document may refer to files: its host or bucket, or its folder on this machine."""
    match = _ABSOLUTE(_bare(folder))
    return f"{match[1]}://{match[2]}" if match else folder.rstrip("/")


def _shown(place: str) -> str:
    return without_secrets(place) if "://" in place else f"file://{place}"


def _gone() -> NotFound:
    return NotFound("the file that the reference names is missing")


def _whole(data: BytesLike | None, length: int) -> BytesLike:
    if data is None:
        raise _gone()
    if len(data) != length:
        raise Truncated(f"{len(data)} bytes where the reference promises {length}: the file has another size")
    return data


async def _nothing(_: References) -> None:
    """There is nothing to close."""
